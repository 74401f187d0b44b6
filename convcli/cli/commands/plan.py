"""``convcli plan``: show what a convolution would do and cost, without computing it."""

from typing import TYPE_CHECKING

from convcli.cli import options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from convcli.convolution.network import Network


@options.with_option_groups
def plan(
    image: options.HeaderOnly = None,
    *,
    kernel: options.OptionalKernelSource = None,
    input_shape: options.InputShape = None,
    dtype: options.Dtype = None,
    convolution: options.ConvolutionOptions,
    transpose: options.TransposeOptions,
    execution: options.ExecutionOptions,
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
    """
    from convcli.cli import output
    from convcli.cli.inputs import begin_reading
    from convcli.convolution.forecast import forecast, forecast_to_json
    from convcli.engine import MACHINE

    refuse_second_stdin([image or "", kernel or ""])
    inputs = begin_reading(max_pixels)
    if kernel is None:
        none = (options.ConvolutionOptions(), options.NO_TRANSPOSE, options.DEFAULT_EXECUTION, None, False)
        if (convolution, transpose, execution, dtype, gray) != none:
            raise OptionError("expected a `kernel` for these options: the convolutions of a model have their own")
        _show_network(inputs.read_network(image, input_shape), as_json=json)
        return
    request = inputs.read_request(kernel, convolution, transpose, execution, dtype)
    V = inputs.read_shape(image, input_shape, gray=gray)
    suited = request.suited_to(V.shape, picture=V.is_picture)
    found = forecast(suited.convolution, V.shape, request.computing_type(V.dtype), request.execution)
    if json:
        output.print_json(forecast_to_json(found))
    else:
        from convcli.cli.text.plan import forecast_text

        output.print_lines([forecast_text(found)])
    messages.note(f"the estimates use rates measured on {MACHINE}")


def _show_network(network: "Network", *, as_json: bool) -> None:
    from convcli.cli import output
    from convcli.convolution.network import network_to_json

    if as_json:
        output.print_json(network_to_json(network))
    else:
        from convcli.cli.text.network import network_text

        output.print_lines([network_text(network)])
