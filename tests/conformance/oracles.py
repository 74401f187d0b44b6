"""Convolution and its gradients as other libraries compute them, for any rank of kernel and either direction.

An oracle takes banks that are not flipped: V (N, C_in, H, W), K, G (N, C_out, OH, OW) and the options of ``reference``;
it returns Z, dK and dV.
"""

import numpy as np
from scipy.signal import convolve2d, correlate2d
from support import reference


def answers(oracle, convolution, V, K, G):
    """Return Z, dK and dV of an oracle in the shapes of the convolution."""
    channels = V.shape[-3] if V.ndim > 2 else 1
    turned = K[..., ::-1, ::-1] if convolution.flip else K
    bank = reference.block_diagonal(turned, channels) if K.ndim == 2 else turned
    images, upstream = V.reshape(-1, channels, *V.shape[-2:]), G.reshape(-1, len(bank), *G.shape[-2:])
    names = ("stride", "pads", "dilation", "groups", "edge")
    Z, dK, dV = oracle(images, bank, upstream, **{name: getattr(convolution, name) for name in names})
    if K.ndim == 2:
        dK = np.einsum("ccmn->mn", dK)
    return Z.reshape(G.shape), dK[..., ::-1, ::-1] if convolution.flip else dK, dV.reshape(V.shape)


def plain_loops(V, K, G, **options):
    dK, dV, _ = reference.conv2d_grad(V, K, G, **options)
    return reference.conv2d(V, K, **options), dK, dV


def scipy_signal(V, K, G, *, stride, pads, dilation, groups, edge):
    """Compute strides by zeros between the pixels of G, and dilation by zeros between the taps."""
    V_padded = reference.padded(V, pads, edge)
    spread, upstream = _spread(K, dilation), _spread(G, stride)
    Z, dK, dV_padded = np.zeros(G.shape), np.zeros(spread.shape), np.zeros(V_padded.shape)
    rows, columns = (slice(extent) for extent in spread.shape[-2:])
    touched = tuple(slice(g + k - 1) for g, k in zip(upstream.shape[-2:], spread.shape[-2:], strict=True))
    for n, i, l in np.ndindex(len(V), *K.shape[:2]):  # noqa: E741
        a = i // (len(K) // groups) * K.shape[1] + l
        Z[n, i] += correlate2d(V_padded[n, a], spread[i, l], "valid")[:: stride[0], :: stride[1]]
        dK[i, l] += correlate2d(V_padded[n, a], upstream[n, i], "valid")[rows, columns]
        dV_padded[n, a][touched] += convolve2d(upstream[n, i], spread[i, l])
    return Z, dK[..., :: dilation[0], :: dilation[1]], reference.unpadded(dV_padded, V.shape, pads, edge)


def _spread(array, steps):
    """Return the array with zeros between rows and between columns."""
    *leading, rows, columns = array.shape
    wide = np.zeros((*leading, (rows - 1) * steps[0] + 1, (columns - 1) * steps[1] + 1))
    wide[..., :: steps[0], :: steps[1]] = array
    return wide
