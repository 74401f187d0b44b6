"""The loops that read pixels, convolve them, and store levels, in one pass over memory.

Part by part of some columns, lines of pixels become lines of floats just before they are added, and sums become levels
just after, so that both stay in the first cache.
"""

from typing import Any

from numba import types

from convcli.engine.compiled.blocks import VECTOR, LevelBlocks
from convcli.engine.compiled.loops.convolution import channel_adder
from convcli.engine.compiled.loops.lines import line_filler, line_loader, line_storer, plain_storer
from convcli.engine.compiled.loops.vectors import FLOATS, Jitted, named_jit


def jitted(recipe: LevelBlocks) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``fill``, not compiled yet, and the types of its arguments."""
    number, rows, name = FLOATS[recipe.blocks.dtype], recipe.blocks.rows_together, recipe.name
    add_channel, level = channel_adder(recipe.blocks), recipe.bits // 8
    load_row, store = _row_loader(number, name), _storer(number, recipe.bits, name)

    def fill(K: Any, columns: Any, step: Any, dilation: Any, lines: Any) -> None:
        """Fill a tile of levels. K, columns, step and dilation are as in ``loops.convolution``.

        lines: what ``level_loops`` puts together: memory for floats, V and its places, Z, and what is counted.
        """
        tile, sums, V, Z, row_places, places, sizes, numbers, ends, counts = lines
        bits, samples, start, stop, height, most, reach = sizes
        inside = start, stop
        line, Z_line, value, numbers_at = tile.strides[0], sums.strides[0], numbers[-1], numbers.ctypes.data
        is_plain = numbers[-5] == 1 and numbers[-4] == 0 and numbers[-2] == 0
        images, out_rows, width = Z.shape[0], Z.shape[1], Z.shape[2] // level // samples
        for image in range(images):
            V_at, Z_at = V.ctypes.data + image * V.strides[0], Z.ctypes.data + image * Z.strides[0]
            tallies = ends.ctypes.data + image * ends.strides[0], counts.ctypes.data + image * counts.strides[0]
            for top in range(0, out_rows, height):
                below = min(top + height, out_rows)
                for left in range(0, width, most):
                    outputs = min(most, width - left)
                    window = left, left + outputs + reach
                    # Pixels of V begin at the start of a vector, because a vector in two cache lines is stored twice.
                    pixels = tile.ctypes.data - max(0, start - left) * samples * tile.itemsize % -VECTOR
                    loaded = top * step
                    for j in range(top, below, rows):
                        many = min(rows, below - j)
                        last = (j + many - 1) * step + (K.shape[3] - 1) * dilation + 1
                        for y in range(loaded, last):
                            row = V_at, V.strides[1], row_places[y], rows * step
                            target = pixels + (y - top * step) * line
                            load_row(row, bits, samples, places, window, inside, value, target)
                        loaded = max(loaded, last)
                        source = pixels + (j - top) * step * line, step * line, dilation * line
                        sums_at = sums.ctypes.data, Z_line, many, outputs * samples
                        add_channel(source, columns, K.ctypes.data, K.shape[3], K.shape[4], sums_at, True)
                        for y in range(many):
                            out = Z_at + (j + y) * Z.strides[1] + left * samples * level
                            store(sums.ctypes.data + y * Z_line, sums_at[3], numbers_at, is_plain, out, *tallies)

    K, columns = types.Array(number, 5, "C", readonly=True), types.Array(types.int64, 1, "C")
    return named_jit(fill, name), (K, columns, types.int64, types.int64, _lines_type(number))


def _lines_type(number: Any) -> Any:
    memory = types.Array(number, 2, "C")
    pixels, levels = (types.Array(types.uint8, 3, "A", readonly=readonly) for readonly in (True, False))
    places, numbers = types.Array(types.int64, 1, "C"), types.Array(number, 1, "C")
    ends, counts = types.Array(number, 3, "C"), types.Array(types.int32, 3, "C")
    return types.Tuple((memory, memory, pixels, levels, places, places, places, numbers, ends, counts))


def _row_loader(number: Any, name: str) -> Jitted:
    """Return the function that fills a line of floats with some pixels of a padded row."""
    load, set_all = line_loader(number, name), line_filler(number)

    def load_row(
        source: Any, bits: Any, samples: Any, places: Any, window: Any, inside: Any, value: Any, target: Any
    ) -> None:
        V, step, row, rows_ahead = source
        if row < 0:
            set_all(value, (window[1] - window[0]) * samples, target)
        else:
            load(V + row * step, rows_ahead * step, bits, samples, places, window, inside, value, target)

    return named_jit(load_row, f"row-{name}")


def _storer(number: Any, bits: int, name: str) -> Jitted:
    """Return the function that stores a line of sums as levels."""
    count_all, look = line_storer(number, bits), plain_storer(number, bits)

    def store(Z: Any, count: Any, numbers: Any, is_plain: Any, out: Any, ends: Any, counts: Any) -> None:
        # Most lines hold no odd numbers. Those that do are stored again, and counted.
        if not is_plain or look(Z, count, numbers, out, ends):
            count_all(Z, count, numbers, out, ends, counts)

    return named_jit(store, f"store-{name}")
