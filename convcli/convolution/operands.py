"""The arrays of a convolution: checked against its geometry, and reshaped to the axes that the engine uses."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, FloatArray, real_array
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


def bias_blocks(bias: ArrayLike, K: Array, geometry: Geometry, dtype: np.dtype[Any]) -> FloatArray:
    """Return the bias as an array that broadcasts against the engine's Z.

    bias: a number; for a bank also one per output channel, or one per output unit.
    """
    b = real_array("bias b", bias).astype(dtype)
    blocks = (geometry.groups, geometry.out_channels)
    if b.ndim == 0:
        return b
    channels = geometry.groups * geometry.out_channels
    units = (channels, *geometry.output_shape[-2:])
    if K.ndim > 2 and b.shape in ((channels,), units):
        return b.reshape(*blocks, *(b.shape[1:] or (1, 1)))
    expected = "a number (2-D kernel)" if K.ndim == 2 else f"a number, ({channels},) or {units}"
    raise GeometryError(f"expected {expected}, given shape {b.shape}", option="bias")


def bias_shape(bias: ArrayLike | None, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of db: that of the bias; without one, () for a 2-D kernel and (C_out,) for a bank."""
    if bias is not None:
        return np.shape(bias)
    return () if len(kernel_shape) == 2 else kernel_shape[:1]


def upstream_blocks(G: ArrayLike, geometry: Geometry) -> Array:
    """Return G with the engine's axes. Raises GeometryError unless G has the shape of Z."""
    upstream = real_array("upstream gradient G", G)
    if upstream.shape != geometry.output_shape:
        raise GeometryError(
            f"upstream gradient G: expected the output's shape {geometry.output_shape}, given {upstream.shape}"
        )
    return upstream.reshape(geometry.output_blocks)
