"""Tone curves of colour profiles: those that Pillow makes, and every type that the standard has."""

import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from support.pictures import encoded

from convcli.pictures.profiles import DROPPED, is_like_srgb, is_whole
from convcli.pictures.reading import read_image

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


@pytest.mark.parametrize("broken", [SRGB[:-20], SRGB[:200], SRGB[:131], b"garbage" * 50, bytes(500), b"x"])
def test_what_is_no_whole_profile(broken):
    assert not is_whole(broken)
    assert not is_whole(SRGB[:16] + bytes(4) + SRGB[20:])
    assert not is_whole(SRGB[:128] + b"\xff" * 4 + SRGB[132:])


@pytest.mark.parametrize("space", ["sRGB", "LAB", "XYZ"])
def test_whole_profiles(space):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
    assert is_whole(profile)
    # Some programs round the size up.
    assert is_whole(profile + bytes(2))


@pytest.mark.parametrize("format", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_damaged_profile_is_dropped_with_a_warning(format):
    image = read_image(encoded(PIL.Image.new("RGB", (9, 7)), format, icc_profile=SRGB[:300]))
    assert (image.metadata.icc, image.warnings) == (None, (DROPPED,))


def test_a_profile_that_pillow_cannot_put_together_is_dropped_with_a_warning():
    parts = encoded(PIL.Image.new("RGB", (9, 7)), "JPEG", icc_profile=SRGB)
    # The first of two parts, and no second.
    jpeg = parts.replace(b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\1\2")
    png = encoded(PIL.Image.new("RGB", (9, 7)), "PNG", icc_profile=SRGB)
    start = png.index(b"iCCP")
    end = start + 4 + int.from_bytes(png[start - 4 : start])
    # No stream of zlib begins with a zero.
    chunk = png[start:end].replace(b"Profile\0\0x", b"Profile\0\0\0")
    png = png[:start] + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[end + 4 :]
    for data in (jpeg, png):
        image = read_image(data)
        reason = "its parts are incomplete, or cannot be decompressed"
        assert (image.metadata.icc, image.warnings) == (None, (f"{DROPPED}: {reason}",))
