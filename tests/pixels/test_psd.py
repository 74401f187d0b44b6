"""Compare the pixels that are read from PSD files with those that were stored."""

import struct

import numpy as np
import PIL.Image
import pytest
from support.pictures import SRGB

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image

BITMAP, GRAY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
PLANES = np.random.default_rng(6).integers(0, 256, (5, 6, 10), np.uint8)
TRANSPARENT = struct.pack(">IIh", 6, 2, -1)


def psd(
    planes: Array,
    mode: int,
    *,
    layers: bytes = bytes(4),
    palette: bytes = b"",
    profile: bytes = b"",
    compression: int = 0,
) -> bytes:
    """Return a file of planes. layers: the section of the layers, in which their number stands."""
    count, height, width = planes.shape
    head = struct.pack(">4sH6xH2I2H", b"8BPS", 1, count, height, width, 8 * planes.itemsize, mode)
    resource = (
        struct.pack(">4s2HI", b"8BIM", 1039, 0, len(profile)) + profile + b"\0" * (len(profile) % 2) if profile else b""
    )
    sections = [struct.pack(">I", len(section)) + section for section in (palette, resource)]
    big = planes.astype(planes.dtype.newbyteorder(">"))
    content = big.tobytes()
    if compression == 1:
        rows = [bytes((width * planes.itemsize - 1,)) + row.tobytes() for row in big.reshape(-1, width)]
        content = struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)
    return head + b"".join(sections) + layers + struct.pack(">H", compression) + content


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize(("mode", "count"), [(GRAY, 1), (RGB, 3)])
def test_gray_and_colours(mode: int, count: int, compression: int) -> None:
    data = psd(PLANES[:count], mode, compression=compression, profile=SRGB)
    image = read_image(data)
    assert np.array_equal(image.pixels, PLANES[:count])
    assert (image.metadata.icc, image.warnings) == (SRGB, ())
    assert read_header(data) == image.header


def test_a_fourth_channel_is_transparency_if_the_layers_say_so() -> None:
    transparent = read_image(psd(PLANES[:4], RGB, layers=TRANSPARENT))
    assert transparent.alpha is not None
    assert np.array_equal([*transparent.pixels, transparent.alpha], PLANES[:4])
    selection = read_image(psd(PLANES[:4], RGB))
    assert np.array_equal(selection.pixels, PLANES[:3])
    assert selection.alpha is None
    assert selection.warnings == ("1 of 4 channels dropped: only colours, and transparency with RGB, are read",)
    for layers in (TRANSPARENT, bytes(4)):
        data = psd(PLANES[:4], RGB, layers=layers)
        assert read_header(data) == read_image(data).header


@pytest.mark.parametrize(("mode", "count", "read"), [(GRAY, 2, 1), (RGB, 5, 3), (CMYK, 5, 4)])
def test_further_channels_are_dropped_with_a_warning(mode: int, count: int, read: int) -> None:
    image = read_image(psd(PLANES[:count], mode))
    assert mode == CMYK or np.array_equal(image.pixels, PLANES[:read])
    dropped = f"{count - read} of {count} channels dropped: only colours, and transparency with RGB, are read"
    assert image.warnings == (dropped,)


def test_ink_is_stored_inverted() -> None:
    image = read_image(psd(PLANES[:4], CMYK))
    ink = PIL.Image.merge("CMYK", [PIL.Image.fromarray(255 - plane) for plane in PLANES[:4]])
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), np.asarray(ink.convert("RGB")))
    assert image.notes == ("CMYK converted to RGB",)


def test_a_palette() -> None:
    palette = np.random.default_rng(1).integers(0, 256, (3, 256), np.uint8)
    assert np.array_equal(read_image(psd(PLANES[:1], INDEXED, palette=palette.tobytes())).pixels, palette[:, PLANES[0]])


def test_a_set_bit_is_black() -> None:
    bits = np.random.default_rng(2).integers(0, 2, (6, 11), np.uint8)
    head = struct.pack(">4sH6xH2I2H", b"8BPS", 1, 1, 6, 11, 1, BITMAP) + bytes(12)
    rows = np.packbits(bits, axis=1)
    runs = b"\0\1" + struct.pack(">6H", *[3] * 6) + b"".join(b"\1" + row.tobytes() for row in rows)
    for content in (b"\0\0" + rows.tobytes(), runs):
        assert np.array_equal(read_image(head + content).pixels[0], 255 * (1 - bits))


def test_duotone_is_gray_with_a_note() -> None:
    image = read_image(psd(PLANES[:1], DUOTONE))
    assert np.array_equal(image.pixels, PLANES[:1])
    assert image.notes == ("duotone read as gray",)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (psd(PLANES[:3], MULTICHANNEL), "channels without colours"),
        (psd(PLANES[:3], LAB), "Lab colours"),
        (psd(PLANES[:3], RGB, compression=2), "compression by ZIP"),
    ],
)
def test_other_files_are_refused(data: bytes, kind: str) -> None:
    with pytest.raises(FileError, match=f"PSD with {kind} is not read: save it as TIFF or PNG first"):
        read_image(data)


DEEP = {
    "16 bits": np.random.default_rng(1).integers(0, 65536, (5, 6, 10), np.uint16),
    "32 bits": np.random.default_rng(1).random((5, 6, 10), np.float32) * 1.5 - np.float32(0.2),
}


def with_layers(count: int, name: bytes = b"Lr16") -> bytes:
    """Return the section of the layers of a deep picture: their number stands in a block behind another one."""
    other = struct.pack(">4s4sI", b"8BIM", b"Patt", 5) + bytes(8)
    block = struct.pack(">4s4sIh2x", b"8BIM", name, 4, count)
    section = struct.pack(">2I3x", 0, 3) + other + block
    return struct.pack(">I", len(section)) + section


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize(("mode", "count"), [(GRAY, 1), (RGB, 3), (DUOTONE, 1)])
def test_deep_gray_and_colours(mode: int, count: int, compression: int, kind: str) -> None:
    planes = DEEP[kind][:count]
    data = psd(planes, mode, compression=compression, profile=SRGB)
    image = read_image(data)
    assert np.array_equal(image.pixels, planes)
    assert (image.pixels.dtype, image.metadata.icc, image.warnings) == (planes.dtype, SRGB, ())
    assert image.notes == (("duotone read as gray",) if mode == DUOTONE else ())
    assert read_header(data) == image.header


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize(("mode", "colours"), [(GRAY, 1), (RGB, 3)])
def test_deep_transparency(kind: str, mode: int, colours: int) -> None:
    planes = DEEP[kind][: colours + 1]
    data = psd(planes, mode, layers=with_layers(-2, b"Lr16" if kind == "16 bits" else b"Lr32"), compression=1)
    image = read_image(data)
    assert np.array_equal(image.pixels, planes[:colours])
    assert image.alpha is not None
    expected = planes[-1] if kind == "16 bits" else np.rint(planes[-1].clip(0, 1) * 65535)
    assert np.array_equal(image.alpha, expected)
    assert read_header(data) == image.header
    for layers in (with_layers(2), with_layers(0), bytes(4)):
        selection = read_image(psd(planes, mode, layers=layers))
        assert selection.alpha is None
        dropped = f"1 of {colours + 1} channels dropped: only colours and transparency are read"
        assert selection.warnings == (dropped,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (psd(DEEP["16 bits"][:4], CMYK), "PSD of 16 bits is read only in gray and RGB: convert it in Photoshop first"),
        (psd(DEEP["16 bits"][:3], RGB, compression=2), "PSD with compression by ZIP is not read"),
        (psd(DEEP["16 bits"][:3], RGB)[:-1], "the PSD is truncated"),
        (psd(DEEP["16 bits"][:3], RGB)[:30], "the PSD is truncated before its pixels"),
    ],
)
def test_other_deep_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_image(data)


def test_a_deep_file_without_rows_is_refused() -> None:
    with pytest.raises(FileError, match=r"^cannot read <bytes>: it has no pixels$"):
        read_image(psd(np.zeros((1, 0, 9), np.uint16), 1))
