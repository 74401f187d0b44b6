"""``convcli matrix``: a convolution as a sparse matrix."""

from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin, refuse_terminal


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
    from convcli.files.output_names import data_format, format_extension, kernel_path
    from convcli.matrix.assembly import assemble
    from convcli.matrix.writers import BINARY, FORMATS

    refuse_second_stdin([image or "", kernel])
    inputs = sources.begin_reading(max_pixels)
    request = inputs.read_request(kernel, words, options.Engine())
    destination = render.destination_of(output, overwrite=overwrite)
    chosen = data_format(options.asked_format(format, json=json), destination, FORMATS, terminal=is_terminal())
    if destination.is_stream and chosen in BINARY:
        refuse_terminal()
    path = kernel_path(destination, request.name, format_extension(chosen))
    shape = inputs.read_shape(image, input_shape, gray=gray).shape
    prepared = request.convolution.at(shape, "float64")
    talk.note(render.geometry_in_words(prepared.geometry))
    render.save_matrix(assemble(prepared), destination, path, chosen, talk)
