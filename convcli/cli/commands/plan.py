"""``convcli plan``: what a convolution would do and take; nothing is computed."""

from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import refuse_second_stdin


@options.spread
def plan(
    image: options.HeaderOnly = None,
    *,
    kernel: options.KernelSource,
    input_shape: options.InputShape = None,
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
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Show shapes, pads, untouched rows, receptive field, cost, and which algorithm would run and why.

    output = floor((n + pads - d*(k-1) - 1) / s) + 1

    Estimates are counted operations times the rates of one thread. Nothing is computed.

    convcli plan sample_images/camera.png -k gaussian:3 -s 2

    convcli plan --input-shape 64,56,56 -k layer.npy --algorithm im2col
    """
    from convcli.arrays import computing_type
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.convolution.forecast import forecast

    refuse_second_stdin([image or "", kernel])
    inputs = sources.begin_reading(max_pixels)
    request = inputs.read_request(kernel, words, engine)
    V = inputs.read_shape(image, input_shape, gray=gray)
    render.show_forecast(
        forecast(request.convolution, V.shape, computing_type(V.dtype, dtype), request.execution), talk, as_json=json
    )
