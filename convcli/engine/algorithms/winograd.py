"""Winograd's F(2x2,3x3): four outputs of a 3x3 kernel with 16 instead of 36 multiplications per pair of channels.

Along one axis, two outputs z from three taps g and four pixels d (Lavin and Gray, arXiv:1509.09308, section 4.1):

    z = A^T [ (G g) * (B^T d) ]

    B^T = 1  0 -1  0     G = 1    0   0      A^T = 1  1  1  0
          0  1  1  0         1/2  1/2 1/2          0  1 -1 -1
          0 -1  1  0         1/2 -1/2 1/2
          0  1  0 -1         0    0   1

In two dimensions, each transform is applied along one axis, then along the other. The sum over channels is then 16
matrix products, one for each of the 4x4 transformed pixels, over all 2x2 blocks of outputs at once. The even and odd
rows and columns of a tile are copied to four planes, so that every transform is a sum of whole, shifted planes.
"""

from math import prod

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import MOST_PREPARED, calls_seconds, elementwise_seconds, product_seconds
from convcli.engine.interface import Estimate, Fill, Refusal, Weights, Workload
from convcli.engine.scratch import Scratch
from convcli.engine.threads import BLAS_ON_ONE_THREAD
from convcli.engine.tiles import TileSize, evened, input_floats, largest_tile
from convcli.geometry.axes import Geometry

TAPS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
# Bytes of a tile. Larger tiles make products faster, because BLAS packs the weights once per product; smaller tiles
# make transforms faster, because they stay in cache.
WORKSPACE = 12 << 20
# Bytes that are transformed at a time, to stay in cache.
TRANSFORMED_TOGETHER = 1 << 20
# How often a transformed float is read or written: into planes, along columns and rows, and back.
ACCESSES = 16
ACCESSES_OF_WEIGHTS = 6


def estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost, 16 products per four outputs; refuse kernels other than 3x3 at stride 1, and few channels."""
    geometry = work.geometry
    for axis in (geometry.rows, geometry.columns):
        if (axis.taps, axis.stride, axis.dilation) != (3, 1, 1):
            return Refusal("F(2x2,3x3) is for 3x3 kernels at stride 1 and dilation 1")
    channels, least = min(geometry.in_channels, geometry.out_channels), work.limits.transform_channels
    if channels < least:
        return Refusal(f"{channels} channels in a group, below {least}: its transforms would cost more than they save")
    weights = 16 * prod(geometry.kernel_blocks[:3])
    if weights * work.itemsize > MOST_PREPARED:
        return Refusal(f"its transformed weights would take {weights * work.itemsize:,} bytes, above {MOST_PREPARED:,}")
    limit = min(WORKSPACE, work.memory) // work.itemsize
    size = evened(largest_tile(geometry, lambda size: _floats(geometry, size), limit), geometry)
    blocks = geometry.images * geometry.groups * _half(geometry.rows.output) * _half(geometry.columns.output)
    both = geometry.in_channels + geometry.out_channels
    moved = (ACCESSES * 4 * blocks * both + ACCESSES_OF_WEIGHTS * weights) * work.itemsize
    seconds = (
        16 * product_seconds(geometry.out_channels, geometry.in_channels, blocks, work.itemsize)
        + elementwise_seconds(moved)
        + calls_seconds(30 * size.number(geometry))
    )
    multiplications = 16 * blocks * geometry.in_channels * geometry.out_channels
    workspace = _floats(geometry, size) * work.itemsize
    return Estimate(size, seconds, multiplications, moved, workspace, exact=False, spreads=True, mixes=True)


def _half(size: int) -> int:
    return -(-size // 2)


def _floats(geometry: Geometry, size: TileSize) -> int:
    """Return the most floats of a tile, its planes, their transforms along one and along both axes, and 16 products."""
    blocks = size.images * geometry.groups * (_half(size.rows) + 1) * (_half(size.columns) + 1)
    return input_floats(geometry, size) + blocks * (28 * geometry.in_channels + 16 * geometry.out_channels)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    U = transformed_weights(weights.K.astype(work.dtype, copy=False))

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        images, groups, channels, height, width = out.shape
        rows, columns = _half(height), _half(width)
        X = scratch.array((4, 4, *tile.shape[:3], (rows + 1) * (columns + 1)), tile.dtype)
        _transform(tile, columns + 1, X, scratch)
        M = scratch.array((4, 4, images, groups, channels, rows * (columns + 1)), out.dtype)
        np.matmul(U[:, :, None], X[..., : M.shape[-1]], out=M)
        Z = _combined(_combined(M).swapaxes(0, 1)).swapaxes(0, 1)
        Z = Z.reshape(2, 2, images, groups, channels, rows, columns + 1)
        for a, b in np.ndindex(2, 2):
            part = out[..., a::2, b::2]
            part[...] = Z[a, b, ..., : part.shape[-2], : part.shape[-1]]

    return run


def transformed_weights(weights: FloatArray) -> FloatArray:
    """Return U ``(4, 4, groups, C_out, C_in)`` for weights ``(groups, C_out, C_in, 3, 3)``."""
    kernels = weights.reshape(-1, 9).T
    # With more threads, BLAS would spin for a tenth of a second after the product, and slow this process down.
    with BLAS_ON_ONE_THREAD:
        return (np.kron(TAPS, TAPS).astype(weights.dtype) @ kernels).reshape(4, 4, *weights.shape[:3])


def _transform(tile: FloatArray, pitch: int, out: FloatArray, scratch: Scratch) -> None:
    """Fill ``out``, X ``(4, 4, images, groups, C_in, blocks)``, with B^T d B for each block of 2x2 outputs.

    A row has ``pitch`` blocks, one more than needed, and a channel has one row of blocks more than needed. Therefore
    all channels can be shifted as one vector: only the surplus blocks read the next row or channel.
    """
    channels, size = tile.reshape(-1, *tile.shape[-2:]), out.shape[-1]
    X = out.reshape(4, 4, -1)
    together = max(1, TRANSFORMED_TOGETHER // (16 * size * out.itemsize))
    buffers = scratch.array((12, together * size + pitch + 1), tile.dtype)
    for start in range(0, len(channels), together):
        part = channels[start : start + together]
        end = len(part) * size
        planes = buffers[:4].reshape(2, 2, -1)[..., : end + pitch + 1]
        _fill_planes(part, pitch, planes)
        along = buffers[4:].reshape(4, 2, -1)[..., : end + pitch]
        _transform_axis(planes[0], planes[1], 1, along)
        _transform_axis(along[:, 0], along[:, 1], pitch, X[..., start * size : start * size + end])


def _fill_planes(channels: FloatArray, pitch: int, out: FloatArray) -> None:
    """Fill ``out`` with even and odd columns (first axis) and rows (second), each as a vector that ends in zeros."""
    out[..., -pitch - 1 :] = 0
    squares = out[..., : -pitch - 1].reshape(2, 2, len(channels), -1, pitch)
    for p, q in np.ndindex(2, 2):
        part = channels[:, p::2, q::2]
        height, width = part.shape[-2:]
        squares[q, p, :, :height, :width] = part
        squares[q, p, :, height:, :] = squares[q, p, :, :, width:] = 0


def _transform_axis(even: FloatArray, odd: FloatArray, step: int, out: FloatArray) -> None:
    """Fill ``out`` with B^T d along one axis, where d2 and d3 lie ``step`` floats after d0 and d1."""
    d0, d2 = even[..., :-step], even[..., step:]
    d1, d3 = odd[..., :-step], odd[..., step:]
    np.subtract(d0, d2, out=out[0])
    np.add(d1, d2, out=out[1])
    np.subtract(d2, d1, out=out[2])
    np.subtract(d1, d3, out=out[3])


def _combined(M: FloatArray) -> FloatArray:
    """Return A^T m along the first axis, computed in place."""
    M[0] += M[1]
    M[0] += M[2]
    M[1] -= M[2]
    M[1] -= M[3]
    return M[:2]
