"""Write walks to files: animations as GIF and SVG."""

import os
from base64 import b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from convcli.drawing.scene_pictures import draw_story
from convcli.drawing.scene_svg import story_svg
from convcli.drawing.scenes import Story
from convcli.files.file_bytes import write_text
from convcli.files.whole_files import IfExists, write_atomically
from convcli.pictures.formats.gif import GIF
from convcli.pictures.image import Metadata
from convcli.pictures.writing import FrameWriter
from convcli.text import choice
from convcli.values import frozen_value

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


@frozen_value(compared=("story",), shown=("heading", "steps"))
class Walk(NamedTuple):
    """The walk of a window, which a notebook shows as an animation.

    Attributes
    ----------
    story
        The heading, and a scene per step: its title, its panels of numbers and its captions.
    """

    story: Story

    @property
    def heading(self) -> str:
        """The formulas of the walk."""
        return " ".join(self.story.heading)

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.story.scenes)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the walk as an animation, whose format, gif or svg, is the extension of the path.

        Raises OptionError for another extension; FileError if the file exists and ``overwrite`` is False, or if it
        cannot be written.
        """
        write = WRITERS[choice("path", Path(path).suffix.lower().removeprefix("."), WRITERS)]
        with write_atomically(Path(path), IfExists.REPLACE if overwrite else IfExists.FAIL) as stream:
            write(self.story, stream)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the SVG as a picture, because the styles of several walks would collide."""
        data = b64encode("".join(story_svg(self.story)).encode()).decode()
        description = escape(self.heading)
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{description}" style="max-width:100%">'
