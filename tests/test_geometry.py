"""Words into integers: pads, extents, and what every request that does not fit is told."""

import random
import re

import numpy as np
import pytest
from support.geometries import CASES, geometry_of

from convcli.errors import GeometryError
from convcli.geometry.axes import Axis
from convcli.geometry.fills import parse_edge

V, K = (2, 5, 7), (3, 2, 2, 4)


def pads(geometry):
    y, x = geometry.rows, geometry.columns
    return (y.before, y.after, x.before, x.after)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_integers_of_a_bank(case):
    geometry = geometry_of(case.V, case.K, **case.options)
    assert geometry.output_shape == case.Z
    assert pads(geometry) == case.pads
    images, channels, *size = case.V
    outputs = case.K[0] // case.groups
    assert geometry.input_blocks == (images, case.groups, channels // case.groups, *size)
    assert geometry.kernel_blocks == (case.groups, outputs, *case.K[1:])
    assert geometry.output_blocks == (images, case.groups, outputs, *case.Z[2:])


@pytest.mark.parametrize(
    ("shape", "images", "output"),
    [
        ((5, 7), 1, (4, 4)),
        ((3, 5, 7), 3, (3, 4, 4)),
        ((2, 3, 5, 7), 6, (2, 3, 4, 4)),
    ],
    ids=str,
)
def test_plane_kernel_counts_channels_among_the_images(shape, images, output):
    geometry = geometry_of(shape, (2, 4))
    assert geometry.input_blocks == (images, 1, 1, 5, 7)
    assert geometry.output_shape == output


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_the_reach_of_a_pixel_among_the_outputs(taps, stride, dilation):
    axis = Axis(60, taps, stride, dilation)
    reading = [
        [j for j in range(axis.output) if a - j * stride in range(0, taps * dilation, dilation)] for a in range(20, 40)
    ]
    assert axis.transposed_reach == max(outputs[-1] - outputs[0] + 1 for outputs in reading if outputs)


def test_geometry_is_a_value():
    geometry = geometry_of(V, K, padding="same")
    assert geometry == geometry_of(V, K, padding=(0, 1, 1, 2))
    assert hash(geometry) == hash(geometry_of(V, K, padding="0,1,1,2"))
    with pytest.raises(AttributeError):
        geometry.groups = 2


@pytest.mark.parametrize(
    ("axis", "outputs", "window"),
    [
        (Axis(7, 3), range(5), range(7)),
        (Axis(7, 3), range(2, 3), range(2, 5)),
        (Axis(9, 2, stride=3), range(1, 3), range(3, 8)),
        (Axis(9, 3, stride=2, dilation=3), range(1), range(7)),
        (Axis(9, 3, stride=2, dilation=2, before=4, after=1), range(2, 4), range(4, 11)),
    ],
    ids=str,
)
def test_window_is_what_the_outputs_read(axis, outputs, window):
    assert axis.window(outputs) == window


class TestPads:
    """One axis a row: input extent, kernel extent, stride, dilation; then the pads, and the output extent."""

    @pytest.mark.parametrize(
        ("axis", "same", "outputs"),
        [
            (Axis(6, 3), (1, 1), 6),
            (Axis(6, 4), (1, 2), 6),
            (Axis(7, 1), (0, 0), 7),
            (Axis(1, 5), (2, 2), 1),
            (Axis(6, 3, stride=2), (0, 1), 3),
            (Axis(7, 3, stride=2), (1, 1), 4),
            (Axis(6, 4, stride=2), (1, 1), 3),
            (Axis(7, 4, stride=2), (1, 2), 4),
            (Axis(6, 2, stride=2), (0, 0), 3),
            (Axis(7, 2, stride=2), (0, 1), 4),
            (Axis(9, 2, stride=4), (0, 1), 3),
            (Axis(10, 2, stride=4), (0, 0), 3),
            (Axis(8, 5, stride=3), (1, 2), 3),
            (Axis(6, 3, dilation=2), (2, 2), 6),
            (Axis(6, 4, dilation=3), (4, 5), 6),
            (Axis(7, 4, stride=2, dilation=3), (4, 5), 4),
            (Axis(224, 7, stride=2), (2, 3), 112),
        ],
        ids=str,
    )
    def test_same(self, axis, same, outputs):
        upper, lower = (self.padded(axis, padding) for padding in ("same", "same-lower"))
        assert (upper.before, upper.after) == same
        assert (lower.before, lower.after) == same[::-1]
        assert upper.output == lower.output == outputs

    @pytest.mark.parametrize("stride", range(1, 6))
    @pytest.mark.parametrize("dilation", [1, 2, 3])
    def test_same_is_that_of_tensorflow(self, stride, dilation):
        """As its guide gives it: the total depends on the remainder of the input by the stride."""
        for size, taps in np.ndindex(12, 6):
            axis = self.padded(Axis(size + 1, taps + 1, stride, dilation), "same")
            reach, remainder = dilation * taps + 1, (size + 1) % stride
            total = max(reach - (remainder or stride), 0)
            assert (axis.before, axis.after) == (total // 2, total - total // 2)
            assert axis.output == -(-(size + 1) // stride)

    @pytest.mark.parametrize(
        ("axis", "each", "outputs"),
        [(Axis(6, 3), 2, 8), (Axis(5, 4), 3, 8), (Axis(6, 3, 2, 3), 6, 6), (Axis(1, 7), 6, 7)],
        ids=str,
    )
    def test_full(self, axis, each, outputs):
        full = self.padded(axis, "full")
        assert (full.before, full.after, full.output) == (each, each, outputs)

    def padded(self, axis, padding):
        """The axis under this padding, as rows and as columns of two images."""
        numbers = {"stride": (axis.stride, 1), "dilation": (axis.dilation, 1), "padding": padding}
        turned = {"stride": (1, axis.stride), "dilation": (1, axis.dilation), "padding": padding}
        rows = geometry_of((axis.size, 4), (axis.taps, 1), **numbers).rows
        columns = geometry_of((4, axis.size), (1, axis.taps), **turned).columns
        assert rows == columns
        return rows

    @pytest.mark.parametrize(
        ("padding", "expected"),
        [
            ("valid", (0, 0, 0, 0)),
            ("full", (1, 1, 3, 3)),
            (3, (3, 3, 3, 3)),
            ((1, 2), (1, 1, 2, 2)),
            ((1, 0, 2, 1), (1, 0, 2, 1)),
            ([1, 0, 2, 1], (1, 0, 2, 1)),
            (np.int64(2), (2, 2, 2, 2)),
            ("3", (3, 3, 3, 3)),
            ("1,2", (1, 1, 2, 2)),
            ("1,0,2,1", (1, 0, 2, 1)),
            ("100,0,0,7", (100, 0, 0, 7)),
        ],
        ids=repr,
    )
    def test_forms(self, padding, expected):
        assert pads(geometry_of(V, K, padding=padding)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, (2, 2)), ((2, 3), (2, 3)), ([2, 3], (2, 3)), ((2,), (2, 2)), ("2", (2, 2)), ("2,3", (2, 3)), ("2, 3", (2, 3))],
    ids=repr,
)
@pytest.mark.parametrize("name", ["stride", "dilation"])
def test_forms_of_pairs(name, value, expected):
    geometry = geometry_of((20, 20), (2, 3), **{name: value})
    assert (getattr(geometry.rows, name), getattr(geometry.columns, name)) == expected


RANKS = "kernel K: expected rank 2: (kh, kw), which filters every channel alone, "
RANKS += "rank 4: (C_out, C_in/groups, kh, kw), a bank, "
RANKS += "or rank 6: (C_out, tr, tc, C_in/groups, kh, kw), tiled or locally connected; given rank"
PADS = "padding: expected 1, 2 or 4 integers of at least 0 (N, Y,X or T,B,L,R), given"
WORDS = "padding: expected valid, same, same-lower, full, N, Y,X or T,B,L,R, given"
BEYOND = "kernel larger than the padded input: the kernel reaches {} pixels (rows x columns, dilation included), "
BEYOND += "the input is 5x7, {} with its padding; use more padding or a smaller kernel"


@pytest.mark.parametrize(
    ("V", "K", "options", "text"),
    [
        (V, K, {"stride": 0}, "stride: expected one or two integers of at least 1, given 0"),
        (V, K, {"stride": (1, -2)}, "stride: expected one or two integers of at least 1, given (1, -2)"),
        (V, K, {"stride": (1, 2, 3)}, "stride: expected one or two integers of at least 1, given (1, 2, 3)"),
        (V, K, {"stride": ()}, "stride: expected one or two integers of at least 1, given ()"),
        (V, K, {"stride": "2,0"}, "stride: expected one or two integers of at least 1, given '2,0'"),
        (V, K, {"stride": 1.5}, "stride: expected S or SY,SX, given 1.5"),
        (V, K, {"stride": None}, "stride: expected S or SY,SX, given None"),
        (V, K, {"stride": "2x1"}, "stride: expected S or SY,SX, given '2x1'"),
        (V, K, {"stride": ""}, "stride: expected S or SY,SX, given ''"),
        (V, K, {"dilation": 0}, "dilation: expected one or two integers of at least 1, given 0"),
        (V, K, {"dilation": "1,2,3"}, "dilation: expected one or two integers of at least 1, given '1,2,3'"),
        (V, K, {"dilation": "one"}, "dilation: expected S or SY,SX, given 'one'"),
        (V, K, {"padding": -1}, f"{PADS} -1"),
        (V, K, {"padding": "0,-2"}, f"{PADS} '0,-2'"),
        (V, K, {"padding": (1, 2, 3)}, f"{PADS} (1, 2, 3)"),
        (V, K, {"padding": "1,2,3,4,5"}, f"{PADS} '1,2,3,4,5'"),
        (V, K, {"padding": ()}, f"{PADS} ()"),
        (V, K, {"padding": "sideways"}, f"{WORDS} 'sideways'"),
        (V, K, {"padding": "SAME"}, f"{WORDS} 'SAME'; did you mean same?"),
        (V, K, {"padding": "same,1"}, f"{WORDS} 'same,1'; did you mean same?"),
        (V, K, {"padding": ""}, f"{WORDS} ''"),
        (V, K, {"padding": 0.5}, f"{WORDS} 0.5"),
        (V, K, {"stride": True}, "stride: expected S or SY,SX, given True"),
        (V, K, {"groups": True}, "groups: expected an integer, given True"),
        (V, K, {"groups": 0}, "groups: expected a divisor of the kernel's 3 output channels, given 0"),
        (V, K, {"groups": -3}, "groups: expected a divisor of the kernel's 3 output channels, given -3"),
        (V, K, {"groups": 2}, "groups: expected a divisor of the kernel's 3 output channels, given 2"),
        (
            V,
            K,
            {"groups": 3},
            "kernel (3, 2, 2, 4) with groups 3 takes 6 input channels, but the input has 2: its shape is (2, 5, 7)",
        ),
        (
            (4, 6, 5, 7),
            K,
            {},
            "kernel (3, 2, 2, 4) with groups 1 takes 2 input channels, but the input has 6: its shape is (4, 6, 5, 7)",
        ),
        (V, (2, 4), {"groups": 2}, "groups: expected 1, because a 2-D kernel filters every channel alone, given 2"),
        ((2, 0, 7), K, {}, "input V is empty: its shape is (2, 0, 7)"),
        ((3, 0, 5, 7), K, {}, "input V is empty: its shape is (3, 0, 5, 7)"),
        (V, (3, 2, 0, 4), {}, "kernel K is empty: its shape is (3, 2, 0, 4)"),
        (V, (0, 4), {}, "kernel K is empty: its shape is (0, 4)"),
        ((7,), (2, 4), {}, "input V: expected shape (..., C, H, W) or (H, W), given (7,)"),
        ((), (2, 4), {}, "input V: expected shape (..., C, H, W) or (H, W), given ()"),
        ((7,), K, {}, "input V: a 4-D kernel needs shape (..., C_in, H, W) or (H, W), given (7,)"),
        (
            (5, 7),
            K,
            {},
            "kernel (3, 2, 2, 4) with groups 1 takes 2 input channels, but the input has 1: its shape is (5, 7)",
        ),
        (V, (), {}, f"{RANKS} 0, shape ()"),
        (V, (4,), {}, f"{RANKS} 1, shape (4,)"),
        (V, (2, 2, 4), {}, f"{RANKS} 3, shape (2, 2, 4)"),
        (V, (1, 3, 2, 2, 4), {}, f"{RANKS} 5, shape (1, 3, 2, 2, 4)"),
        (V, (6, 4), {}, BEYOND.format("6x4", "5x7")),
        (V, (3, 2, 2, 8), {}, BEYOND.format("2x8", "5x7")),
        (V, (6, 4), {"stride": 4}, BEYOND.format("6x4", "5x7")),
        (V, (2, 9), {"stride": 9, "padding": (3, 0, 1, 0)}, BEYOND.format("2x9", "8x8")),
        (V, (2, 4), {"dilation": (5, 3)}, BEYOND.format("6x10", "5x7")),
        (V, (4, 3), {"dilation": (3, 1), "padding": (1, 2), "stride": 7}, BEYOND.format("10x3", "7x11")),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_refused(V, K, options, text):
    with pytest.raises(GeometryError, match=f"^{re.escape(text)}$"):
        geometry_of(V, K, **options)


@pytest.mark.parametrize("edge", ["zero", "wrap", "reflect", "symmetric", "replicate"])
def test_untouched_pixels_are_those_that_no_output_reads(edge):
    fill, draw, tried = parse_edge(edge), random.Random(7), 0
    while tried < 300:
        axis = Axis(
            *(draw.randint(1, most) for most in (12, 5, 6, 4)), draw.choice([0, 0, 1, 2, 20]), draw.choice([0, 0, 1, 9])
        )
        if axis.reach > axis.padded:
            continue
        tried += 1
        held = axis.sources(range(axis.padded), fill).tolist()
        read = {held[j * axis.stride + m * axis.dilation] for j in range(axis.output) for m in range(axis.taps)}
        found = [pixel for stretch in axis.untouched(fill) for pixel in stretch]
        assert found == [pixel for pixel in range(axis.size) if pixel not in read], axis


def test_untouched_pixels_among_too_many():
    assert Axis(10**9, 3).untouched(parse_edge("zero")) == ()
    assert Axis(10**9, 2, stride=2, before=1).untouched(parse_edge("zero")) == (range(10**9 - 1, 10**9),)
    with pytest.raises(GeometryError, match=r"^untouched pixels: expected at most 16,777,216 padded rows or columns"):
        Axis(10**9, 1, stride=2).untouched(parse_edge("zero"))
