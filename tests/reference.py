"""Convolution and its gradients by plain loops from the definition. Slow, and imports nothing from convcli.

Arrays are always in full form: V (N, C_in, H, W), K (C_out, C_in/groups, kh, kw), G and Z (N, C_out, OH, OW).
pads are (top, bottom, left, right). Padding is numpy.pad's, its adjoint is taken pixel by pixel.
"""

import numpy as np

NUMPY_PAD_MODES = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap"}


def padded(V, pads, edge):
    top, bottom, left, right = pads
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    if edge in NUMPY_PAD_MODES:
        return np.pad(V, widths, mode=NUMPY_PAD_MODES[edge])
    value = float(edge.partition(":")[2]) if edge.startswith("constant:") else 0.0
    return np.pad(V, widths, constant_values=value)


def steps(V_padded, K, G_shape, stride, dilation, groups):
    """Every product of the definition: the indices (image, i, j, k), (l, a, c), (m, n) that meet."""
    in_channels, kernel_rows, kernel_columns = K.shape[1:]
    per_group = K.shape[0] // groups
    for image, i, j, k in np.ndindex(*G_shape):
        for l, m, n in np.ndindex(in_channels, kernel_rows, kernel_columns):  # noqa: E741
            channel = (i // per_group) * in_channels + l
            row, column = j * stride[0] + m * dilation[0], k * stride[1] + n * dilation[1]
            yield (image, i, j, k), (image, channel, row, column), (i, l, m, n)


def output_shape(V, K, stride, pads, dilation):
    rows = (V.shape[2] + pads[0] + pads[1] - dilation[0] * (K.shape[2] - 1) - 1) // stride[0] + 1
    columns = (V.shape[3] + pads[2] + pads[3] - dilation[1] * (K.shape[3] - 1) - 1) // stride[1] + 1
    return (V.shape[0], K.shape[0], rows, columns)


def conv2d(V, K, stride, pads, dilation, groups, edge):
    V_padded = padded(V, pads, edge)
    Z = np.zeros(output_shape(V, K, stride, pads, dilation))
    for z, v, w in steps(V_padded, K, Z.shape, stride, dilation, groups):
        Z[z] += V_padded[v] * K[w]
    return Z


def conv2d_grad(V, K, G, stride, pads, dilation, groups, edge):
    """dK, dV, db (C_out,)."""
    V_padded = padded(V, pads, edge)
    dK, dV_padded = np.zeros(K.shape), np.zeros(V_padded.shape)
    for z, v, w in steps(V_padded, K, G.shape, stride, dilation, groups):
        dK[w] += G[z] * V_padded[v]
        dV_padded[v] += G[z] * K[w]
    return dK, unpadded(dV_padded, V.shape, pads, edge), G.sum(axis=(0, 2, 3))


def unpadded(dV_padded, shape, pads, edge):
    """The adjoint of ``padded``: pad the pixels' own numbers, and send each gradient where its number says."""
    numbers = np.arange(np.prod(shape), dtype=float).reshape(shape)
    constant_free = edge if edge in NUMPY_PAD_MODES else "constant:-1"
    dV = np.zeros(np.prod(shape))
    for number, gradient in zip(
        padded(numbers, pads, constant_free).ravel(), dV_padded.ravel(), strict=True
    ):
        if number >= 0:
            dV[int(number)] += gradient
    return dV.reshape(shape)
