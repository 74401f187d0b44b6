"""Compare the pixels that are read from PPM and its relatives with those that were stored."""

import struct

import numpy as np
import pytest

from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image


@pytest.mark.parametrize("most", [1, 2, 15, 100, 254, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("binary", [True, False])
def test_every_maximum_is_scaled_so_that_white_is_white(most: int, channels: int, binary: bool) -> None:
    levels = np.random.default_rng(most).integers(0, most, (5, 4, channels), endpoint=True)
    levels[0, 0], levels[0, 1] = most, 0
    head = f"P{(2, 5)[binary] + (channels == 3)}\n# made by hand\n4 5\n{most}\n".encode()
    digits = " ".join(map(str, levels.ravel())).encode()
    data = head + (levels.astype(np.uint8 if most < 256 else ">u2").tobytes() if binary else digits)
    image = read_image(data)
    white = 255 if most < 256 else 65535
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), np.rint(levels * white / most))
    assert image.notes == (() if most in (255, 65535) else (f"levels of 0..{most} scaled to 0..{white}",))
    assert (read_header(data), image.warnings) == (image.header, ())


def test_comments_between_digits_are_skipped() -> None:
    assert np.array_equal(read_image(b"P2 3 1 100 #a\n0 # b 7\r\n50\n#\n100").pixels, [[[0, 128, 255]]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P2 2 1 100 5 101", "it has a level of 101, above its maximum of 100"),
        (b"P2 2 1 100 5 -3", "it has a level of -3, below 0"),
        (b"P3 1 1 255 1 2 x", "string or file could not be read to its end"),
        (b"P2 2 2 100 5 6 7", "it is truncated: it has 3 of 4 levels"),
        (b"P5 2 1 1023 " + struct.pack(">2H", 5, 1024), "it has a level of 1024, above its maximum of 1023"),
        (b"P5 2 2 1023 " + struct.pack(">3H", 1, 2, 3) + b"\0", "it is truncated: it has 3 of 4 levels"),
        (b"P6 1 1 7 \1\2", "it is truncated: it has 2 of 3 levels"),
        (b"P5 1 1 7 \x08", "it has a level of 8, above its maximum of 7"),
        (b"PyRGBA 1 1 255 1234", "it is not PBM, PGM, PPM or PFM, but a test file"),
    ],
)
def test_wrong_levels_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_image(data)


@pytest.mark.parametrize("data", [b"P1 3 2 1 0 1 0 0 1", b"P4 3 2 \xa0\x20"])
def test_bilevel_is_black_where_a_bit_is_set(data: bytes) -> None:
    image = read_image(data)
    assert np.array_equal(image.pixels, [[[0, 255, 0], [255, 255, 0]]])
    assert image.notes == ("1-bit converted to L",)


@pytest.mark.parametrize(("scale", "order"), [("-1.0", "<"), ("1.0", ">"), ("-2.5", "<")])
def test_floats_are_read_from_the_bottom_in_their_byte_order(scale: str, order: str) -> None:
    numbers = np.array([[1.5, -2.25], [1e-30, 3e30], [0, np.inf]], f"{order}f4")
    image = read_image(f"Pf\n2 3\n{scale}\n".encode() + numbers[::-1].tobytes())
    assert np.array_equal(image.pixels[0], numbers)
    assert image.warnings == (("the scale 2.5 in the header is not applied",) if scale == "-2.5" else ())


@pytest.mark.parametrize("data", [
    b"P5 3 2 255 abcdef", b"P5 3 2 99 \1\2\3\4\5\6", b"P6 1 1 255 abc", b"P4 9 2 abcd", b"P5 1 1 65535 ab",
    b"P6 1 1 300 \0\1\0\2\0\3", b"Pf 1 1 1.0 abcd",
])  # fmt: skip
def test_further_pictures_are_named(data: bytes) -> None:
    more = "the file has more pictures, of which only the first is read"
    assert more in read_image(data + data).warnings
    assert more not in read_image(data + b"\n").warnings
