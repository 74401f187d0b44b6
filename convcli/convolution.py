"""The forward convolution.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

V' is V after padding. Without ``flip`` this is cross-correlation, as in TensorFlow and PyTorch; with it, true
convolution, as in MATLAB's conv2 and scipy.signal.convolve2d.
"""

from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli import engine
from convcli.arrays import FloatArray, computing_type, real_array
from convcli.engine import AUTOMATIC, MEMORY, Execution
from convcli.operands import bias_blocks, kernel_blocks
from convcli.settings import Numbers, Settings, parse_settings


def conv2d(
    V: ArrayLike,
    K: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    dtype: DTypeLike | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int = MEMORY,
) -> FloatArray:
    """Convolve V with K: ``Z (..., C_out, OH, OW)`` in V's units times K's.

    V: ``(..., C_in, H, W)``, any real type; ``(H, W)`` will do with a 2-D kernel.
    K: ``(kh, kw)`` filters every channel alone; ``(C_out, C_in/groups, kh, kw)`` is a bank.
    bias: a number; for a bank also ``(C_out,)``, or ``(C_out, OH, OW)``, one for every output unit.
    stride, dilation: N or (rows, columns).
    padding: ``valid``, ``same``, ``same-lower``, ``full``, N, (rows, columns) or (top, bottom, left, right).
    edge: ``zero``, ``constant:VALUE``, ``replicate``, ``reflect``, ``symmetric`` or ``wrap``.
    dtype: float32 or float64; by default float32 for float32 and 8- and 16-bit V, else float64.
    algorithm: ``auto``, or a name in ``convcli.engine.CONVOLUTIONS``.  threads: by default every processor's.
    memory: bytes that each thread may take beyond input and output.

    Raises GeometryError where shapes or options do not fit together, OptionError for an unknown algorithm.
    """
    settings = parse_settings(stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge)
    return convolve(V, K, bias, settings, flip=flip, dtype=dtype, execution=Execution(algorithm, threads, memory))


def convolve(
    V: ArrayLike,
    K: ArrayLike,
    bias: ArrayLike | None,
    settings: Settings,
    *,
    flip: bool,
    dtype: DTypeLike | None = None,
    execution: Execution = AUTOMATIC,
) -> FloatArray:
    """``conv2d``, its options parsed."""
    V, K = real_array("input V", V), real_array("kernel K", K)
    geometry = settings.geometry(V.shape, K.shape)
    computed = computing_type(V.dtype, dtype)
    weights = kernel_blocks(K, geometry, flip=flip)
    b = None if bias is None else bias_blocks(bias, K, geometry, computed)
    Z = np.empty(geometry.output_blocks, computed)
    engine.convolve(V.reshape(geometry.input_blocks), weights, geometry, Z, b, execution)
    return Z.reshape(geometry.output_shape)
