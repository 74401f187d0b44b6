"""Write terminal.gif, the moving picture of the README: ``python docs/terminal.py [FOLDER]``, by default docs/pictures.

Each scene types commands into a terminal of 80 columns, runs them, and shows what they print and the pictures that they
write. rich turns the text into HTML, and Chromium draws it. The comment of the GIF holds the text of all scenes.
"""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from convcli import conv2d_grad

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "sample_images"
COLUMNS, ROWS = 80, 24
PROMPT = ("$ ", "bold green")
CURSOR = (" ", "reverse")
# The characters that are typed per frame, and how long frames last, in milliseconds.
TYPED, TYPING, PAUSE, READING, READING_LINE = 3, 90, 500, 2500, 200
WIDTH, HEIGHT, SCALE, COLOURS = 820, 460, 1.5, 96
THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)],
    [(88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
)
HTML = """
<style>
  body {{ margin: 0; padding: 12px 20px; background: rgb(22, 27, 34); color: rgb(230, 237, 243) }}
  i {{ display: inline-block; width: 12px; height: 12px; margin: 0 4px 10px 0; border-radius: 6px }}
  pre {{ margin: 0; font: 16px/20px "DejaVu Sans Mono", Menlo, Consolas, monospace }}
  img {{ max-width: 376px; max-height: 310px; margin: 10px 12px 0 0 }}
</style>
<i style="background: #ff5f57"></i><i style="background: #febc2e"></i><i style="background: #28c840"></i>
<pre>{text}</pre>{pictures}
"""


class Command(NamedTuple):
    """A command line, and the pictures to show below its output: files that it wrote, or samples."""

    line: str
    pictures: tuple[str, ...] = ()


SCENES = (
    (Command("convcli apply sample:rocket -k edges -o lines.png", ("rocket.jpg", "lines.png")),),
    (
        Command(
            "convcli grad sample:camera -k binomial:7 -G mse:sample:camera -o '{wrt}.png'", ("kernel.png", "input.png")
        ),
    ),
    (Command("convcli explain sample:camera -k sobel-x --at 497,396"),),
    (
        Command("convcli check x.npy -k w.npy -G dout.npy -s 2 -p 1 --kernel-grad dw.npy"),
        Command("convcli check x.npy -k w.npy -G dout.npy -s 2 -p same --kernel-grad dw.npy"),
        Command("convcli check x.npy -k w.npy -G dout.npy -s 2 -p same --input-grad dx.npy"),
    ),
)


class Frame(NamedTuple):
    """What the terminal shows for some milliseconds."""

    lines: Sequence[Text]
    duration: int
    pictures: Sequence[Path] = ()


def main(folder: Path) -> None:
    """Run the commands, and write the animation into the folder."""
    with TemporaryDirectory() as work:
        scenes = played(Path(work))
        frames = [frame for scene in scenes for frame in scene]
        # Where a GIF stands still, it shows its first frame: the end of the first scene, which is typed last.
        first_end = len(scenes[0]) - 1
        frames = [*frames[first_end:], *frames[:first_end]]
        first, *others = with_one_palette(drawn(frames), frames)
    durations = [frame.duration for frame in frames]
    file = folder / "terminal.gif"
    first.save(file, save_all=True, append_images=others, duration=durations, loop=0, comment=transcript(scenes))


def played(work: Path) -> list[list[Frame]]:
    """Run the commands of all scenes in a folder, and return the frames of each scene."""
    write_layer(work)
    return [list(scene_frames(commands, work)) for commands in SCENES]


def transcript(scenes: Sequence[Sequence[Frame]]) -> str:
    """Return the text that the scenes end with."""
    return "\n".join(line.plain for scene in scenes for line in scene[-1].lines)


def write_layer(work: Path) -> None:
    """Write the tensors of a layer of stride 2. Its padding is TensorFlow's; the gradient of x has a mistake."""
    random = np.random.default_rng(8)
    x, w, dout = (random.integers(-2, 3, shape).astype(np.float32) for shape in ((3, 8, 8), (4, 3, 3, 3), (4, 4, 4)))
    dw = conv2d_grad(x, w, dout, stride=2, padding="same").kernel
    dx = np.zeros((3, 9, 9), np.float32)
    for row, column in np.ndindex(4, 4):
        window = np.s_[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        dx[window] = np.tensordot(dout[:, row, column], w, 1)
    for name, tensor in {"x": x, "w": w, "dout": dout, "dw": dw, "dx": dx[:, :8, :8]}.items():
        np.save(work / f"{name}.npy", tensor)


def scene_frames(commands: Sequence[Command], work: Path) -> Iterator[Frame]:
    """Run the commands of a scene in a folder, and yield its frames."""
    lines: list[Text] = []
    for line, names in commands:
        for length in range(0, len(line), TYPED):
            yield Frame([*lines, Text.assemble(PROMPT, line[:length], CURSOR)], TYPING)
        lines.append(Text.assemble(PROMPT, line))
        yield Frame(list(lines), PAUSE)
        output = terminal_lines(printed(line, work))
        files = [next(file for file in (work / name, SAMPLES / name) if file.exists()) for name in names]
        lines += output
        yield Frame(list(lines), READING + READING_LINE * len(output), files)
        lines.append(Text(""))


def printed(line: str, work: Path) -> str:
    """Return what a terminal receives from a command."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    hidden = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    settings |= {"TERM": "xterm-256color", "PATH": f"{Path(sys.executable).parent}:{settings['PATH']}"}
    with subprocess.Popen(["sh", "-c", line], cwd=work, env=settings, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        with open(ours, "rb", buffering=0) as terminal:
            return b"".join(received(terminal)).decode().replace("\r\n", "\n")


def received(terminal: io.RawIOBase) -> Iterator[bytes]:
    """Yield the bytes that arrive at a terminal, until its other side is closed, which Linux reports as an error."""
    try:
        while data := terminal.read(65536):
            yield data
    except OSError:
        return


def terminal_lines(text: str) -> list[Text]:
    """Return the lines of a terminal, which breaks what is wider."""
    lines = Text.from_ansi(text.removesuffix("\n")).split("\n", allow_blank=True)
    return [part for line in lines for part in line.divide(range(COLUMNS, line.cell_len, COLUMNS))]


def drawn(frames: Sequence[Frame]) -> list[Image.Image]:
    """Return a picture of each frame."""
    # Here, so that the tests can run the commands without Chromium.
    from chromium import opened_page, screenshot

    with opened_page(WIDTH, HEIGHT, SCALE) as page:
        return [screenshot(page, html(frame)) for frame in frames]


def html(frame: Frame) -> str:
    """Return a page with the text and the pictures of a frame."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    for line in frame.lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    text = console.export_html(theme=THEME, code_format="{code}", inline_styles=True)
    data = [b64encode(file.read_bytes()).decode() for file in frame.pictures]
    return HTML.format(text=text, pictures="".join(f'<img src="data:;base64,{each}">' for each in data))


def with_one_palette(pictures: Sequence[Image.Image], frames: Sequence[Frame]) -> list[Image.Image]:
    """Return the pictures with the same few colours, so that the file holds only what changes from frame to frame."""
    outputs = [picture for picture, frame in zip(pictures, frames, strict=True) if frame.duration > READING]
    sheet = Image.fromarray(np.concatenate([np.asarray(picture) for picture in outputs]))
    palette = sheet.quantize(COLOURS, kmeans=1)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "pictures")
