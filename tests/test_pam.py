"""PAM, and PFM in colour, compared with what Netpbm writes."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.pictures import HEIGHT, WIDTH, encoded, picture

from convcli.errors import FileError
from convcli.files.source import Source
from convcli.pictures.reading import read_header, read_image
from convcli.pictures.sources import readable_extensions

TUPLES = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}


def pam(levels: np.ndarray, most: int, kind: str | None = None, extra: str = "") -> bytes:  # type: ignore[type-arg]
    """Return a PAM of levels (H, W, C)."""
    height, width, depth = levels.shape
    kind = TUPLES[depth] if kind is None else kind
    head = f"P7\n{extra}WIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {most}\n"
    head += f"TUPLTYPE {kind}\nENDHDR\n" if kind else "ENDHDR\n"
    return head.encode() + levels.astype(np.uint8 if most < 256 else ">u2").tobytes()


def random_levels(channels: int, most: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(channels).integers(0, most, (5, 7, channels), endpoint=True)


@pytest.mark.parametrize("channels", TUPLES)
@pytest.mark.parametrize("most", [255, 65535])
def test_levels_are_read_as_they_are(channels: int, most: int) -> None:
    levels = random_levels(channels, most)
    image, header = read_image(pam(levels, most)), read_header(pam(levels, most))
    colours = 1 if channels < 3 else 3
    assert image.pixels.dtype == header.dtype == (np.uint8 if most == 255 else np.uint16)
    assert header.shape == image.pixels.shape == (colours, 5, 7)
    assert np.array_equal(image.pixels, np.moveaxis(levels, -1, 0)[:colours])
    assert header.alpha == (image.alpha is not None) == (channels in (2, 4))
    if image.alpha is not None:
        assert np.array_equal(image.alpha, levels[..., -1])
    assert (image.notes, image.warnings) == ((), ())


@pytest.mark.parametrize(("most", "white"), [(1, 255), (15, 255), (1023, 65535)])
def test_levels_of_another_maximum_are_scaled(most: int, white: int) -> None:
    levels = random_levels(1, most)
    image = read_image(pam(levels, most, "BLACKANDWHITE" if most == 1 else None, "# a comment\n\n"))
    assert np.array_equal(image.pixels[0], np.rint(levels[..., 0] * white / most))
    assert image.notes == (f"levels of 0..{most} scaled to 0..{white}",)


def test_missing_meanings_and_further_pictures_are_warnings() -> None:
    one = pam(random_levels(4, 255), 255, "")
    assert read_image(one + one).warnings == (
        "the file does not say what its channels mean: read as RGB_ALPHA",
        "the file has more pictures, of which only the first is read",
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("scale", ["1.0", "2.5e-1"])
def test_pfm_in_colour(order: str, scale: str) -> None:
    """The last row comes first, and the sign of the scale is the order of the bytes."""
    levels = np.random.default_rng(3).normal(size=(5, 7, 3)).astype(np.float32)
    head = f"PF\n7 5\n{'-' if order == '<' else ''}{scale}\n".encode()
    data = head + levels[::-1].astype(f"{order}f4").tobytes()
    image = read_image(data)
    assert image.pixels.dtype == read_header(data).dtype == np.float32
    assert np.array_equal(image.pixels, np.moveaxis(levels, -1, 0))
    assert image.warnings == (() if scale == "1.0" else ("the scale 0.25 in the header is not applied",))


GOOD = pam(random_levels(3, 255), 255)
BROKEN = {
    GOOD[:-1]: "it is truncated: it has 104 of 105 bytes",
    GOOD.replace(
        b"ENDHDR", b"ENDHEAD"
    ): "the header of this PAM is damaged: expected WIDTH and a whole number, given ''",
    GOOD.replace(
        b"MAXVAL 255", b"MAXVAL 0"
    ): "the header of this PAM is damaged: expected a MAXVAL of 1 to 65535, given 0",
    GOOD.replace(b"MAXVAL 255", b"MAXVAL 65536"): "the header of this PAM is damaged: expected a MAXVAL of 1 to 65535,",
    GOOD.replace(
        b"WIDTH 7", b"WIDTH -7"
    ): "the header of this PAM is damaged: expected WIDTH and a whole number, given '-7'",
    GOOD.replace(b"WIDTH 7", b"WIDTH 0"): "expected a picture that is not empty, given 0 x 5",
    GOOD.replace(b"WIDTH 7", b"WIDTH 999999999"): "it is truncated: it has 105 of 14,999,999,985 bytes",
    GOOD.replace(
        b"DEPTH 3", b"DEPTH 5"
    ): "expected gray or RGB, with or without alpha, given a PAM of 5 channels 'RGB'",
    GOOD.replace(b"RGB", b"CMY"): "expected gray or RGB, with or without alpha, given a PAM of 3 channels 'CMY'",
    b"PF\n7 5\n0\n"
    + bytes(420): "the header of this PFM is damaged: expected PF, width, height, and a scale other than 0",
    b"PF\n7 5\n1e999\n" + bytes(420): "the header of this PFM is damaged: ",
    b"PF\n7 x\n1\n" + bytes(420): "the header of this PFM is damaged: ",
    b"PF\n7 5\n1\n" + bytes(419): "it is truncated: it has 419 of 420 bytes",
}


@pytest.mark.parametrize(("data", "message"), BROKEN.items(), ids=BROKEN.values())
def test_damaged_files_are_refused(data: bytes, message: str) -> None:
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=rf"^cannot read <bytes>: {re.escape(message)}"):
            read(data)


def test_the_pixel_limit_holds() -> None:
    source = Source("a", "a", Path("a"), lambda: GOOD, max_pixels=34)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it has 35 pixels, more than the limit of 34"):
            read(source)


def test_a_folder_names_its_pam_files() -> None:
    assert {".pam", ".pfm"} <= readable_extensions()


def by_netpbm(program: str, data: bytes, *options: str) -> bytes:
    if not shutil.which(program):
        pytest.skip(f"{program} of Netpbm is not installed")
    return subprocess.run([program, *options], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_netpbm_makes_of_png_is_read_like_the_png(mode: str) -> None:
    png = encoded(picture(mode), "PNG")
    data = by_netpbm("pngtopam", png, *["-alphapam"] * mode.endswith("A"))
    data = by_netpbm("pamtopam", data)
    image, expected = read_image(data), read_image(png)
    assert data.startswith(b"P7\n")
    assert np.array_equal(image.pixels, expected.pixels)
    assert (image.alpha is None) == (expected.alpha is None)
    if image.alpha is not None and expected.alpha is not None:
        assert np.array_equal(image.alpha, expected.alpha)


@pytest.mark.parametrize("order", ["big", "little"])
def test_what_netpbm_makes_of_colours_is_read_like_the_colours(order: str) -> None:
    levels = read_image(encoded(picture("RGB"), "PPM")).pixels
    data = by_netpbm("pamtopfm", encoded(picture("RGB"), "PPM"), f"-endian={order}", "-scale=1.0")
    assert data.startswith(b"PF\n")
    assert read_image(data).pixels.shape == (3, HEIGHT, WIDTH)
    # Netpbm's 1 is white.
    assert np.allclose(read_image(data).pixels * 255, levels, atol=1e-4)
