"""What operations take, in seconds of one thread: counts times the constants of ``convcli.engine.calibration``."""

from convcli.engine.calibration import BYTE, CALL, PRODUCT, PRODUCT_DEPTH, PRODUCT_ROWS

# Bytes that a tile, its scratch and its output should take together. Somewhat above a core's own cache: two threads
# that come back to the interpreter more often wait for its lock longer than they wait for memory.
CACHE = 3 << 20
# Bytes that prepared weights, which all threads share, may take.
SHARED = 48 << 20


def product_seconds(rows: int, depth: int, columns: float, itemsize: int) -> float:
    """A matrix product (rows, depth) (depth, columns) in BLAS; few rows or little depth keep it from its full rate."""
    hindrance = (1 + PRODUCT_ROWS / rows) * (1 + PRODUCT_DEPTH / depth)
    return rows * depth * columns * PRODUCT * hindrance * itemsize / 4


def pass_seconds(moved: float) -> float:
    """Bytes read or written by elementwise passes in cache, each time that they are."""
    return moved * BYTE


def calls_seconds(calls: float) -> float:
    """What it takes Python and NumPy to make so many calls."""
    return calls * CALL
