"""Convolution and its gradients by plain loops from the definition, and comparisons of arrays.

Slow; imports nothing from convcli. Arrays are always in full form: V (N, C_in, H, W),
K (C_out, C_in/groups, kh, kw) or tiled (C_out, tr, tc, C_in/groups, kh, kw), G and Z (N, C_out, OH, OW).
pads are (top, bottom, left, right).
Padding is numpy.pad's; its adjoint is computed pixel by pixel.
"""

import numpy as np

NUMPY_PAD_MODES = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap"}


def conv2d(V, K, stride, pads, dilation, groups, edge):
    V_padded = padded(V, pads, edge)
    Z = np.zeros(output_shape(V.shape, K.shape, stride, pads, dilation))
    for z, v, w in steps(K.shape, Z.shape, stride, dilation, groups):
        Z[z] += V_padded[v] * K[w]
    return Z


def conv2d_grad(V, K, G, stride, pads, dilation, groups, edge):
    """Return dK, dV and db (C_out,)."""
    V_padded = padded(V, pads, edge)
    dK, dV_padded = np.zeros(K.shape), np.zeros(V_padded.shape)
    for z, v, w in steps(K.shape, G.shape, stride, dilation, groups):
        dK[w] += G[z] * V_padded[v]
        dV_padded[v] += G[z] * K[w]
    return dK, unpadded(dV_padded, V.shape, pads, edge), G.sum(axis=(0, 2, 3))


def steps(K_shape, Z_shape, stride, dilation, groups):
    """Yield the indices of every product of the definition: (image, i, j, k), (image, l, a, c), (i, ..., l, m, n)."""
    per_group, tiling = K_shape[0] // groups, K_shape[1:-3]
    for image, i, j, k in np.ndindex(*Z_shape):
        phase = (j % tiling[0], k % tiling[1]) if tiling else ()
        for l, m, n in np.ndindex(*K_shape[-3:]):  # noqa: E741
            channel = (i // per_group) * K_shape[-3] + l
            row, column = j * stride[0] + m * dilation[0], k * stride[1] + n * dilation[1]
            yield (image, i, j, k), (image, channel, row, column), (i, *phase, l, m, n)


def output_shape(V_shape, K_shape, stride, pads, dilation):
    rows = (V_shape[2] + pads[0] + pads[1] - dilation[0] * (K_shape[-2] - 1) - 1) // stride[0] + 1
    columns = (V_shape[3] + pads[2] + pads[3] - dilation[1] * (K_shape[-1] - 1) - 1) // stride[1] + 1
    return (V_shape[0], K_shape[0], rows, columns)


def padded(V, pads, edge):
    """Return V with its last two axes padded."""
    widths = [(0, 0)] * (V.ndim - 2) + [pads[:2], pads[2:]]
    if edge in NUMPY_PAD_MODES:
        return np.pad(V, widths, mode=NUMPY_PAD_MODES[edge])
    value = float(edge.partition(":")[2]) if edge.startswith("constant:") else 0.0
    return np.pad(V, widths, constant_values=value)


def unpadded(dV_padded, shape, pads, edge):
    """Apply the adjoint of ``padded``: pad the indices of pixels, and add each gradient to the pixel of its index."""
    numbers = np.arange(np.prod(shape), dtype=float).reshape(shape)
    sources = padded(numbers, pads, edge if edge in NUMPY_PAD_MODES else "constant:-1")
    dV = np.zeros(np.prod(shape))
    for source, gradient in zip(sources.ravel(), dV_padded.ravel(), strict=True):
        if source >= 0:
            dV[int(source)] += gradient
    return dV.reshape(shape)


def central_differences(function, parameter):
    """Return dJ/dparameter of a J that is linear in the parameter; central differences are then exact at step 1."""
    gradient = np.zeros(parameter.shape)
    for at in np.ndindex(*parameter.shape):
        step = np.zeros(parameter.shape)
        step[at] = 1
        gradient[at] = (function(parameter + step) - function(parameter - step)) / 2
    return gradient


def block_diagonal(K, channels):
    """Return the bank (channels, channels, kh, kw) that filters every channel separately with the 2-D kernel K."""
    return np.eye(channels)[:, :, None, None] * K


def assert_same(actual, expected):
    """Raise unless the shapes are the same and all entries are equal."""
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    differing = np.argwhere(actual != expected)
    if len(differing):
        at = tuple(differing[0].tolist())
        raise AssertionError(f"{len(differing)} entries differ, first {at}: {actual[at]}, expected {expected[at]}")


def assert_adjoint(G, Z, parameter, gradient):
    """Raise unless <G, Z> = <gradient, parameter>, which holds for every parameter that Z is linear in.

    The tolerance is a thousand times the rounding of such sums in float64, about 1e-15 of the magnitude of the terms.
    """
    left, right = np.vdot(G, Z), np.vdot(gradient, parameter)
    scale = np.vdot(abs(G), abs(Z)) + np.vdot(abs(gradient), abs(parameter))
    assert abs(left - right) <= 1e-12 * scale, f"<G, Z> = {left}, but <gradient, parameter> = {right}"
