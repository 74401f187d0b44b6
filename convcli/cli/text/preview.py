"""Pictures in the terminal: as two pixels per character, or by a graphics protocol that the terminal supports."""

import logging
import os
import select
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from rich.color import Color
from rich.console import Console, RenderableType
from rich.style import Style
from rich.text import Text

from convcli.apply.filtering import FilteredImage
from convcli.arrays import Array
from convcli.cli.messages import Messages
from convcli.cli.output import print_lines
from convcli.cli.streams import has_colours, is_terminal
from convcli.drawing.thumbnails import Thumbnail, photograph, pillow_picture, signed, size_in_box
from convcli.grad.report import GradientReport
from convcli.names import SYMBOLS
from convcli.text import in_one_line


def show_filtered(messages: Messages, filtered: FilteredImage) -> None:
    """Show V, every K, and Z as it was saved."""
    requests = filtered.plan.request.requests
    kernels = [signed(f"K {in_one_line(one.name)}", one.convolution.weights) for one in requests]
    _show(messages, [photograph("V", filtered.image.pixels), *kernels, photograph("Z", filtered.maps.values)])


def show_gradients(messages: Messages, report: GradientReport) -> None:
    """Show V, K, G, and the gradients that have rows and columns."""
    operands = [photograph("V", report.V), signed("K", report.prepared.convolution.weights), signed("G", report.G)]
    planes = {name: tensor for name, tensor in report.tensors.items() if min((0, 0, *tensor.shape)[-2:]) > 1}
    _show(messages, operands + [signed(SYMBOLS[name], tensor) for name, tensor in planes.items()])


def _show(messages: Messages, thumbnails: Sequence[Thumbnail]) -> None:
    reason = obstacle()
    if reason:
        messages.note(f"no preview: {reason}")
    else:
        print_lines([preview_text(thumbnails)])


def obstacle() -> str | None:
    """Return the reason why stdout cannot show pictures, or None if it can."""
    if not is_terminal():
        return "stdout is not a terminal"
    if not has_colours():
        return "NO_COLOR is set"
    return None if Console().color_system else "the terminal has no colours"


def preview_text(thumbnails: Sequence[Thumbnail]) -> str:
    """Return lines of pictures, side by side under their labels. A line takes at most half of the terminal's height."""
    console, graphics = Console(), _graphics()
    width = min(console.width, _MOST_WIDTH)
    rows = max(_LEAST_ROWS, console.height // 2 - 1)
    across = max(1, (width + _GAP) // (_LEAST_WIDTH + _GAP))
    with console.capture() as captured:
        for first in range(0, len(thumbnails), across):
            for part in _line(thumbnails[first : first + across], (rows, width), graphics):
                console.print(part, soft_wrap=not graphics)
    return captured.get()


_GAP = 2
_LEAST_WIDTH = 12
_LEAST_ROWS = 4
# Kitty's protocol numbers at most 297 columns.
_MOST_WIDTH = 240
# Pixels (rows, columns) that a character takes: with half blocks, and with a graphics protocol.
_HALVES = (2, 1)
_CELL = (20, 10)


def _line(thumbnails: Sequence[Thumbnail], space: tuple[int, int], graphics: Any) -> Iterator[RenderableType]:
    """Yield a line of labels, and below it the pictures. space: the rows and columns of characters to use."""
    cell = _CELL if graphics else _HALVES
    room = _room(thumbnails, space, cell)
    pictures = [
        thumbnail.draw(size_in_box(thumbnail.shape, (space[0] * cell[0], columns * cell[1])))
        for thumbnail, columns in zip(thumbnails, room, strict=True)
    ]
    labels = [Text(thumbnail.label[:columns]) for thumbnail, columns in zip(thumbnails, room, strict=True)]
    # A label may be wider than its picture. There is no gap after the last picture.
    widths = [
        max(-(-picture.shape[1] // cell[1]), len(label)) + _GAP for picture, label in zip(pictures, labels, strict=True)
    ]
    widths[-1] -= _GAP
    yield _in_columns(labels, widths)
    if graphics:
        strip = _strip(pictures, [columns * cell[1] for columns in widths], cell[0])
        yield graphics(pillow_picture(strip), strip.shape[1] // cell[1], strip.shape[0] // cell[0])
    else:
        for parts in zip_longest(*map(_half_blocks, pictures), fillvalue=Text()):
            yield _in_columns(parts, widths)


def _in_columns(parts: Sequence[Text], widths: Sequence[int]) -> Text:
    padded = (Text.assemble(part, " " * (width - len(part))) for part, width in zip(parts, widths, strict=True))
    return Text().join(padded)


def _room(thumbnails: Sequence[Thumbnail], space: tuple[int, int], cell: tuple[int, int]) -> list[int]:
    """Return how many columns each picture gets: what it needs at full height, or less if the line is too narrow."""
    rows, columns = space
    wanted = [-(-size_in_box(thumbnail.shape, (rows * cell[0], sys.maxsize))[1] // cell[1]) for thumbnail in thumbnails]
    return _shares([max(_LEAST_WIDTH, want) for want in wanted], columns - _GAP * (len(thumbnails) - 1))


def _shares(wanted: Sequence[int], total: int) -> list[int]:
    """Share ``total`` columns equally, but give no picture more than it wants, and the rest to the others."""
    most = next((most for most in range(total, 1, -1) if sum(min(most, want) for want in wanted) <= total), 1)
    return [min(most, want) for want in wanted]


def _half_blocks(picture: Array) -> Iterator[Text]:
    """Yield a line per two rows of pixels: the upper row is the foreground colour, the lower row the background."""
    for upper, lower in zip_longest(picture[::2].tolist(), picture[1::2].tolist(), fillvalue=None):
        line = Text()
        for column, foreground in enumerate(upper or []):
            background = Color.from_rgb(*lower[column]) if lower else None
            line.append("▀", Style(color=Color.from_rgb(*foreground), bgcolor=background))
        yield line


def _strip(pictures: Sequence[Array], widths: Sequence[int], cell: int) -> Array:
    """Return one picture of all pictures, transparent between them, with the height of whole characters."""
    height = max(-(-picture.shape[0] // cell) * cell for picture in pictures)
    strip = np.zeros((height, sum(widths), 4), np.uint8)
    for picture, right, width in zip(pictures, np.cumsum(widths), widths, strict=True):
        rows, columns, _ = picture.shape
        corner = strip[:rows, right - width : right - width + columns]
        corner[..., :3], corner[..., 3] = picture, 255
    return strip


def _graphics() -> Any:
    """Return textual-image's class for pictures, or None if it is not installed or the terminal has no graphics."""
    if not _can_ask_terminal():
        return None
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    try:
        from textual_image.renderable import Image, SixelImage, TGPImage
    # The import asks the terminal what it supports, and an unexpected answer can raise any kind of error.
    except Exception:
        return None
    return Image if Image in (SixelImage, TGPImage) else None


def _can_ask_terminal() -> bool:
    """Return whether the terminal's answer to a question can be read without taking other input from stdin."""
    if sys.stdin is None or not sys.stdin.isatty() or sys.platform == "win32":
        return False
    # Terminal multiplexers answer, but then show no picture.
    if {"TMUX", "STY", "ZELLIJ"} & os.environ.keys() or os.environ.get("TERM", "").startswith(("tmux", "screen")):
        return False
    # A background process that reads the terminal is stopped, and text that was typed ahead belongs to the shell.
    return _in_foreground(sys.stdin.fileno()) and not select.select([sys.stdin], [], [], 0)[0]


def _in_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    # The terminal is not the one that started the program.
    except OSError:
        return False
