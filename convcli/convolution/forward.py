"""The forward convolution.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

V' is V after padding. Without ``flip`` this is cross-correlation, as in TensorFlow and PyTorch; with it, true
convolution, as in MATLAB's conv2 and scipy.signal.convolve2d.
"""

from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli import engine
from convcli.arrays import (
    ROUNDED_TO,
    Array,
    FloatArray,
    computing_type,
    ends_of,
    fill_rounded,
    real_array,
    stored_type,
)
from convcli.convolution.operands import bias_blocks, kernel_blocks
from convcli.engine import AUTOMATIC, MEMORY, Execution, Store
from convcli.files.large_arrays import Empty
from convcli.geometry.axes import Geometry
from convcli.geometry.options import Numbers, Settings, parse_settings


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
) -> Array:
    """Convolve V with K: ``Z (..., C_out, OH, OW)`` in V's units times K's.

    V: ``(..., C_in, H, W)``, any real type; ``(H, W)`` will do with a 2-D kernel.
    K: ``(kh, kw)`` filters every channel alone; ``(C_out, C_in/groups, kh, kw)`` is a bank.
    bias: a number; for a bank also ``(C_out,)``, or ``(C_out, OH, OW)``, one for every output unit.
    stride, dilation: N or (rows, columns).
    padding: ``valid``, ``same``, ``same-lower``, ``full``, N, (rows, columns) or (top, bottom, left, right).
    edge: ``zero``, ``constant:VALUE``, ``replicate``, ``reflect``, ``symmetric`` or ``wrap``.
    dtype: float32 or float64; by default float32 for float32 and 8- and 16-bit V, else float64. Or uint8 or uint16:
    computed in the default's float, then rounded half to even and clipped.
    algorithm: ``auto``, or a name in ``convcli.engine.CONVOLUTIONS``.  threads: by default every processor's.
    memory: bytes that each thread may take beyond input and output.

    Raises GeometryError where shapes or options do not fit together, OptionError for an unknown algorithm.
    """
    settings = parse_settings(stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge)
    return convolve(V, K, bias, settings, flip=flip, dtype=dtype, execution=Execution(algorithm, threads, memory))


# Beyond a float's range numbers become infinite, as IEEE 754 has it; infinities less infinities are NaN.
@np.errstate(over="ignore", invalid="ignore")
def convolve(
    V: ArrayLike,
    K: ArrayLike,
    bias: ArrayLike | None,
    settings: Settings,
    *,
    flip: bool,
    dtype: DTypeLike | None = None,
    execution: Execution = AUTOMATIC,
    empty: Empty = np.empty,
) -> Array:
    """``conv2d``, its options parsed; ``empty`` gives the array for Z."""
    call = _prepare(V, K, bias, settings, flip=flip, dtype=dtype)
    Z = empty(call.geometry.output_blocks, stored_type(call.V.dtype, dtype))
    if Z.dtype == call.dtype:
        engine.convolve(call.V, call.K, call.geometry, Z, call.bias, execution)
    else:
        call.run(lambda part, tile: fill_rounded(tile, ends_of(tile), Z[part]), execution)
    return Z.reshape(call.geometry.output_shape)


@np.errstate(over="ignore", invalid="ignore")
def convolve_and_store(
    V: ArrayLike,
    K: ArrayLike,
    bias: ArrayLike | None,
    settings: Settings,
    store: Store,
    *,
    flip: bool,
    execution: Execution = AUTOMATIC,
) -> None:
    """The same, without an array for Z: each part of it goes to ``store`` once, with where it lies.

    Parts index Z as ``Geometry.output_blocks`` has it; they come in any order, from several threads at once, and are
    the taker's to overwrite.
    """
    _prepare(V, K, bias, settings, flip=flip, dtype=None).run(store, execution)


class _Call(NamedTuple):
    """A convolution's arrays as the engine takes them, and the type to compute in."""

    V: Array
    K: Array
    bias: FloatArray | None
    geometry: Geometry
    dtype: np.dtype[Any]

    def run(self, store: Store, execution: Execution) -> None:
        engine.convolve_and_store(self.V, self.K, self.geometry, self.dtype, store, self.bias, execution)


def _prepare(
    V: ArrayLike, K: ArrayLike, bias: ArrayLike | None, settings: Settings, *, flip: bool, dtype: DTypeLike | None
) -> _Call:
    V, K = real_array("input V", V), real_array("kernel K", K)
    geometry = settings.geometry(V.shape, K.shape)
    computed = computing_type(V.dtype, None if stored_type(V.dtype, dtype) in ROUNDED_TO else dtype)
    weights = kernel_blocks(K, geometry, flip=flip)
    b = None if bias is None else bias_blocks(bias, K, geometry, computed)
    return _Call(V.reshape(geometry.input_blocks), weights, b, geometry, computed)
