"""The loops of the gradient of the kernel, which Numba compiles for the blocks of a kernel and a float type.

    dK[i,l,m,n] += sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]        (one block of taps m,n)

Each tap of a block has a vector of sums: lane k % LANES holds the products of these columns k. The vectors stay in
registers along up to ROWS rows j, and each vector of G is loaded once for all taps. If sy = dy, these rows share the
pixels that they read. The lanes are added up in float64.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.compiled.blocks import MOST_ADDED, VECTOR, Blocks, GradientBlocks
from convcli.engine.compiled.loops.vectors import FLOATS, Jitted, Vectors, named_jit


def jitted(recipe: GradientBlocks) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``add`` for these blocks, not compiled yet, and the types of its arguments."""
    number = FLOATS[recipe.blocks.dtype]
    add_channel = _add_channel(recipe, number)

    def add(tile: Any, G: Any, dK: Any, sums: Any, columns: Any, step: Any, dilation: Any) -> None:
        """Add to dK (groups, C_out, C_in, kh, kw) what a padded tile (images, groups, C_in, h, w) and its G give.

        G: (images, groups, C_out, rows, columns).  sums: memory for a block of vectors.
        columns: the bytes from the pixel of the first tap to that of each tap of a row.
        step, dilation: the rows of the tile from one output row, and from one tap, to the next.
        """
        line, G_line = tile.strides[3], G.strides[3]
        for image in range(G.shape[0]):
            for group in range(dK.shape[0]):
                for i in range(dK.shape[1]):
                    rows = G.ctypes.data + image * G.strides[0] + group * G.strides[1] + i * G.strides[2]
                    upstream = rows, G_line, G.shape[3], G.shape[4]
                    for l in range(dK.shape[2]):  # noqa: E741 - the letter of the formula
                        V = tile.ctypes.data + image * tile.strides[0] + group * tile.strides[1] + l * tile.strides[2]
                        add_channel((V, step * line, dilation * line), columns, upstream, sums, dK[group, i, l])

    read = types.Array(number, 5, "A", readonly=True)
    dK, sums, columns = (
        types.Array(kind, axes, "C") for kind, axes in ((types.float64, 5), (number, 2), (types.int64, 1))
    )
    return named_jit(add, recipe.name), (read, read, dK, sums, columns, types.int64, types.int64)


def _add_channel(recipe: GradientBlocks, number: Any) -> Jitted:
    """Return the function that adds the products of one input and one output channel to their weights of dK."""
    blocks = recipe.blocks
    height, width, lanes = blocks.height, blocks.width, VECTOR * 8 // number.bitwidth
    whole = _add_block(recipe, height, width, number)
    low = _add_block(recipe, blocks.last_height, width, number) if blocks.last_height else whole
    narrow = _add_block(recipe, height, blocks.last_width, number) if blocks.last_width else whole

    def add(source: Any, columns: Any, upstream: Any, sums: Any, dK: Any) -> None:
        V, step, dilation = source
        G, G_line, rows, outputs = upstream
        band = max(1, MOST_ADDED * lanes // outputs)
        for j in range(0, rows, band):
            taken = G + j * G_line, G_line, min(band, rows - j), outputs
            for m in range(0, dK.shape[0], height):
                for n in range(0, dK.shape[1], width):
                    read = V + j * step + m * dilation, step, dilation, columns.ctypes.data + n * columns.itemsize
                    weights = dK[m : m + height, n : n + width]
                    if weights.shape[0] < height:
                        low(read, taken, sums, weights)
                    elif weights.shape[1] < width:
                        narrow(read, taken, sums, weights)
                    else:
                        whole(read, taken, sums, weights)

    return named_jit(add, f"channel-{recipe.name}")


def _add_block(recipe: GradientBlocks, height: int, width: int, number: Any) -> Jitted:
    """Return the function that adds the products of a block of taps to its weights of dK. Pointers are integers."""
    rows = recipe.blocks.rows_together
    add_rows, add_row = (_add_products(height, width, together, recipe.blocks) for together in (rows, 1))
    total = _total(number)

    def add(source: Any, upstream: Any, sums: Any, dK: Any) -> None:
        V, step, dilation, columns = source
        G, G_line, many, outputs = upstream
        sums[:] = 0
        end = many // rows * rows
        for j in range(0, end, rows):
            add_rows(V + j * step, dilation, columns, G + j * G_line, G_line, outputs, sums.ctypes.data)
        for j in range(end, many):
            add_row(V + j * step, dilation, columns, G + j * G_line, G_line, outputs, sums.ctypes.data)
        for m in range(height):
            for n in range(width):
                dK[m, n] += total(sums.ctypes.data + (m * width + n) * VECTOR)

    return named_jit(add, f"block-{height}x{width}-{recipe.name}")


def _add_products(height: int, width: int, rows: int, blocks: Blocks) -> Jitted:
    """Return the intrinsic that adds the products of ``height`` x ``width`` taps, in ``rows`` rows, to their sums."""
    number, adjacent = FLOATS[blocks.dtype], blocks.adjacent

    @intrinsic
    def add(context: Any, V: Any, line: Any, columns: Any, G: Any, G_line: Any, outputs: Any, sums: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            V, line, columns, G, G_line, outputs, sums = arguments
            code = Vectors(builder, context.get_value_type(number), number.bitwidth // 8)
            kept = [code.moved(sums, code.constant(VECTOR), tap) for tap in range(height * width)]
            # Variables of LLVM, which it keeps in registers.
            added = [cgutils.alloca_once_value(builder, code.load(each)) for each in kept]
            taps = code.places(columns, width, adjacent=adjacent)

            def add_columns(code: Vectors, k: Any, place: int) -> None:
                right = builder.mul(k, code.constant(code.bytes))
                upstream = [code.load_pixels(builder.add(code.moved(G, G_line, j), right)) for j in range(rows)]
                for row in range(rows + height - 1):
                    for n in range(width):
                        left = builder.add(code.moved(V, line, row), builder.add(taps[n], right))
                        pixels = code.load_pixels(left)
                        for j in range(max(0, row - height + 1), min(rows, row + 1)):
                            total = added[(row - j) * width + n]
                            builder.store(code.multiply_add(upstream[j], pixels, builder.load(total)), total)

            code.along(outputs, add_columns)
            for total, address in zip(added, kept, strict=True):
                code.store(builder.load(total), address)
            return context.get_dummy_value()

        return types.void(V, line, columns, G, G_line, outputs, sums), generate

    return add  # type: ignore[no-any-return]


def _total(number: Any) -> Jitted:
    """Return the intrinsic that adds up the lanes of a vector in memory, in float64."""

    @intrinsic
    def total(context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            code = Vectors(builder, context.get_value_type(number), number.bitwidth // 8)
            return code.total(code.load(arguments[0]))

        return types.float64(address), generate

    return total  # type: ignore[no-any-return]
