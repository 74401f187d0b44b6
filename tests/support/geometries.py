"""Geometries as plain data, small enough for the plain loops of ``reference``, with distinct sizes on every axis.

Shapes are V (N, C_in, H, W) and K (C_out, C_in/groups, kh, kw); pads are (top, bottom, left, right).
"""

from typing import NamedTuple

import numpy as np

from convcli.geometry import fills
from convcli.geometry.options import parse_options
from support import reference

FILLS = tuple(fill.replace("VALUE", "2.5") for fill in fills.FILLS)
COPYING_FILLS = tuple(fill for fill in FILLS if fills.parse_edge(fill).copies)


class Case(NamedTuple):
    name: str
    V: tuple[int, int, int, int]
    K: tuple[int, int, int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    edge: str = "zero"

    def __str__(self):
        return self.name

    @property
    def plain(self):
        """The options in the form that ``reference`` takes."""
        names = ("stride", "pads", "dilation", "groups", "edge")
        return {name: getattr(self, name) for name in names}

    @property
    def options(self):
        """The options in the form that ``conv2d`` takes."""
        options = self.plain
        return {"padding": options.pop("pads"), **options}

    @property
    def Z(self):
        return reference.output_shape(self.V, self.K, self.stride, self.pads, self.dilation)


CASES = [
    Case("plain", (1, 2, 5, 7), (3, 2, 2, 4)),
    Case("batch", (3, 2, 4, 7), (5, 2, 3, 2)),
    Case("one-pixel", (1, 2, 1, 1), (3, 2, 1, 1)),
    Case("kernel-equal-to-image", (1, 2, 4, 5), (3, 2, 4, 5)),
    Case("even-kernel", (1, 3, 5, 7), (2, 3, 2, 4)),
    Case("odd-kernel", (1, 2, 6, 7), (4, 2, 5, 3)),
    Case("row-kernel", (1, 2, 4, 7), (3, 2, 1, 5)),
    Case("column-kernel", (1, 2, 7, 4), (3, 2, 5, 1)),
    Case("more-channels-in", (1, 5, 4, 6), (2, 5, 3, 2)),
    Case("more-channels-out", (1, 2, 4, 6), (7, 2, 3, 1)),
    Case("stride", (1, 2, 9, 8), (3, 2, 3, 2), stride=(2, 3)),
    Case("stride-remainder", (1, 2, 8, 10), (3, 2, 3, 2), stride=(2, 3)),
    Case("stride-above-kernel", (1, 2, 9, 14), (3, 2, 2, 3), stride=(4, 5)),
    Case("stride-above-image", (2, 1, 4, 3), (3, 1, 2, 1), stride=(7, 5)),
    Case("stride-remainder-padded", (1, 2, 7, 9), (3, 2, 3, 4), stride=(3, 4), pads=(1, 2, 3, 0)),
    Case("stride-within-pads", (1, 2, 3, 4), (3, 2, 2, 1), stride=(5, 3), pads=(6, 1, 2, 4)),
    Case("dilation", (1, 2, 7, 9), (3, 2, 3, 2), dilation=(2, 5)),
    Case("dilation-padded", (1, 2, 4, 5), (3, 2, 2, 3), pads=(0, 2, 3, 1), dilation=(3, 2)),
    Case("stride-equal-to-dilation", (1, 2, 9, 11), (3, 2, 2, 3), stride=(2, 3), dilation=(2, 3)),
    Case("stride-divides-dilation", (1, 2, 10, 12), (3, 2, 3, 2), stride=(2, 3), dilation=(4, 6)),
    Case("stride-coprime-to-dilation", (1, 2, 9, 13), (3, 2, 3, 4), stride=(2, 3), dilation=(3, 2)),
    Case("stride-shares-factor-with-dilation", (1, 2, 17, 16), (3, 2, 5, 4), stride=(4, 6), dilation=(2, 4)),
    Case("stride-above-kernel-shares-factor", (1, 2, 14, 19), (3, 2, 2, 3), stride=(6, 4), dilation=(4, 6)),
    Case("stride-above-kernel-coprime", (1, 2, 13, 18), (3, 2, 3, 2), stride=(5, 4), dilation=(3, 5)),
    Case("pads-above-kernel", (1, 2, 3, 4), (3, 2, 2, 1), pads=(4, 0, 1, 5)),
    Case("kernel-above-image", (1, 2, 2, 3), (3, 2, 4, 5), pads=(3, 1, 0, 4)),
    Case("depthwise", (2, 3, 5, 4), (3, 1, 2, 3), groups=3),
    Case("depthwise-multiplied", (1, 3, 4, 5), (6, 1, 3, 2), groups=3),
    Case("groups", (2, 6, 5, 4), (8, 3, 2, 3), groups=2),
    Case("three-by-three", (2, 4, 7, 6), (6, 2, 3, 3), pads=(1, 1, 1, 1), groups=2),
    Case("three-by-three-asymmetric-pads", (1, 3, 6, 9), (2, 3, 3, 3), pads=(2, 0, 1, 3), edge="reflect"),
    Case("one-row-reflect", (1, 2, 1, 4), (3, 2, 3, 2), pads=(2, 1, 0, 3), edge="reflect"),
    Case("one-column-reflect", (1, 2, 3, 1), (3, 2, 2, 4), pads=(0, 2, 1, 3), edge="reflect"),
    *(Case(f"asymmetric-pads-{fill}", (1, 2, 4, 6), (3, 2, 3, 2), pads=(2, 1, 0, 3), edge=fill) for fill in FILLS),
    *(
        Case(f"pads-above-image-{fill}", (1, 2, 2, 3), (3, 2, 4, 5), stride=(2, 1), pads=(5, 3, 4, 8), edge=fill)
        for fill in COPYING_FILLS
    ),
    *(
        Case(f"everything-{fill}", (3, 4, 5, 7), (6, 2, 3, 2), (2, 3), (3, 2, 1, 4), (2, 5), groups=2, edge=fill)
        for fill in FILLS
    ),
]
BY_NAME = {case.name: case for case in CASES}

# These workspaces, in bytes, cut these cases into single pixels, and along columns, rows and images.
TILED = Case("tiled", (5, 4, 8, 12), (6, 2, 2, 3), (1, 2), (2, 1, 5, 4), (3, 1), groups=2, edge="reflect")
TILED_SQUARE = Case("tiled-square", (5, 4, 9, 12), (6, 2, 3, 3), (1, 1), (2, 1, 0, 2), groups=2, edge="reflect")
TILED_PLANE = Case("tiled-plane", (5, 4, 8, 12), (4, 1, 2, 3), (1, 2), (2, 1, 5, 4), (3, 1), groups=4, edge="wrap")
WORKSPACES = (1, *(int(2500 * 1.5**power) for power in range(10)))


def integers(shape, seed):
    """Return random integers as float64, so small that every sum of products is exact, also in float32."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(float)


def fractions(shape, seed):
    """Random multiples of 1/64: they have several digits, and sums of their products are exact in float64."""
    return np.random.default_rng(seed).integers(-200, 201, shape) / 64


def operands(case):
    """Return V, K and G of a case."""
    return integers(case.V, seed=1), integers(case.K, seed=2), integers(case.Z, seed=3)


def random_case(seed):
    """Return a random geometry of some thousand pixels, whose fill is linear in V."""
    draw = np.random.default_rng(seed).integers
    groups, ins, outs = draw(1, 4, 3).tolist()
    taps, stride, dilation = draw(1, 6, 2).tolist(), tuple(draw(1, 5, 2).tolist()), tuple(draw(1, 4, 2).tolist())
    V = (int(draw(1, 4)), groups * ins, *draw(20, 40, 2).tolist())
    edge = ("zero", *COPYING_FILLS)[seed % (1 + len(COPYING_FILLS))]
    return Case(f"random-{seed}", V, (groups * outs, ins, *taps), stride, tuple(draw(0, 50, 4)), dilation, groups, edge)


def geometry_of(V_shape, K_shape, **options):
    """Return the geometry of these options for these shapes."""
    return parse_options(**options).geometry(V_shape, K_shape)
