"""Draw scenes as pixels."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from convcli.arrays import Array
from convcli.drawing.palette import PAPER
from convcli.drawing.scene_shapes import Box, Label, SceneLayout, Strokes
from convcli.drawing.scenes import Story

# The step between the shades of a letter's edge.
_SHADE = 85


def draw_story(story: Story) -> Iterator[Array]:
    """Yield a picture ``(H, W, 3)``, uint8, of each scene. All have the same size, and each at most 256 colours."""
    layout = SceneLayout.of(story)
    for scene in story.scenes:
        picture = PIL.Image.new("RGB", layout.size[::-1], PAPER)
        draw, shapes = PIL.ImageDraw.Draw(picture), list(layout.shapes(scene))
        for box in shapes:
            if isinstance(box, Box):
                right, bottom = box.left + box.width, box.top + box.height
                draw.rectangle((box.left, box.top, right, bottom), box.fill, box.outline)
        _write(picture, [shape for shape in shapes if isinstance(shape, Label)])
        for strokes in shapes:
            if isinstance(strokes, Strokes):
                for line in strokes.lines:
                    _stroke(draw, strokes, line)
        yield np.asarray(picture)


def _write(picture: PIL.Image.Image, labels: Sequence[Label]) -> None:
    """Write the labels, with letters whose edges have few shades: a GIF has room for these on all colours of cells."""
    for ink in dict.fromkeys(label.ink for label in labels):
        mask = PIL.Image.new("L", picture.size)
        draw = PIL.ImageDraw.Draw(mask)
        for label in labels:
            if label.ink == ink:
                anchor = "mm" if label.centred else "ls"
                draw.text((label.x, label.y), label.text, 255, _font(label.size), anchor=anchor)
        picture.paste(ink, mask=mask.point([_SHADE * round(level / _SHADE) for level in range(256)]))


def _stroke(draw: PIL.ImageDraw.ImageDraw, strokes: Strokes, line: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = line
    if left == right or top == bottom:
        # With square ends, so that the corners of an outline are closed.
        before, after = strokes.width // 2, (strokes.width - 1) // 2
        draw.rectangle((left - before, top - before, right + after, bottom + after), strokes.ink)
    else:
        draw.line(line, strokes.ink, strokes.width)


@cache
def _font(size: int) -> "PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont":
    return PIL.ImageFont.load_default(size)
