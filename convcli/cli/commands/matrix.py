"""``convcli matrix``: print or save a convolution as a sparse matrix."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from convcli.cli import completion, options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.files.source import STREAM

if TYPE_CHECKING:
    from convcli.matrix.assembly import ConvolutionMatrix


@options.with_option_groups
def matrix(
    image: options.HeaderOnly = None,
    *,
    kernel: options.KernelSource,
    input_shape: options.InputShape = None,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    dtype: options.AlwaysFloat64 = None,
    gray: options.Gray = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    output: options.KernelOutput = STREAM,
    format: Annotated[
        str,
        options.format_option(
            completion.members("matrix.writers", "FORMATS", "auto"),
            "text, json, npz (for scipy.sparse.load_npz), mtx (MatrixMarket) or png (a picture of the pattern); "
            "auto: by the extension of OUT, npz in a folder, text on a terminal, JSON in a pipe.",
        ),
    ] = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Print or save the sparse matrix M of a convolution.

    vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G), with vec in row-major order

    M repeats each weight of the kernel in many places. It includes the edge fill; offset is the bias, plus what a
    constant edge fill adds. With --transpose, M is the transpose of the convolution's matrix, and offset is the bias.

    convcli matrix --input-shape 1,4,5 -k sobel-x -e replicate
    convcli matrix --input-shape 1,32,32 -k gaussian:2 -o pattern.png
    convcli matrix --input-shape 1,32,32 -k gaussian:2 -p valid -o M.npz
    """
    from convcli.cli.inputs import begin_reading, require_float64, require_order
    from convcli.cli.output import data_format, destination_of, tell_saved, text_writer
    from convcli.cli.text.geometry import geometry_text
    from convcli.files.output_names import format_extension, kernel_path
    from convcli.matrix.assembly import assemble
    from convcli.matrix.ordering import ordered
    from convcli.matrix.writers import FORMATS, WRITERS

    refuse_second_stdin([image or "", kernel])
    require_float64(dtype)
    inputs = begin_reading(max_pixels, layouts, messages)
    request = inputs.read_request(kernel, convolution, transpose)
    destination = destination_of(output, messages, overwrite=overwrite)
    chosen = data_format(options.requested_format(format, json=json), destination, FORMATS)
    path = kernel_path(destination, request.name, format_extension(chosen))
    V = inputs.read_shape(image, input_shape, gray=gray)
    require_order(request, V.shape, messages, picture=V.is_picture)
    prepared = request.convolution.at(V.shape, "float64")
    messages.note(geometry_text(prepared, inputs.layouts))
    M = ordered(assemble(prepared), inputs.layouts)
    writers = {**WRITERS, "text": text_writer(partial(_lines, plain=not destination.is_stream))}
    with destination.open(path) as stream:
        writers[chosen](M, stream)
    tell_saved(f"{M.shape[0]:,} x {M.shape[1]:,} with {len(M.data):,} nonzeros", destination, path, messages)


def _lines(M: "ConvolutionMatrix", *, plain: bool) -> list[str]:
    from convcli.cli.text.matrix import matrix_text

    return [matrix_text(M, plain=plain)]
