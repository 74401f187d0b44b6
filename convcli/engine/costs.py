"""The costs of operations in seconds of one thread: counts times the constants of ``convcli.engine.calibration``."""

from convcli.engine.calibration import BYTE, CALL, PRODUCT, PRODUCT_DEPTH, PRODUCT_ROWS

# Bytes that a tile, its scratch and its output should take together. This is somewhat more than a core's own cache:
# with smaller tiles, threads return to the interpreter more often, and wait for its lock longer than for memory.
CACHE = 3 << 20
# The most bytes of prepared weights, which all threads share.
SHARED = 48 << 20


def product_seconds(rows: int, depth: int, columns: float, itemsize: int) -> float:
    """Return the cost of a matrix product (rows, depth) (depth, columns); few rows or little depth slow BLAS down."""
    hindrance = (1 + PRODUCT_ROWS / rows) * (1 + PRODUCT_DEPTH / depth)
    return rows * depth * columns * PRODUCT * hindrance * itemsize / 4


def pass_seconds(moved: float) -> float:
    """Return the cost of elementwise passes in cache. moved: bytes read or written, counted each time."""
    return moved * BYTE


def calls_seconds(calls: float) -> float:
    """Return the cost of this many calls of NumPy from Python."""
    return calls * CALL
