"""Tone curves of colour profiles: those that Pillow makes, and every type that the standard has."""

import struct

import numpy as np
import pytest
from PIL import ImageCms

from convcli.pictures.profiles import is_like_srgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GAMMA, LINEAR_PIECE = 2.4, (1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(curve, tag=b"rTRC"):
    """A header, a table of two tags, and the curve; the first tag's is something else."""
    entries = struct.pack(">4sII4sII", b"desc", 156, 4, tag, 160, len(curve))
    return bytes(128) + struct.pack(">I", 2) + entries + b"text" + curve


def sampled(*entries):
    return b"curv" + bytes(4) + struct.pack(f">I{len(entries)}H", len(entries), *entries)


def parametric(kind, *numbers):
    return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", kind, 0, *(round(65536 * n) for n in numbers))


def table(gamma):
    return sampled(*np.rint(65535 * np.linspace(0, 1, 1024) ** gamma).astype(int))


@pytest.mark.parametrize(
    "curve",
    [
        sampled(round(2.2 * 256)),
        table(2.2),
        parametric(0, 2.2),
        parametric(1, 2.2, 1, 0),
        parametric(2, 2.2, 1, 0, 0),
        parametric(3, GAMMA, *LINEAR_PIECE),
        parametric(4, GAMMA, *LINEAR_PIECE, 0, 0),
    ],
)
@pytest.mark.parametrize("tag", [b"rTRC", b"kTRC"])
def test_near_srgb(curve, tag):
    assert is_like_srgb(profile(curve, tag))


@pytest.mark.parametrize(
    "curve",
    [
        sampled(),
        sampled(round(1.8 * 256)),
        table(1.8),
        parametric(0, 1.8),
        parametric(0, -1),
        parametric(1, 2.2, 0.9, 0.1),
        parametric(2, 2.2, 1, 0, 0.1),
        parametric(3, 1.8, *LINEAR_PIECE),
        parametric(4, GAMMA, *LINEAR_PIECE, 0.1, 0.1),
        # BT.709's, which cameras of video have.
        parametric(3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081),
    ],
)
def test_unlike_srgb(curve):
    assert not is_like_srgb(profile(curve))


def test_pillows_profiles():
    assert is_like_srgb(SRGB)
    assert is_like_srgb(None)
    # Lab has tables instead of curves.
    assert is_like_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())


@pytest.mark.parametrize(
    "broken",
    [
        b"no profile",
        profile(sampled(3, 4, 5)[:-3]),
        profile(parametric(3, GAMMA)),
        profile(parametric(9, GAMMA)),
        profile(parametric(1, 2.2, 0, 1)),
        profile(b"text" + bytes(8)),
        profile(sampled())[:140],
        bytes(128) + b"\xff" * 40,
    ],
)
def test_what_cannot_be_read_passes(broken):
    assert is_like_srgb(broken)
