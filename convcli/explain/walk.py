"""The walk of the window: one scene per output, with what its window reads and what becomes of it."""

import re
from collections.abc import Iterator
from math import prod
from textwrap import wrap

import numpy as np

from convcli.arrays import Array
from convcli.convolution.formulas import formulas_of, output_formula
from convcli.convolution.layers import PreparedLayer, shape_of
from convcli.convolution.operands import upstream_of
from convcli.convolution.prepared import Prepared
from convcli.drawing.scenes import Panel, Scene, Story
from convcli.errors import GeometryError, OptionError
from convcli.explain.crop import Pointed, crop_of
from convcli.explain.walkers import Stage, Walker, walker_of
from convcli.explain.windows import Window, windows
from convcli.names import parse_tensor

# The most that is drawn: rows and columns of V', input channels of a window, and steps.
MOST_SIDE = 32
MOST_CHANNELS = 8
MOST_STEPS = 256
# The rows and columns of the surroundings of a number.
CROP_SIDE = 8
# The longest line of a caption.
_LINE = 76


@np.errstate(over="ignore", invalid="ignore")
def walk(
    prepared: PreparedLayer, V: Array, G: Array | None, of: str, steps: str = "", near: tuple[int, ...] | None = None
) -> Story:
    """Return the walk of the window over V: one scene per output, in row-major order.

    prepared: a convolution, or a transposed one.  V: ``(..., C_in, H, W)`` or ``(H, W)``.
    G: shaped like Z; may be None for Z.
    of: the tensor that the walk makes, a name in SYMBOLS or its letters.
    steps: the steps to show, counted from 1: ``N``, ``N-M``, ``N-`` or ``-M``; empty for all.
    near: all indices of a number of this tensor. Of a large image, its surroundings are shown as an image of their own.
    Raises GeometryError for an input that is too large to draw; OptionError for other steps, for too many, and for db
    and ``near`` of a transposed convolution.
    """
    of = parse_tensor("of", of)
    G = None if G is None else upstream_of(G, prepared.output_shape)
    stage, notes = (_stage(prepared, V, G), []) if near is None else _cropped(prepared, V, G, Pointed(of, near))
    shown = _parse_steps(steps, prod(stage.prepared.output_shape))
    heading = (*_heading(stage, of), *(line for note in notes for line in wrap(note, _LINE)))
    return Story(heading, tuple(_scenes(stage, walker_of(stage, of), shown)))


def _cropped(prepared: PreparedLayer, V: Array, G: Array | None, pointed: Pointed) -> tuple[Stage, list[str]]:
    """Return the tensors of the crop around a number, and what it does not show of V, in sentences."""
    if not isinstance(prepared, Prepared):
        raise OptionError("the walk of a transposed convolution shows all of it: expected no `at`")
    bias = prepared.convolution.bias
    crop = crop_of(prepared, pointed, CROP_SIDE)
    notes = crop.notes(prepared.input_shape)
    if notes and not (prepared.geometry.shares_weights and (bias is None or bias.ndim < 2)):
        raise OptionError("weights or a bias that outputs do not share belong to the whole image: expected no `at`")
    pixels = crop.pixels(V)
    cropped = prepared.convolution.at(pixels.shape, prepared.dtype)
    return _stage(cropped, pixels, None if G is None else crop.upstream(G, cropped.output_shape)), notes


def _stage(prepared: PreparedLayer, V: Array, G: Array | None) -> Stage:
    """Return the tensors of a walk. Raises GeometryError if they are too large to draw, or empty."""
    _require_small(prepared)
    return Stage(prepared, V, G)


def _require_small(prepared: PreparedLayer) -> None:
    geometry = prepared.geometry
    if 0 in prepared.output_shape:
        raise GeometryError("a walk shows windows: expected at least one image, given an empty batch")
    rows, columns = geometry.rows.padded, geometry.columns.padded
    if max(rows, columns) > MOST_SIDE:
        raise GeometryError(
            f"a walk draws every pixel: expected at most {MOST_SIDE} rows and columns with their padding, given "
            f"{rows:,} and {columns:,}: {_remedy(prepared)}"
        )
    if geometry.in_channels > MOST_CHANNELS:
        raise GeometryError(
            f"a walk draws every channel of a window: expected at most {MOST_CHANNELS}, given {geometry.in_channels:,}"
        )


def _remedy(prepared: PreparedLayer) -> str:
    if isinstance(prepared, Prepared):
        return "name a number with `at` to show its surroundings, or write a page, as in `output` page.html"
    return "crop the image"


def _parse_steps(text: str, total: int) -> range:
    """Return the numbers of the windows to show, which count from 0."""
    found = re.fullmatch(r"(\d*)(-?)(\d*)", text or "1-", re.ASCII)
    first, dash, last = found.groups() if found else ("", "", "")
    start = int(first or 1)
    stop = int(last or total) if dash else start
    if not (first or last) or not 1 <= start <= stop <= total:
        expected = f"expected N, N-M, N- or -M with steps from 1 to {total:,}"
        raise OptionError(f"{expected}, given {text!r}", option="steps")
    if stop - start >= MOST_STEPS:
        raise OptionError(
            f"a walk shows at most {MOST_STEPS} steps, given {stop - start + 1:,}: choose some, as in `steps` "
            f"{start}-{start + MOST_STEPS - 1}"
        )
    return range(start - 1, stop)


def _heading(stage: Stage, of: str) -> Iterator[str]:
    yield from wrap(_formula(stage, of), _LINE, subsequent_indent="    ")
    if stage.prepared.convolution.options.flip and of != "bias":
        yield "K lies on the window rotated by 180 degrees"


def _formula(stage: Stage, of: str) -> str:
    if of == "output":
        return output_formula(stage.layer)
    return formulas_of(stage.layer).gradient(of, len(shape_of(stage.layer, of)))


def _scenes(stage: Stage, walker: Walker, shown: range) -> Iterator[Scene]:
    total = prod(stage.prepared.output_shape)
    for window in windows(stage.prepared, stage.tensors, range(shown.stop)):
        walker.add(window)
        if window.number in shown:
            title = f"step {window.number + 1} of {total}: {walker.steps}{stage.place(window)}"
            captions = wrap(walker.caption(window), _LINE, subsequent_indent="    ")
            yield Scene(title, tuple(_lines(walker, window)), tuple(captions))


def _lines(walker: Walker, window: Window) -> Iterator[tuple[Panel, ...]]:
    """Yield the lines of panels: one for a single channel, otherwise one per channel between those that they share."""
    before, after = walker.before(window), walker.after(window)
    channels = [walker.channel(window, channel) for channel in range(len(window.pixels))]
    lines = [(*before, *channels[0], *after)] if len(channels) == 1 else [before, *channels, after]
    yield from filter(None, lines)
