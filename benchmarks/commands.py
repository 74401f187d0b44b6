"""Compare the program as a process with other programs, and with the imports that it needs."""

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import PIL.Image

from benchmarks import peers
from benchmarks.race import Contestant
from benchmarks.rows import Row
from convcli.arrays import Array

CONVCLI = str(Path(sys.executable).parent / "convcli")
SAMPLES = Path(__file__).parent.parent / "sample_images"


def command_rows(folder: str) -> Iterator[Row]:
    """Yield the rows for start-up, a small picture and a photograph of 12 megapixels; write into the folder."""
    yield _row("convcli --version", [CONVCLI, "--version"], {"import typer": _python("import typer")})
    small = [str(SAMPLES / "astronaut.png"), "-k", "sobel-x", "--range", "abs", "-o", f"{folder}/small.png"]
    imports = _python("import numpy, PIL.Image, typer")
    yield _row("apply, 512x512 PNG to PNG", _apply(small), {"only its imports": imports})
    photo = photograph(folder)
    K = np.full((5, 5), -1.0)
    K[1:4, 1:4], K[2, 2] = 2.0, 1.0
    for extension in ("jpg", "png"):
        image = photo.replace(".jpg", f".{extension}")
        ours = _apply([image, "-k", repr(K.tolist()), "-o", f"{folder}/photo.{extension}"])
        others = peers.commands(image, K, folder, extension)
        format = extension.upper().replace("JPG", "JPEG")
        name = f"apply 5x5, 12-megapixel {format} to {format}"
        yield _row(name, ours, {peer: _process(command) for peer, command in others.items()})


def photograph(folder: str) -> str:
    """Write an enlarged sample image with grain, which is as hard to encode as a photograph, as JPEG and PNG.

    Return the path of the JPEG, of the quality and the subsampling that every program is to write.
    """
    with PIL.Image.open(SAMPLES / "coffee.png") as sample:
        large = np.asarray(sample.convert("RGB").resize((4000, 3000)), np.int16)
    grain = np.random.default_rng(0).integers(-6, 7, large.shape)
    pixels: Array = np.clip(large + grain, 0, 255).astype(np.uint8)
    path = f"{folder}/photograph.jpg"
    picture = PIL.Image.fromarray(pixels)
    picture.save(path, quality=peers.QUALITY, subsampling="4:2:0")
    picture.save(f"{folder}/photograph.png", compress_type=zlib.Z_RLE)
    return path


def _row(name: str, command: Sequence[str], others: dict[str, Contestant]) -> Row:
    """Return the row of a command of convcli; without Numba's compiler it has no compiled loops."""
    core = _process(command, env={"NUMBA_DISABLE_JIT": "1"})
    return Row(name, core, _process(command), others)


def _apply(arguments: Sequence[str]) -> list[str]:
    return [CONVCLI, "apply", *arguments, "--overwrite", "-q"]


def _python(code: str) -> Contestant:
    return _process([sys.executable, "-c", code])


def _process(command: Sequence[str], env: Mapping[str, str] = MappingProxyType({})) -> Contestant:
    """Return a run of a command. Python may keep its byte code, as it does for what is installed."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return partial(subprocess.run, command, check=True, capture_output=True, env={**usual, **env})
