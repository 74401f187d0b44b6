"""The costs of operations in seconds of one thread: counts times the constants of ``convcli.engine.calibration``."""

from convcli.engine.calibration import BYTE, CALL, COMPILED, COMPILED_CHANNELS, PRODUCT, PRODUCT_DEPTH, PRODUCT_ROWS

# Bytes that a tile, its scratch and its output should take together. This is somewhat more than a core's own cache.
# With smaller tiles, threads would return to the interpreter more often; waiting for its lock costs more than the cache
# saves.
CACHE = 3 << 20
# The most bytes that prepared weights may take. All threads use one copy.
MOST_PREPARED = 48 << 20


def product_seconds(rows: int, depth: int, columns: float, itemsize: int) -> float:
    """Return the cost of a matrix product (rows, depth) (depth, columns). Few rows or little depth slow BLAS down."""
    hindrance = (1 + PRODUCT_ROWS / rows) * (1 + PRODUCT_DEPTH / depth)
    return rows * depth * columns * PRODUCT * hindrance * itemsize / 4


def elementwise_seconds(moved: float) -> float:
    """Return the cost of elementwise operations in cache.

    moved: bytes that they read or write; a byte counts as often as it is read or written.
    """
    return moved * BYTE


def compiled_seconds(multiplications: float, itemsize: int) -> float:
    """Return the cost of multiply-adds in compiled loops."""
    return multiplications * COMPILED * itemsize / 4


def compiled_channels_seconds(multiplications: float, itemsize: int) -> float:
    """Return the cost of multiply-adds in compiled loops that keep several output channels in registers."""
    return multiplications * COMPILED_CHANNELS * itemsize / 4


def calls_seconds(calls: float) -> float:
    """Return the overhead of this many calls of NumPy from Python."""
    return calls * CALL
