"""How apply encodes its outputs, and the names of the files of an image's maps."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from convcli.apply.outputs import Encoding, Frame, encodings_of, map_paths
from convcli.errors import OptionError
from convcli.files.output_names import STREAM, destination_of
from convcli.files.source import Source

IMAGE = Path("a.png")


def encoding(output: str | None, image: Path, format: str | None = None) -> Encoding:
    return encodings_of(destination_of(output), format).of(Source.of(image))


def paths(
    output: str | None, kernel: str, maps: int, frame: Frame, format: str | None = None, kernels: int = 1
) -> list[str]:
    found = map_paths(destination_of(output), encoding(output, frame.path, format), frame, kernel, maps, kernels)
    return [str(path) for path in found]


@pytest.mark.parametrize(
    ("output", "kernel", "maps", "frame", "format", "expected"),
    [
        (None, "box", 1, Frame(Path("camera.jpg")), None, ["camera.box.jpg"]),
        (None, "gaussian:2", 3, Frame(Path("coffee.png")), "tiff", ["coffee.gaussian-2.tiff"]),
        (None, "bank", 2, Frame(IMAGE), None, ["a.bank.0.png", "a.bank.1.png"]),
        (None, "bank", 5, Frame(IMAGE), "npy", ["a.bank.npy"]),
        (None, "box", 3, Frame(IMAGE, 2, 11), None, ["a.02.box.png"]),
        ("{frame}/{map}.png", "box", 2, Frame(IMAGE, 2, 3), None, ["2/0.png", "2/1.png"]),
        ("z.NPY", "bank", 5, Frame(IMAGE), None, ["z.NPY"]),
        ("out.jpg", "box", 3, Frame(IMAGE), None, ["out.jpg"]),
        ("new/", "box", 1, Frame(IMAGE), None, ["new/a.png"]),
        ("new/", "box", 1, Frame(Path("in/IMG.JPG")), None, ["new/IMG.JPG"]),
        ("new/", "box", 1, Frame(Path("a.jpeg")), "tiff", ["new/a.tiff"]),
        ("new/", "box", 1, Frame(Path("scan.psd")), None, ["new/scan.png"]),
        ("new/", "box", 3, Frame(IMAGE, 2, 11), None, ["new/a.02.png"]),
        ("new/", "box", 2, Frame(Path("a.npy")), None, ["new/a.npy"]),
        ("{kernel}/", "box", 2, Frame(IMAGE), None, ["box/a.0.png", "box/a.1.png"]),
        ("{dir}/{stem}.{ext}", "box", 1, Frame(Path("photos/july/a.png")), None, ["photos/july/a.png"]),
        ("m{map}.png", "box", 2, Frame(IMAGE), None, ["m0.png", "m1.png"]),
        ("m{map}.png", "box", 1, Frame(IMAGE), None, ["m0.png"]),
        (STREAM, "box", 3, Frame(IMAGE), None, [STREAM]),
    ],
)
def test_names(
    output: str | None, kernel: str, maps: int, frame: Frame, format: str | None, expected: list[str]
) -> None:
    assert paths(output, kernel, maps, frame, format) == expected


def test_several_kernels_add_their_names() -> None:
    assert paths("new/", "gaussian:2", 3, Frame(Path("a.jpg")), kernels=2) == ["new/a.gaussian-2.jpg"]


def test_many_files_need_map_in_the_name() -> None:
    message = "17 maps need one file each: add {map} to `output` to write so many files, or use `format` npy, which"
    for output in (None, "new/"):
        assert len(paths(output, "bank", 16, Frame(IMAGE))) == 16
        with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
            paths(output, "bank", 17, Frame(IMAGE))
    assert len(paths("new/{map}.png", "bank", 17, Frame(IMAGE))) == 17
    assert len(paths("new/", "bank", 17, Frame(IMAGE), "npy")) == 1


def test_map_numbers_have_one_width() -> None:
    assert paths("{map}.png", "bank", 11, Frame(IMAGE)) == [f"{number:02}.png" for number in range(11)]


@pytest.mark.parametrize(
    ("output", "maps", "frames", "message"),
    [
        (
            "{stem}.png",
            4,
            1,
            "4 maps need one file each, but '{stem}.png' names one: add {map} to the name, or write .npy",
        ),
        ("{stem}.png", 1, 2, "2 frames need one file each, but '{stem}.png' names one: add {frame} to the name"),
        (STREAM, 4, 1, "4 maps need one file each, but '-' is one stream: use `format` npy, which holds any number"),
        (STREAM, 1, 2, "2 frames need one file each, but '-' is one stream: give `output` a folder or a template"),
    ],
)
def test_several_files_need_several_names(output: str, maps: int, frames: int, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        paths(output, "bank", maps, Frame(IMAGE, 0, frames))


@pytest.mark.parametrize(
    ("kernel", "safe"),
    [
        ("gaussian:2", "gaussian-2"),
        ("a/b\\c\nd\x7f", "a-b-c-d-"),
        ("..", "kernel"),
        ("../../x", "-..-x"),
        (".hidden ", "hidden"),
        ("gabor:theta=0.5,sigma=2", "gabor-theta=0.5,sigma=2"),
        ("", "kernel"),
    ],
)
def test_a_kernel_name_is_made_safe(kernel: str, safe: str) -> None:
    assert paths("{kernel}.png", kernel, 1, Frame(IMAGE)) == [f"{safe}.png"]


@pytest.mark.parametrize(
    ("output", "format", "image", "expected"),
    [
        (None, None, "a.png", ("png", "png")),
        (None, None, "a.jpeg", ("jpeg", "jpeg")),
        (STREAM, None, "a.tif", ("tiff", "tif")),
        ("out/", None, "a.WebP", ("webp", "WebP")),
        ("out/", None, "a.fits", ("png", "png")),
        ("out/", None, "a", ("png", "png")),
        ("out.tif", None, "a.png", ("tiff", "tif")),
        ("{stem}.{ext}", "JPEG", "a.png", ("jpeg", "jpg")),
        ("out.png", "tif", "a.jpg", ("tiff", "tif")),
    ],
)
def test_encoding(output: str | None, format: str | None, image: str, expected: tuple[str, str]) -> None:
    found = encoding(output, Path(image), format)
    assert (found.format.name, found.extension) == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [("JPEG", ("jpeg", "jpg")), ("MPO", ("jpeg", "jpg")), ("GIF", ("gif", "gif")), ("ICO", ("png", "png"))],
)
def test_without_an_extension_the_content_decides(format: str, expected: tuple[str, str]) -> None:
    stream = BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(stream, format)
    found = encodings_of(destination_of(STREAM)).of(Source.of(stream.getvalue()))
    assert (found.format.name, found.extension) == expected


def test_arrays_keep_their_formats() -> None:
    encodings, stream = encodings_of(destination_of(STREAM)), BytesIO()
    np.save(stream, np.zeros((2, 2)))
    assert encodings.of(Source.of(stream.getvalue())).extension == "npy"
    assert encodings.of(Source.of(b"[[1, 2]]")).extension == "json"


@pytest.mark.parametrize("output", ["plain", "{stem}.{kernel}"])
def test_a_name_without_extension_is_refused(output: str) -> None:
    message = f"output: expected a name that ends in .png, or in / for a folder, given {output!r}: add an extension"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        encodings_of(destination_of(output))
