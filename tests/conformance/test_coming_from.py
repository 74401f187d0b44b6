"""The tables of docs/coming-from.md: both lines of a row make the same of a photograph, or of arrays."""

import re
import shlex
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import pytest
from commands import run
from peers import octave, require_imagemagick, tensorflow_library
from PIL import Image, ImageFilter
from support.command_line import SAMPLES
from support.geometries import integers
from support.pages import codes, page, table

pytestmark = pytest.mark.conformance

PAGE = page("docs/coming-from.md")
# The decibels above which nobody sees a difference, unless the page says that a row has fewer.
INVISIBLE = 48


class Row(NamedTuple):
    """A row of the page: the lines of another program and of convcli, and the decibels that the page promises."""

    program: str
    theirs: str
    ours: str
    decibels: int = INVISIBLE

    def __str__(self):
        return f"{self.program}: {self.theirs}"


def in_python(*modules):
    """Return the peer that evaluates a line with these modules."""

    def picture(line, folder):
        libraries = {name.rpartition(".")[2]: pytest.importorskip(name) for name in modules}
        photo = Image.open(folder / "photo.png")
        image = np.asarray(photo)
        names = {"np": np, "ImageFilter": ImageFilter, "photo": photo, "image": image}
        names["gray"] = np.rint(luma(image)).astype(np.uint8) if "cv2" in modules else luma(image)
        return np.asarray(eval(line, libraries | names))

    return picture


def in_shell(line, folder):
    if line.startswith("convert"):
        require_imagemagick()
    elif not shutil.which(line.split()[0]):
        pytest.skip(f"{line.split()[0]} is not installed")
    subprocess.run(line, shell=True, cwd=folder, check=True, timeout=60)
    return np.asarray(Image.open(folder / "out.png"))


def in_octave(line, folder):
    process = octave()
    if not process.image:
        pytest.skip("Octave's package image is not installed")
    process.numbers(f"I = imread('{folder}/photo.png'); imwrite({line}, '{folder}/out.png'); numbers = 0;")
    return np.asarray(Image.open(folder / "out.png"))


def luma(image):
    return image @ np.array([0.299, 0.587, 0.114])


PROGRAMS = {
    "ImageMagick": in_shell,
    "libvips": in_shell,
    "OpenCV": in_python("cv2"),
    "Pillow": in_python(),
    "SciPy and scikit-image": in_python("scipy.ndimage", "scipy.signal", "skimage.filters"),
    "MATLAB": in_octave,
}


def section(program):
    return re.search(rf"^## {program}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def fewer_decibels(program):
    """Return the decibels of the rows that differ visibly, by the line of the program."""
    return {line: int(count) for line, count in re.findall(r"^- `(.*?)`: (\d+) dB, ", section(program), re.MULTILINE)}


def rows(program):
    fewer = fewer_decibels(program)
    lines = [[codes(cell)[0] for cell in cells] for cells in table(section(program))]
    return [Row(program, theirs, ours, fewer.get(theirs, INVISIBLE)) for theirs, ours in lines]


ROWS = [row for program in PROGRAMS for row in rows(program)]
LAYER_ROWS = [row for program in ("PyTorch", "TensorFlow") for row in rows(program)]


def test_what_differs_are_rows_of_the_page():
    lines = {row.theirs for row in (*ROWS, *LAYER_ROWS)}
    named = [line for part in PAGE.split("\n## ") for line in re.findall(r"^- `(.*?)`: ", part, re.MULTILINE)]
    assert len(named) > 10
    assert [line for line in named if line not in lines] == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy(SAMPLES / "coffee.png", tmp_path / "photo.png")
    (tmp_path / "mask.mat").write_text("3 3 16 0\n1 2 1\n2 4 2\n1 2 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_both_lines_make_the_same_picture(row, folder):
    theirs = np.clip(PROGRAMS[row.program](row.theirs, folder).astype(float), 0, 255)
    run(*shlex.split(row.ours.removeprefix("convcli ")), "-q", "--overwrite")
    ours = np.asarray(Image.open(folder / "out.png"), float)
    rim = 2 if row.program == "Pillow" else 0
    inside = np.s_[rim : len(ours) - rim, rim : ours.shape[1] - rim]
    assert ours.shape == theirs.shape
    error = np.mean((ours[inside] - theirs[inside]) ** 2)
    assert error <= 255**2 / 10 ** (row.decibels / 10)


def test_a_line_that_differs_is_found(folder):
    row = next(row for row in ROWS if row.program == "Pillow")
    with pytest.raises(AssertionError):
        test_both_lines_make_the_same_picture(row._replace(ours=row.ours.replace("blur:2", "blur:2.3")), folder)


SHAPES = {"x": (2, 3, 12, 14), "z": (2, 4, 6, 7), "g": (2, 4, 12, 14), "w": (4, 3, 3, 3), "b": (4,)}
AXES_OF_TENSORFLOW = {"x": (0, 2, 3, 1), "z": (0, 2, 3, 1), "g": (0, 2, 3, 1), "w": (2, 3, 1, 0), "b": (0,)}


@pytest.mark.parametrize("row", LAYER_ROWS, ids=str)
def test_both_lines_give_the_same_numbers(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {name: integers(shape, seed=seed) for seed, (name, shape) in enumerate(SHAPES.items())}
    if row.program == "TensorFlow":
        library = {"tf": tensorflow_library()}
        arrays = {name: array.transpose(AXES_OF_TENSORFLOW[name]).copy() for name, array in arrays.items()}
    else:
        torch = pytest.importorskip("torch")
        library = {"torch": torch, "F": torch.nn.functional}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    tensors = arrays if row.program == "TensorFlow" else {name: torch.from_numpy(each) for name, each in arrays.items()}
    run(*shlex.split(row.ours.removeprefix("convcli ")), "-q")
    np.testing.assert_array_equal(np.load("out.npy"), np.asarray(eval(row.theirs, library | tensors)))
