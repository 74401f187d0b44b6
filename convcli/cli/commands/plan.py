"""``convcli plan``: show what a convolution would do and cost, without computing it."""

from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from convcli.convolution.network import Network
    from convcli.convolution.request import Request


@options.with_option_groups
def plan(
    image: options.HeaderOnly = None,
    *,
    kernel: options.OptionalKernelSource = None,
    input_shape: options.InputShape = None,
    dtype: options.Dtype = None,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    execution: options.ExecutionOptions,
    paddings: Annotated[
        bool,
        typer.Option(
            "--paddings",
            rich_help_panel=options.Panel.TASK,
            help="Instead, set the paddings side by side, from valid to full: their widths, how many outputs use each "
            "pixel, and how many pixels each output sees.",
        ),
    ] = False,
    gray: options.Gray = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Show the shapes, padding, cost and algorithm of a convolution.

    output = floor((n + pads - d*(k-1) - 1) / s) + 1, for n input pixels, k taps, dilation d and stride s

    Nothing is computed: times are estimates for one thread, numbers of operations times measured rates. Also shown are
    the receptive field, the rows and columns that no window reads, and why the other algorithms were not chosen.
    Given an ONNX model in place of an image and no kernel, its convolutions are listed.

    convcli plan sample:camera -k gaussian:3 -s 2
    convcli plan --input-shape 1,480,640 -k gaussian:3 --algorithm im2col
    convcli plan --input-shape 1,6,6 -k box:3 --paddings
    """
    from convcli.cli import output
    from convcli.cli.inputs import begin_reading, suited
    from convcli.convolution.forecast import forecast, forecast_to_json
    from convcli.engine import MACHINE

    refuse_second_stdin([image or "", kernel or ""])
    inputs = begin_reading(max_pixels, layouts, messages)
    if kernel is None:
        none = (options.ConvolutionOptions(), options.LayoutOptions(), options.NO_TRANSPOSE, options.DEFAULT_EXECUTION)
        if (convolution, layouts, transpose, execution) != none or dtype is not None or gray or paddings:
            raise OptionError("expected a `kernel` for these options: the convolutions of a model have their own")
        _show_network(inputs.read_network(image, input_shape), as_json=json)
        return
    request = inputs.read_request(kernel, convolution, transpose, execution, dtype)
    V = inputs.read_shape(image, input_shape, gray=gray)
    request = suited(request, V.shape, messages, picture=V.is_picture)
    if paddings:
        _show_paddings(request, V.shape, as_json=json)
        return
    found = forecast(request.convolution, V.shape, request.computing_type(V.dtype), request.execution)
    if json:
        output.print_json(forecast_to_json(found, inputs.layouts))
    else:
        from convcli.cli.text.plan import forecast_text

        output.print_lines([forecast_text(found, inputs.layouts)])
    messages.note(f"the estimates use rates measured on {MACHINE}")


def _show_paddings(request: "Request", shape: tuple[int, ...], *, as_json: bool) -> None:
    from convcli.cli import output
    from convcli.convolution.paddings import paddings_of, paddings_to_json
    from convcli.convolution.prepared import Convolution

    if not isinstance(request.convolution, Convolution):
        raise OptionError("`paddings` are of a convolution: expected no `transpose`")
    found = paddings_of(request.convolution.geometry(shape), request.convolution.options)
    if as_json:
        output.print_json(paddings_to_json(found))
    else:
        from convcli.cli.text.paddings import paddings_text

        output.print_lines([paddings_text(found)])


def _show_network(network: "Network", *, as_json: bool) -> None:
    from convcli.cli import output
    from convcli.convolution.network import network_to_json

    if as_json:
        output.print_json(network_to_json(network))
    else:
        from convcli.cli.text.network import network_text

        output.print_lines([network_text(network)])
