"""The loops of the algorithm ``compiled``, which Numba compiles for the blocks of a kernel and a float type.

    Z[i,j,k] += sum over m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]        (one input channel l, one block)

The sums of LANES consecutive columns k, in up to ROWS rows j, stay in vector registers while the taps of a block are
added in the order of the definition. If sy = dy, these rows share the pixels that they read. The numbers of taps are
constants of the compiled code, so that it holds no loop over taps.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from convcli.engine.compiled.blocks import VECTOR, Blocks
from convcli.engine.compiled.loops.vectors import FLOATS, Jitted, Vectors, named_jit


def jitted(blocks: Blocks) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``fill`` for these blocks, not compiled yet, and the types of its arguments."""
    number, rows, add_channel = FLOATS[blocks.dtype], blocks.rows_together, channel_adder(blocks)

    def fill(tile: Any, out: Any, K: Any, columns: Any, step: Any, dilation: Any) -> None:
        """Fill ``out`` (images, groups, C_out, rows, columns) from a padded tile (images, groups, C_in, h, w).

        columns: the bytes from the pixel of the first tap to that of each tap of a row.
        step, dilation: the rows of the tile from one output row, and from one tap, to the next.
        """
        images, groups, out_channels, out_rows, out_columns = out.shape
        line, Z_line = tile.strides[3], out.strides[3]
        for image in range(images):
            for group in range(groups):
                for i in range(out_channels):
                    for j in range(0, out_rows, rows):
                        Z = out.ctypes.data + image * out.strides[0] + group * out.strides[1] + i * out.strides[2]
                        target = Z + j * Z_line, Z_line, min(rows, out_rows - j), out_columns
                        for l in range(tile.shape[2]):  # noqa: E741 - the letter of the formula
                            V = tile.ctypes.data + image * tile.strides[0] + group * tile.strides[1]
                            source = V + l * tile.strides[2] + j * step * line, step * line, dilation * line
                            weights = K.ctypes.data + group * K.strides[0] + i * K.strides[1] + l * K.strides[2]
                            add_channel(source, columns, weights, K.shape[3], K.shape[4], target, l == 0)

    read, written = (types.Array(number, 5, "A", readonly=readonly) for readonly in (True, False))
    K, columns = types.Array(number, 5, "C", readonly=True), types.Array(types.int64, 1, "C")
    return named_jit(fill, blocks.name), (read, written, K, columns, types.int64, types.int64)


def channel_adder(blocks: Blocks) -> Jitted:
    """Return the function that adds all taps of one input channel to up to ``rows_together`` rows of outputs.

    Its source is the address of the first pixel, and the bytes from one output row, and from one tap, to the next. Its
    target is the address of the first output, the bytes from row to row, and the numbers of rows and columns.
    """
    number, rows = FLOATS[blocks.dtype], blocks.rows_together
    height, width, bytes_per_float = blocks.height, blocks.width, number.bitwidth // 8
    whole = _add_block(blocks, height, width, rows, number)
    low = _add_block(blocks, blocks.last_height, width, rows, number) if blocks.last_height else whole
    narrow = _add_block(blocks, height, blocks.last_width, rows, number) if blocks.last_width else whole

    def add(source: Any, columns: Any, K: Any, taps_down: Any, taps_across: Any, target: Any, first: Any) -> None:
        V, step, dilation = source
        for m in range(0, taps_down, height):
            for n in range(0, taps_across, width):
                below = V + m * dilation, step, dilation
                right = columns.ctypes.data + n * columns.itemsize
                weights = K + (m * taps_across + n) * bytes_per_float, taps_across * bytes_per_float
                if taps_down - m < height:
                    low(below, right, weights, target, first and m + n == 0)
                elif taps_across - n < width:
                    narrow(below, right, weights, target, first and m + n == 0)
                else:
                    whole(below, right, weights, target, first and m + n == 0)

    return named_jit(add, f"channel-{blocks.name}")


def _add_block(blocks: Blocks, height: int, width: int, rows: int, number: Any) -> Jitted:
    """Return the function that adds a block of taps to up to ``rows`` rows of outputs. Pointers are integers."""
    bytes_per_float = number.bitwidth // 8
    lanes = VECTOR // bytes_per_float
    add_to_rows = _add_taps(height, width, rows, blocks)
    add_to_row = _add_taps(height, width, 1, blocks)
    add_to_end = _add_taps(height, width, 1, blocks, at_end=True)

    def add(source: Any, columns: Any, weights: Any, target: Any, first: Any) -> None:
        V, step, dilation = source
        K, K_line = weights
        Z, Z_line, many, outputs = target
        end = outputs // lanes * lanes
        together = rows if many == rows else 1
        for j in range(0, many, together):
            for k in range(0, end, lanes):
                pixels, sums = V + j * step + k * bytes_per_float, Z + j * Z_line + k * bytes_per_float
                if together == rows:
                    add_to_rows(pixels, dilation, columns, K, K_line, sums, Z_line, lanes, first)
                else:
                    add_to_row(pixels, dilation, columns, K, K_line, sums, Z_line, lanes, first)
        if end < outputs:
            for j in range(many):
                pixels, sums = V + j * step + end * bytes_per_float, Z + j * Z_line + end * bytes_per_float
                add_to_end(pixels, dilation, columns, K, K_line, sums, Z_line, outputs - end, first)

    return named_jit(add, f"block-{height}x{width}-{blocks.name}")


def _add_taps(height: int, width: int, rows: int, blocks: Blocks, *, at_end: bool = False) -> Jitted:
    """Return the intrinsic that adds ``height`` x ``width`` taps to the sums of LANES columns in each of ``rows`` rows.

    at_end: whether only the first ``count`` columns are read and written.
    """
    number, adjacent = FLOATS[blocks.dtype], blocks.adjacent

    @intrinsic
    def add(
        context: Any,
        V: Any,
        line: Any,
        columns: Any,
        K: Any,
        K_line: Any,
        Z: Any,
        Z_line: Any,
        count: Any,
        first: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            V, line, columns, K, K_line, Z, Z_line, count, first = arguments
            code = Vectors(builder, context.get_value_type(number), number.bitwidth // 8, count if at_end else None)
            sums = [code.load(code.moved(Z, Z_line, j), unless=first) for j in range(rows)]
            places = code.places(columns, width, adjacent=adjacent)
            K = [
                [code.weight(code.moved(code.moved(K, K_line, m), code.constant(code.bytes), n)) for n in range(width)]
                for m in range(height)
            ]
            for row in range(rows + height - 1):
                for n in range(width):
                    pixels = code.load(builder.add(code.moved(V, line, row), places[n]))
                    for j in range(max(0, row - height + 1), min(rows, row + 1)):
                        sums[j] = code.multiply_add(pixels, K[row - j][n], sums[j])
            for j in range(rows):
                code.store(sums[j], code.moved(Z, Z_line, j))
            return context.get_dummy_value()

        return types.void(V, line, columns, K, K_line, Z, Z_line, count, first), generate

    return add  # type: ignore[no-any-return]
