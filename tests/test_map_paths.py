"""How apply encodes its outputs, and the names of the files of an image's maps."""

import re
from pathlib import Path

import pytest

from convcli.apply.outputs import Frame, encoding_of, map_paths
from convcli.errors import OptionError
from convcli.files.output_names import STREAM, destination_of

IMAGE = Path("a.png")


def paths(output: str | None, kernel: str, maps: int, frame: Frame, format: str | None = None) -> list[str]:
    destination = destination_of(output)
    return [str(path) for path in map_paths(destination, encoding_of(destination, format), frame, kernel, maps)]


@pytest.mark.parametrize(
    ("output", "kernel", "maps", "frame", "format", "expected"),
    [
        (None, "box", 1, Frame(Path("camera.jpg")), None, ["camera.box.png"]),
        (None, "gaussian:2", 3, Frame(Path("coffee.png")), "tiff", ["coffee.gaussian-2.tiff"]),
        (None, "bank", 2, Frame(IMAGE), None, ["a.bank.0.png", "a.bank.1.png"]),
        (None, "bank", 5, Frame(IMAGE), "npy", ["a.bank.npy"]),
        (None, "box", 3, Frame(IMAGE, 2, 11), None, ["a.02.box.png"]),
        ("{frame}/{map}.png", "box", 2, Frame(IMAGE, 2, 3), None, ["2/0.png", "2/1.png"]),
        ("z.NPY", "bank", 5, Frame(IMAGE), None, ["z.NPY"]),
        ("out.jpg", "box", 3, Frame(IMAGE), None, ["out.jpg"]),
        ("new/", "box", 1, Frame(IMAGE), None, ["new/a.box.png"]),
        ("{kernel}/", "box", 2, Frame(IMAGE), None, ["box/a.box.0.png", "box/a.box.1.png"]),
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
    ("output", "format", "encoding"),
    [
        (None, None, ("png", "png")),
        (STREAM, None, ("png", "png")),
        ("out/", None, ("png", "png")),
        ("out.tif", None, ("tiff", "tif")),
        ("{stem}.{ext}", "JPEG", ("jpeg", "jpg")),
        ("out.png", "tif", ("tiff", "tif")),
    ],
)
def test_encoding(output: str | None, format: str | None, encoding: tuple[str, str]) -> None:
    found = encoding_of(destination_of(output), format)
    assert (found.format.name, found.extension) == encoding


@pytest.mark.parametrize("output", ["plain", "{stem}.{kernel}"])
def test_a_name_without_extension_is_refused(output: str) -> None:
    message = f"output: expected a name that ends in .png, or in / for a folder, given {output!r}: add an extension"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        encoding_of(destination_of(output))
