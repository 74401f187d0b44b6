"""The tables of docs/coming-from.md: what another program makes of a photograph looks as what convcli makes of it."""

import re
import shlex
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import pytest
from commands import run
from peers import octave, require_imagemagick
from PIL import Image, ImageFilter
from support.command_line import SAMPLES
from support.pages import codes, page, table

pytestmark = pytest.mark.conformance

PAGE = page("docs/coming-from.md")
# The decibels above which nobody sees a difference, unless a row has fewer.
INVISIBLE = 48


class Row(NamedTuple):
    """A row of the page: the line of another program, the line of convcli, and what differs."""

    program: str
    theirs: str
    ours: str
    remark: str = ""

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


def rows(program):
    section = re.search(rf"^## {program}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    return [Row(program, codes(theirs)[0], codes(ours)[0], *rest) for theirs, ours, *rest in table(section)]


ROWS = [row for program in PROGRAMS for row in rows(program)]


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
    stated = re.match(r"(\d+) dB: ", row.remark)
    assert error <= 255**2 / 10 ** ((int(stated[1]) if stated else INVISIBLE) / 10)


def test_a_line_that_differs_is_found(folder):
    row = next(row for row in ROWS if row.program == "Pillow")
    with pytest.raises(AssertionError):
        test_both_lines_make_the_same_picture(row._replace(ours=row.ours.replace("blur:2", "blur:2.3")), folder)
