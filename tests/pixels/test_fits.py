"""Compare the pixels that are read from FITS files with those that were stored."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import iter_frames, read_header, read_image

BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


SIMPLE, ZIMAGE = ("SIMPLE", "T"), ("ZIMAGE", "T")


def header(*cards: tuple[str, Any]) -> bytes:
    lines = [f"{key:8}= {value!s:>20}" for key, value in cards]
    text = "".join(f"{line:80}" for line in [*lines, "END"])
    return text.encode().ljust(-(-len(text) // 2880) * 2880)


def unit(stored: Array, *cards: tuple[str, Any], first: tuple[str, Any] = SIMPLE) -> bytes:
    """Return a unit of a FITS file. stored: the array, with its first row at the bottom of the picture."""
    axes = [(f"NAXIS{number}", length) for number, length in enumerate(stored.shape[::-1], 1)]
    head = header(first, ("BITPIX", BITPIX[stored.dtype.str[1:]]), ("NAXIS", stored.ndim), *axes, *cards)
    data = stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    return head + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def numbers(dtype: str, *shape: int) -> Array:
    """Return random numbers with both ends of the type's range first."""
    if dtype[0] == "f":
        return (np.random.default_rng(1).standard_normal(shape) * 1e30).astype(dtype)
    ends = np.iinfo(dtype)
    array = np.random.default_rng(1).integers(ends.min, ends.max, shape, dtype, endpoint=True)
    array.ravel()[:2] = ends.min, ends.max
    return array


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("dtype", BITPIX)
def test_every_type_is_kept_and_the_first_row_is_the_lowest(dtype: str, on_disk: bool, tmp_path: Path) -> None:
    stored = numbers(dtype, 5, 7)
    source: Any = unit(stored)
    if on_disk:
        (tmp_path / "a.fits").write_bytes(source)
        source = tmp_path / "a.fits"
    image = read_image(source)
    assert np.array_equal(image.pixels, stored[np.newaxis, ::-1])
    assert (image.pixels.dtype, image.notes, image.warnings) == (np.dtype(dtype), (), ())
    assert read_header(source) == image.header


@pytest.mark.parametrize(
    ("stored", "zero", "meant"),
    [("u1", -128, "i1"), ("i2", 32768, "u2"), ("i4", "2147483648.", "u4"), ("i8", 9223372036854775808, "u8")],
)
def test_an_offset_of_half_the_range_means_the_other_kind_of_integers(stored: str, zero: Any, meant: str) -> None:
    values = numbers(meant, 5, 7)
    offset = int(float(zero))
    kept = np.array([[int(value) - offset for value in row] for row in values], stored)
    image = read_image(unit(kept, ("BZERO", zero), ("BSCALE", "1.0E0")))
    assert np.array_equal(image.pixels, values[np.newaxis, ::-1])
    assert (image.pixels.dtype, image.notes) == (np.dtype(meant), ())


@pytest.mark.parametrize("dtype", BITPIX)
def test_scale_and_offset_are_applied(dtype: str) -> None:
    stored = numbers(dtype, 4, 3)
    data = unit(stored, ("BSCALE", "2.5D-1"), ("BZERO", -7))
    image = read_image(data)
    assert np.array_equal(image.pixels, stored[np.newaxis, ::-1] * 0.25 - 7)
    assert image.pixels.dtype == np.float64
    assert image.notes == ("0.25 * level + -7, as BSCALE and BZERO say",)
    assert read_header(data) == image.header


@pytest.mark.parametrize("scale", [1, 2])
def test_blank_integers_become_nan(scale: int) -> None:
    stored = np.array([[1, -999], [3, 4]], "i2")
    image = read_image(unit(stored, ("BLANK", -999), ("BSCALE", scale)))
    assert np.array_equal(image.pixels, scale * np.array([[[3, 4], [1, np.nan]]]), equal_nan=True)


def test_the_third_axis_is_that_of_channels() -> None:
    stored = numbers("i2", 4, 5, 6)
    assert np.array_equal(read_image(unit(stored)).pixels, stored[:, ::-1])
    assert np.array_equal(read_image(unit(stored[np.newaxis, np.newaxis])).pixels, stored[:, ::-1])


def test_pictures_in_extensions_are_frames() -> None:
    first, second = numbers("f4", 3, 4), numbers("i2", 2, 9)
    empty = header(SIMPLE, ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"))
    table = unit(numbers("u1", 3, 20), first=("XTENSION", "'BINTABLE'"))
    image = ("XTENSION", "'IMAGE   '           / a comment")
    data = empty + unit(first, first=image) + table + unit(second, first=image) + b"padding"
    frames = list(iter_frames(data))
    assert [frame.pixels.tolist() for frame in frames] == [[first[::-1].tolist()], [second[::-1].tolist()]]
    assert read_header(data).frames == 2
    assert read_image(data).warnings[0].startswith("of its frames only the first is read")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (unit(numbers("i2", 30, 50))[:-2880], "it is truncated: its array has 2,880 of 3,000 bytes"),
        (unit(numbers("i2", 3, 2, 2, 2)), r"expected at most 3 axes in a FITS picture, given the shape \(3, 2, 2, 2\)"),
        (header(SIMPLE, ("BITPIX", 8), ("NAXIS", 0)), "this FITS file has no picture: it has only tables"),
        (header(SIMPLE, ("BITPIX", 12), ("NAXIS", 1), ("NAXIS1", 3)), "64 as BITPIX in the FITS header, given 12"),
        (header(SIMPLE, ("NAXIS", 1), ("NAXIS1", 3)), "expected an integer as BITPIX in the FITS header, given none"),
        (header(SIMPLE, ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 3)), "as NAXIS2 in the FITS header, given none"),
        (header(SIMPLE, ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", -3)), r"expected axes of at least 0, given \(-3,\)"),
        (unit(numbers("i2", 3, 2), ("BSCALE", "two")), "expected a number as BSCALE in the FITS header, given two"),
        (unit(numbers("u1", 2, 9), ZIMAGE, ("ZCMPTYPE", "'RICE_1'")), r"compressed \(RICE_1\): decompress it with fun"),
        (b"SIMPLE  =                    T", "this FITS file has no picture"),
    ],
)  # fmt: skip
def test_other_files_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_image(data)


@pytest.mark.conformance
def test_astropy_means_the_same_numbers() -> None:
    fits = pytest.importorskip("astropy.io.fits")
    for dtype in ("u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"):
        stream = BytesIO()
        stored = numbers(dtype, 5, 7)
        fits.PrimaryHDU(stored).writeto(stream)
        image = read_image(stream.getvalue())
        assert np.array_equal(image.pixels, stored[np.newaxis, ::-1])
        assert image.pixels.dtype == np.dtype(dtype)
    scaled = fits.PrimaryHDU(np.arange(12, dtype=np.float64).reshape(3, 4) / 8)
    scaled.scale("int16", bscale=0.125, bzero=3)
    stream = BytesIO()
    scaled.writeto(stream)
    assert np.array_equal(read_image(stream.getvalue()).pixels[0], np.arange(12).reshape(3, 4)[::-1] / 8)
