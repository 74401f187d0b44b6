"""Small pictures of arrays: their sizes, and what their pixels are."""

import numpy as np
import pytest

from convcli.drawing.palette import signed_colours
from convcli.drawing.thumbnails import photograph, signed, size_in_box

RANDOM = np.random.default_rng(12)


@pytest.mark.parametrize(
    ("shape", "box", "expected"),
    [
        ((3, 3), (22, 25), (21, 21)),
        ((3, 5), (22, 25), (15, 25)),
        ((512, 512), (22, 25), (22, 22)),
        ((3000, 4000), (22, 24), (18, 24)),
        ((20, 25), (22, 25), (20, 25)),
        ((1, 10000), (22, 25), (1, 25)),
        ((10000, 1), (22, 25), (22, 1)),
    ],
)
def test_a_thumbnail_fits_its_box(shape, box, expected):
    assert size_in_box(shape, box) == expected


def drawn(thumbnail, size):
    picture = thumbnail.draw(size)
    assert (picture.shape, picture.dtype) == ((*size, 3), np.uint8)
    return picture


def test_a_photograph_keeps_its_levels():
    V = RANDOM.integers(0, 256, (3, 4, 5), np.uint8)
    thumbnail = photograph("V", V)
    assert (thumbnail.label, thumbnail.shape) == ("V", (4, 5))
    assert (drawn(thumbnail, (4, 5)) == V.transpose(1, 2, 0)).all()
    assert (drawn(thumbnail, (8, 10)) == V.transpose(1, 2, 0).repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_photograph_is_averaged_over_boxes():
    V = RANDOM.integers(0, 256, (1, 6, 9), np.uint8)
    means = V.reshape(2, 3, 3, 3).mean(axis=(1, 3))
    # Pillow rounds twice: along rows, then along columns.
    assert np.abs(drawn(photograph("V", V), (2, 3)) - means[..., np.newaxis]).max() <= 1


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (np.array([[[0, 257, 65535]]], np.uint16), [0, 1, 255]),
        (np.array([[[-1.0, 0.0, 1.0]]]), [0, 128, 255]),
        (np.array([[[np.nan, -np.inf, np.inf, 0.0, 2.0]]]), [0, 0, 255, 0, 255]),
        (np.array([[[7.0, 7.0]]]), [0, 0]),
    ],
    ids=["16 bits", "floats", "not finite", "constant"],
)
def test_other_numbers_are_stretched_to_all_levels(values, levels):
    assert drawn(photograph("Z", values), values.shape[1:])[0, :, 0].tolist() == levels


@pytest.mark.parametrize(
    ("shape", "label"),
    [((1, 4, 4), "Z"), ((3, 4, 4), "Z"), ((8, 4, 4), "Z[0]"), ((2, 3, 4, 4), "Z[0]"), ((2, 8, 4, 4), "Z[0, 0]")],
)
def test_of_several_planes_the_first_is_shown(shape, label):
    assert photograph("Z", np.zeros(shape)).label == label


def test_signed_planes_and_heatmaps_are_coloured_alike():
    K = np.array([[[[-2.0, 0.0, 1.0]]], [[[9.0, 9.0, 9.0]]]])
    thumbnail = signed("K", K)
    assert (thumbnail.label, thumbnail.shape) == ("K[0, 0]", (1, 3))
    assert (drawn(thumbnail, (2, 6))[:, ::2] == signed_colours(K[0, 0], 2.0)).all()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e300, 5e-324])
def test_signed_numbers_of_any_size(value):
    plane = np.full((8, 8), value)
    expected = {0.0: (255, 255, 255), np.inf: (103, 0, 31), 1e300: (103, 0, 31), 5e-324: (103, 0, 31)}
    assert tuple(drawn(signed("dV", plane), (2, 2))[0, 0]) == expected.get(value, (128, 128, 128))
