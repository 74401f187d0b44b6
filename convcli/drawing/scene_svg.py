"""Draw scenes as one SVG, which shows one after the other.

The animation is CSS, which plays in pages and README files without a script. Where a reader prefers less motion, on
paper, and in programs that know no CSS animations, the SVG shows the last scene. A shape that several scenes share is
written once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple
from xml.sax.saxutils import escape

from convcli.drawing.palette import PAPER, Colour
from convcli.drawing.scene_shapes import Box, Label, SceneLayout, Shape, Strokes
from convcli.drawing.scenes import Story

# From the lowest layer to the highest: a box that several scenes share must not cover a number that one of them shows.
_LAYERS = (Box, Label, Strokes)
_FONT = "system-ui,'Segoe UI',Helvetica,Arial,sans-serif"


class _Run(NamedTuple):
    """Consecutive scenes. start, stop: their numbers, as in a range."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """The name of the animation that shows a shape in these scenes."""
        return f"s{self.start}-{self.stop}"


def story_svg(story: Story) -> Iterator[str]:
    """Yield the lines of an SVG of the story."""
    layout, every = SceneLayout.of(story), _Run(0, len(story.scenes))
    height, width = layout.size
    layers = _layers(story, layout)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="{_FONT}">\n'
    )
    yield f"<title>{escape(' '.join(story.heading))}</title>\n"
    yield f"<desc>{escape(' '.join((story.scenes[-1].title, *story.scenes[-1].captions)))}</desc>\n"
    yield from _style({run for runs in layers for run in runs} - {every}, story)
    yield f'<rect width="{width}" height="{height}" fill="{_hex(PAPER)}"/>\n'
    for runs in layers:
        for run, shapes in sorted(runs.items(), key=lambda item: item[0] != every):
            yield from _group(run, shapes, every)
    yield "</svg>\n"


def _layers(story: Story, layout: SceneLayout) -> tuple[dict[_Run, list[Shape]], ...]:
    """Return for each of the layers the shapes that appear in each run of scenes."""
    numbers: dict[Shape, list[int]] = defaultdict(list)
    for number, scene in enumerate(story.scenes):
        for shape in layout.shapes(scene):
            numbers[shape].append(number)
    layers: dict[type[Shape], dict[_Run, list[Shape]]] = {kind: defaultdict(list) for kind in _LAYERS}
    for shape, found in numbers.items():
        for run in _runs(found):
            layers[type(shape)][run].append(shape)
    return tuple(layers.values())


def _runs(numbers: Iterable[int]) -> Iterator[_Run]:
    """Yield the runs of ascending numbers."""
    start = stop = -1
    for number in numbers:
        if number != stop:
            if stop > start:
                yield _Run(start, stop)
            start = number
        stop = number + 1
    yield _Run(start, stop)


def _style(runs: Iterable[_Run], story: Story) -> Iterator[str]:
    ends = [0.0, *accumulate(story.seconds)]
    yield "<style>text{font-variant-numeric:tabular-nums}\n"
    yield "@media screen and (prefers-reduced-motion:no-preference){\n"
    for run in sorted(runs):
        first, last = (100 * ends[number] / ends[-1] for number in run)
        before = "0%{visibility:hidden}" if run.start else ""
        after = f"{last:.4g}%{{visibility:hidden}}" if run.stop < len(story.scenes) else ""
        yield f"@keyframes {run.name}{{{before}{first:.4g}%{{visibility:visible}}{after}}}"
        yield f".{run.name}{{animation:{run.name} {ends[-1]:g}s step-end infinite}}\n"
    # A reader who points at the picture stops it.
    yield "svg:hover *{animation-play-state:paused}}</style>\n"


def _group(run: _Run, shapes: Iterable[Shape], every: _Run) -> Iterator[str]:
    drawn = map(_element, shapes)
    if run == every:
        yield from drawn
    else:
        # Without an animation, only the last scene is visible.
        hidden = "" if run.stop == every.stop else ' visibility="hidden"'
        yield f'<g class="{run.name}"{hidden}>\n'
        yield from drawn
        yield "</g>\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Box):
        place = f'x="{shape.left + 0.5}" y="{shape.top + 0.5}" width="{shape.width}" height="{shape.height}"'
        return f'<rect {place} fill="{_hex(shape.fill)}" stroke="{_hex(shape.outline)}"/>\n'
    if isinstance(shape, Label):
        centred = ' text-anchor="middle" dy=".35em"' if shape.centred else ""
        place = f'x="{shape.x}" y="{shape.y}" font-size="{shape.size}" fill="{_hex(shape.ink)}"{centred}'
        return f"<text {place}>{escape(shape.text)}</text>\n"
    path = "".join(f"M{left} {top}L{right} {bottom}" for left, top, right, bottom in shape.lines)
    stroke = f'stroke="{_hex(shape.ink)}" stroke-width="{shape.width}" stroke-linecap="square"'
    return f'<path d="{path}" {stroke}/>\n'


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
