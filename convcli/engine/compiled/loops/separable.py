"""The loops of the algorithm ``compiled-separable``: both passes of a separable kernel, strip by strip.

    H_r[a, k] = sum over n of V'[a, k*sx + n*dx] * v_r[n]
    Z[j, k]   = sum over r,m of H_r[j*sy + m*dy, k] * u_r[m]

Each pass is a convolution with kernels of one row or one column, by the loops of ``compiled``. They take turns: as soon
as H holds the rows that some rows of Z read, these rows of Z are computed, while H is in cache. The rows of H that the
next ones read too are kept.
"""

from typing import Any

from numba import types

from convcli.engine.compiled.blocks import Passes
from convcli.engine.compiled.loops.convolution import channel_adder
from convcli.engine.compiled.loops.vectors import FLOATS, Jitted, named_jit


def jitted(passes: Passes) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``fill`` for these blocks, not compiled yet, and the types of its arguments."""
    number = FLOATS[passes.along.dtype]
    along, down, keep = _along(passes), _down(passes), _keep(passes)

    def fill(tile: Any, out: Any, H: Any, R: Any, U: Any, columns: Any, step: Any, dilation: Any) -> None:
        """Fill ``out`` (images, groups, 1, rows, columns) from a padded tile (images, groups, 1, h, w).

        H: memory (rank, rows, columns) for the rows that some rows of ``out`` read, in one strip of columns.
        R, U: the rows (groups, rank, kw) and columns (groups, rank, kh) of the kernel.
        columns: the bytes from the pixel of the first tap, which is 0, to that of each tap of a row.
        step, dilation: the rows of the tile from one output row, and from one tap, to the next.
        """
        images, groups, _, rows, width = out.shape
        line, Z_line, reach, strip = tile.strides[3], out.strides[3], (U.shape[2] - 1) * dilation + 1, H.shape[2]
        band = (H.shape[1] - reach) // step + 1
        for image in range(images):
            for group in range(groups):
                V = tile.ctypes.data + image * tile.strides[0] + group * tile.strides[1]
                Z = out.ctypes.data + image * out.strides[0] + group * out.strides[1]
                v, u = R.ctypes.data + group * R.strides[0], U.ctypes.data + group * U.strides[0]
                for k in range(0, width, strip):
                    count = min(strip, width - k)
                    for j in range(0, rows, band):
                        together = min(band, rows - j)
                        known = keep(H, band * step, max(0, reach - step), count) if j > 0 else 0
                        source = V + (j * step + known) * line + k * tile.itemsize, line
                        along(source, columns, v, R.shape[2], H, known, (together - 1) * step + reach, count)
                        target = Z + j * Z_line + k * out.itemsize, Z_line, together, count
                        down(H, step, dilation, columns, u, U.shape[2], target)

    read, written = (types.Array(number, 5, "A", readonly=readonly) for readonly in (True, False))
    H, K, columns = (
        types.Array(number, 3, "C"),
        types.Array(number, 3, "C", readonly=True),
        types.Array(types.int64, 1, "C"),
    )
    return named_jit(fill, passes.name), (read, written, H, K, K, columns, types.int64, types.int64)


def _along(passes: Passes) -> Jitted:
    """Return the function that fills the rows of H from ``first`` to before ``last``."""
    add, together = channel_adder(passes.along), passes.along.rows_together

    def along(source: Any, columns: Any, v: Any, taps: Any, H: Any, first: Any, last: Any, count: Any) -> None:
        V, line = source
        for r in range(H.shape[0]):
            for a in range(first, last, together):
                lines = V + (a - first) * line, line, line
                target = (
                    H.ctypes.data + r * H.strides[0] + a * H.strides[1],
                    H.strides[1],
                    min(together, last - a),
                    count,
                )
                add(lines, columns, v + r * taps * H.itemsize, 1, taps, target, True)

    return named_jit(along, f"along-{passes.name}")


def _down(passes: Passes) -> Jitted:
    """Return the function that fills some rows of Z from those of H."""
    add, together = channel_adder(passes.down), passes.down.rows_together

    def down(H: Any, step: Any, dilation: Any, columns: Any, u: Any, taps: Any, target: Any) -> None:
        Z, Z_line, rows, count = target
        line = H.strides[1]
        for j in range(0, rows, together):
            sums = Z + j * Z_line, Z_line, min(together, rows - j), count
            for r in range(H.shape[0]):
                lines = H.ctypes.data + r * H.strides[0] + j * step * line, step * line, dilation * line
                add(lines, columns, u + r * taps * H.itemsize, taps, 1, sums, r == 0)

    return named_jit(down, f"down-{passes.name}")


def _keep(passes: Passes) -> Jitted:
    """Return the function that moves some rows of H to the top, and returns their number."""

    def keep(H: Any, first: Any, rows: Any, count: Any) -> Any:
        for r in range(H.shape[0]):
            for a in range(rows):
                for k in range(count):
                    H[r, a, k] = H[r, first + a, k]
        return rows

    return named_jit(keep, f"keep-{passes.name}")
