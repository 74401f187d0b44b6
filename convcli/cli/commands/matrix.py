"""``convcli matrix``: a convolution as a sparse matrix."""

from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin, refuse_terminal

if TYPE_CHECKING:
    from convcli.files.output_names import Output


@options.spread
def matrix(
    image: options.HeaderOnly = None,
    *,
    kernel: options.KernelSource,
    input_shape: options.InputShape = None,
    words: options.Words,
    gray: options.Gray = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="OUT", help="File, folder, template of {kernel} {ext}, or - for stdout."
        ),
    ] = STREAM,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="text, json, npz (for scipy.sparse.load_npz), mtx (MatrixMarket), png (a picture of the pattern); "
            "auto goes by OUT (npz in a folder; text on a terminal, JSON in a pipe).",
        ),
    ] = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Give the sparse matrix M of a convolution: each kernel weight, copied to many places.

    vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G), with vec in row-major order

    M includes the edge fill; offset is the bias, and what a constant edge fill adds.

    convcli matrix --input-shape 1,4,5 -k sobel-x -e replicate
    """
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.files.output_names import data_format
    from convcli.matrix.assembly import assemble
    from convcli.matrix.writers import FORMATS

    refuse_second_stdin([image or "", kernel])
    sources.begin_reading(max_pixels)
    request = sources.read_request(kernel, words, options.Engine())
    chosen = data_format(options.asked_format(format, json=json), output, FORMATS, terminal=is_terminal())
    target = _target(output, request.kernel.name, chosen, overwrite)
    shape = sources.read_shape(image, input_shape, gray=gray).shape
    talk.note(render.geometry_in_words(request.geometry(shape)))
    K = request.kernel
    render.save_matrix(assemble(K.weights, shape, K.bias, request.settings, flip=request.flip), target, chosen, talk)


def _target(output: str, kernel: str, format: str, overwrite: bool) -> "Output":
    """The file or stream to write to; refused, where it cannot be, before anything is computed."""
    from convcli.files.output_names import format_extension, text_output
    from convcli.matrix.writers import BINARY

    if output == STREAM and format in BINARY:
        refuse_terminal()
    return text_output(output, kernel, format_extension(format), overwrite)
