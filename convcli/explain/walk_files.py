"""Write walks to files: animations as GIF and SVG."""

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from convcli.drawing.scene_pictures import draw_story
from convcli.drawing.scene_svg import story_svg
from convcli.drawing.scenes import Story
from convcli.files.file_bytes import write_text
from convcli.pictures.formats.gif import GIF
from convcli.pictures.image import Metadata
from convcli.pictures.writing import FrameWriter

FOREVER = 0


def write_gif(story: Story, stream: BinaryIO) -> None:
    """Write an animated GIF that is played for ever, frame by frame."""
    writer = FrameWriter(stream, GIF, len(story.scenes), FOREVER)
    for picture, seconds in zip(draw_story(story), story.seconds, strict=True):
        writer.add(np.moveaxis(picture, -1, 0), None, Metadata(), duration=1000 * seconds)


def write_svg(story: Story, stream: BinaryIO) -> None:
    """Write an animated SVG."""
    write_text(stream, story_svg(story))


WRITERS: dict[str, Callable[[Story, BinaryIO], None]] = {"gif": write_gif, "svg": write_svg}
