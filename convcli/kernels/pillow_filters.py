"""The filters of Pillow's ImageFilter."""

from collections.abc import Mapping

# Pillow turns the rows upside down when it filters: (rows, divisor, bias).
PILLOW_FILTERS: Mapping[str, tuple[tuple[tuple[int, ...], ...], int, int]] = {
    "blur": (((1, 1, 1, 1, 1), (1, 0, 0, 0, 1), (1, 0, 0, 0, 1), (1, 0, 0, 0, 1), (1, 1, 1, 1, 1)), 16, 0),
    "contour": (((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), 1, 255),
    "detail": (((0, -1, 0), (-1, 10, -1), (0, -1, 0)), 6, 0),
    "edge-enhance": (((-1, -1, -1), (-1, 10, -1), (-1, -1, -1)), 2, 0),
    "edge-enhance-more": (((-1, -1, -1), (-1, 9, -1), (-1, -1, -1)), 1, 0),
    "emboss": (((0, 0, 0), (0, 1, 0), (-1, 0, 0)), 1, 128),
    "find-edges": (((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), 1, 0),
    "sharpen": (((-2, -2, -2), (-2, 32, -2), (-2, -2, -2)), 16, 0),
    "smooth": (((1, 1, 1), (1, 5, 1), (1, 1, 1)), 13, 0),
    "smooth-more": (((1, 1, 1, 1, 1), (1, 5, 5, 5, 1), (1, 5, 44, 5, 1), (1, 5, 5, 5, 1), (1, 1, 1, 1, 1)), 100, 0),
}
