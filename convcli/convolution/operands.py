"""The arrays of a convolution: checked against its geometry, and reshaped to the axes that the engine uses."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, FloatArray, real_array, require_range
from convcli.engine import Factorisation, KernelBlocks
from convcli.errors import GeometryError
from convcli.geometry.axes import Geometry

REVERSED = slice(None, None, -1)


def kernel_blocks(factorisation: Factorisation, geometry: Geometry, *, flip: bool) -> KernelBlocks:
    """Return a kernel with the engine's axes, rotated by 180 degrees for true convolution."""
    K = np.ascontiguousarray(flipped(factorisation.weights, flip=flip)).reshape(geometry.kernel_blocks)
    return KernelBlocks(K, factorisation, ((REVERSED, REVERSED),) if flip else ())


def flipped(K: Array, *, flip: bool) -> Array:
    """Return K, with rows and columns reversed if ``flip``. It is its own adjoint: it also reverses dK back."""
    return K[..., ::-1, ::-1] if flip else K


def bias_blocks(bias: ArrayLike, K: Array, outputs: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Return the bias as an array that broadcasts against the engine's output, whose shape is ``outputs``.

    bias: a number; for a bank also one per output channel, or one per output unit.
    """
    b = real_array("bias b", bias).astype(dtype)
    if b.ndim == 0:
        return b
    _, groups, group_channels, rows, columns = outputs
    channels = groups * group_channels
    units = (channels, rows, columns)
    if K.ndim > 2 and b.shape in ((channels,), units):
        return b.reshape(groups, group_channels, *(b.shape[1:] or (1, 1)))
    expected = "a number (2-D kernel)" if K.ndim == 2 else f"a number, ({channels},) or {units}"
    raise GeometryError(f"expected {expected}, given shape {b.shape}", option="bias")


def bias_shape(bias: ArrayLike | None, kernel_shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """Return the shape of db: that of the bias; without one, () for a 2-D kernel, and one per channel for a bank."""
    if bias is not None:
        return np.shape(bias)
    return () if len(kernel_shape) == 2 else (channels,)


def input_of(V: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return V as an array.

    Raises GeometryError unless it has the shape that the convolution was prepared for, OptionError if the float type
    that is computed in cannot hold it.
    """
    array = real_array("input V", V)
    if array.shape != shape:
        raise GeometryError(f"input V: expected the shape {shape} that the convolution is for, given {array.shape}")
    require_range("V", array, dtype)
    return array


def upstream_of(G: ArrayLike, output_shape: tuple[int, ...]) -> Array:
    """Return G as an array of numbers. Raises GeometryError unless it has the shape of the output."""
    upstream = real_array("upstream gradient G", G)
    if upstream.shape != output_shape:
        raise GeometryError(f"upstream gradient G: expected the output's shape {output_shape}, given {upstream.shape}")
    return upstream
