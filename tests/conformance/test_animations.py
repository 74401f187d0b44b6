"""Animations that other programs make are written again, and other programs see every frame as it was filtered."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
from support.command_line import convcli, succeed

from convcli.arrays import Array
from convcli.pictures.image import Image
from convcli.pictures.reading import iter_frames, read_header

pytestmark = pytest.mark.conformance

HEIGHT, WIDTH, COUNT = 30, 44, 5


class Maker(NamedTuple):
    """A program that makes an animation of f0.png, f1.png and so on, by commands; a semicolon ends each."""

    command: str
    name: str
    alpha: bool = False

    def make(self, folder: Path) -> None:
        for command in self.command.split(" ; "):
            run(command, folder)


MAKERS = [
    Maker("convert -delay 7 -loop 3 f?.png a.gif", "a.gif"),
    Maker("convert -delay 7 -loop 3 f?.png -layers optimize a.gif", "a.gif"),
    Maker("convert -delay 7 -loop 0 f?.png b.gif ; gifsicle -O3 -d 12 b.gif -o a.gif", "a.gif"),
    Maker("convert -dispose background -delay 9 t?.png a.gif", "a.gif", alpha=True),
    Maker("convert -dispose background -delay 9 t?.png b.gif ; gifsicle -O2 b.gif -o a.gif", "a.gif", alpha=True),
    Maker("ffmpeg -v error -framerate 12 -i f%d.png -plays 2 -f apng a.png", "a.png"),
    Maker("ffmpeg -v error -framerate 7 -i t%d.png -plays 0 -pred mixed -f apng a.png", "a.png", alpha=True),
    Maker("apngasm a.png f0.png f1.png f2.png f3.png f4.png 3 10", "a.png"),
    Maker("img2webp -loop 2 -lossless -d 70 f0.png f1.png -d 130 f2.png f3.png f4.png -o a.webp", "a.webp"),
    Maker("img2webp -lossless -d 20 t0.png t1.png t2.png t3.png t4.png -o a.webp", "a.webp", alpha=True),
]
# Commands of programs that decode every frame into o0.png and so on. ImageMagick 6 draws a frame of a WebP over the one
# before it, where the file says that it replaces it.
_GIF = ["convert {} -coalesce o%d.png", "ffmpeg -v error -i {} -vsync 0 -start_number 0 o%d.png"]
_PNG = ["ffmpeg -v error -f apng -i {} -vsync 0 -start_number 0 o%d.png"]
DECODERS = {
    ("a.gif", False): _GIF,
    ("a.gif", True): _GIF,
    ("a.png", False): _PNG,
    ("a.png", True): _PNG,
    ("a.webp", False): ["convert {} -coalesce o%d.png"],
}
# What programs say about times and repetitions.
TIMES = {
    ".gif": "identify -format %T,%s; {}",
    ".png": "ffprobe -v error -show_entries packet=pts_time,duration_time {}",
}


def run(command: str, folder: Path) -> str:
    program, *arguments = command.split(" ")
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    return subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def draw_frames(folder: Path) -> list[Array]:
    """Draw a square that moves over a background of few colours, opaque (f0.png) and upon nothing (t0.png)."""
    rng = np.random.default_rng(8)
    background = np.repeat(np.repeat(rng.integers(0, 256, (5, 11, 3), np.uint8), 6, axis=0), 4, axis=1)
    frames = []
    for number in range(COUNT):
        frame = np.dstack([background, np.full((HEIGHT, WIDTH), 255, np.uint8)])
        square = np.s_[4 + number : 14 + number, 3 + 7 * number : 13 + 7 * number]
        frame[square] = (250, 10 * number, 30, 255)
        clear = np.zeros_like(frame)
        clear[square] = frame[square]
        PIL.Image.fromarray(frame[..., :3].copy()).save(folder / f"f{number}.png")
        PIL.Image.fromarray(clear).save(folder / f"t{number}.png")
        frames.append(frame)
    return frames


def shown(picture: Array) -> Array:
    """Return colours with alpha, with black where they are transparent."""
    return np.where(picture[..., 3:] > 0, picture, 0)


def with_alpha(image: Image) -> Array:
    opaque = np.full(image.pixels.shape[1:], 255, np.uint8)
    return shown(np.dstack([*image.pixels, opaque if image.alpha is None else image.alpha]))


def decoded(folder: Path) -> list[Array]:
    found = sorted(folder.glob("o[0-9].png"))
    frames = [shown(np.asarray(PIL.Image.open(path).convert("RGBA"))) for path in found]
    for path in found:
        path.unlink()
    return frames


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.command)
def test_other_programs_see_every_frame_as_it_was_filtered(tmp_path: Path, maker: Maker) -> None:
    draw_frames(tmp_path)
    maker.make(tmp_path)
    # It moves the picture by a pixel, so that its colours stay few.
    result = convcli(
        "apply", maker.name, "--all-frames", "-k", "[[0,0,1]]", "--alpha", "filter", "-o", "out/", cwd=tmp_path
    )
    assert (result.code, result.err) == (0, "")
    expected = []
    for number in range(COUNT):
        frame = np.asarray(PIL.Image.open(tmp_path / f"{'t' if maker.alpha else 'f'}{number}.png").convert("RGBA"))
        expected.append(shown(np.concatenate([frame[:, 1:], frame[:, -1:]], axis=1)))
    decoders = {"libwebp or Pillow": [with_alpha(frame) for frame in iter_frames(tmp_path / "out" / maker.name)]}
    for command in DECODERS.get((maker.name, maker.alpha), ()):
        run(command.format(f"out/{maker.name}"), tmp_path)
        decoders[command] = decoded(tmp_path)
    for decoder, frames in decoders.items():
        assert len(frames) == COUNT, decoder
        for frame, other in zip(frames, expected, strict=True):
            assert np.array_equal(frame, other), decoder


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.command)
def test_times_and_repetitions_are_those_of_the_input(tmp_path: Path, maker: Maker) -> None:
    draw_frames(tmp_path)
    maker.make(tmp_path)
    succeed("apply", maker.name, "--all-frames", "-k", "identity", "-o", "out/", cwd=tmp_path)
    given, written = tmp_path / maker.name, tmp_path / "out" / maker.name
    assert read_header(written).plays == read_header(given).plays
    assert [frame.duration for frame in iter_frames(written)] == [frame.duration for frame in iter_frames(given)]
    if command := TIMES.get(given.suffix):
        assert run(command.format(written), tmp_path) == run(command.format(given), tmp_path)
