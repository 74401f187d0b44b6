"""``convcli plan``: what a convolution would do and take; nothing is computed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convcli.cli import options
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    import numpy as np


@options.spread
def plan(
    image: Annotated[
        str | None,
        typer.Argument(metavar="[IMAGE]", show_default=False, help="A picture or .npy, of which the header is read."),
    ] = None,
    *,
    kernel: options.KernelSource,
    input_shape: Annotated[
        str | None,
        typer.Option("--input-shape", metavar="C,H,W", show_default=False, help="Instead of an image."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            show_default="by the image's type; float32 for a shape",
            help="float32 or float64: what the output is computed in.",
        ),
    ] = None,
    words: options.Words,
    engine: options.Engine,
    gray: options.Gray = False,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Show shapes, pads, untouched rows, receptive field, cost, and which algorithm would run and why.

    output = floor((n + pads - d*(k-1) - 1) / s) + 1

    Estimates are counted operations times the rates of one thread. Nothing is computed.

    convcli plan sample_images/camera.png -k gaussian:3 -s 2

    convcli plan --input-shape 64,56,56 -k layer.npy --algorithm im2col
    """
    from convcli.cli import render, sources
    from convcli.planning import forecast

    refuse_second_stdin([image or "", kernel])
    request = sources.read_request(kernel, words, engine)
    shape, computed = _input(image, input_shape, dtype, gray)
    render.show_forecast(forecast(request, shape, computed), talk, as_json=json)


def _input(
    image: str | None, input_shape: str | None, dtype: str | None, gray: bool
) -> "tuple[tuple[int, ...], np.dtype[Any]]":
    """The shape of V, and the type to compute in."""
    import numpy as np

    from convcli.arrays import computing_type
    from convcli.cli import sources
    from convcli.settings import parse_shape

    if (image is None) == (input_shape is None):
        raise OptionError("expected an image or --input-shape, one of them")
    if image is None:
        return parse_shape(input_shape or ""), computing_type(np.dtype(np.float32), dtype)
    header = sources.read_header(image)
    return ((1, *header.shape[1:]) if gray else header.shape), computing_type(header.dtype, dtype)
