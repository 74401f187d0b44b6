"""``convcli explain``: the sum behind one number, term by term."""

from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import refuse_second_stdin


@options.spread
def explain(
    image: options.Image,
    kernel: options.KernelSource,
    *,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="I,J,K",
            show_default=False,
            help="Which number, from 0: i,j,k of Z, i,l,m,n of dK (m,n for a 2-D kernel), l,a,c of dV, i of db.",
        ),
    ] = "",
    of: Annotated[
        str, typer.Option("--of", metavar="TENSOR", help="output, or the gradient of kernel, input or bias.")
    ] = "output",
    upstream: options.Upstream = "ones",
    every: Annotated[bool, typer.Option("--all", help="Every term, where they are many.")] = False,
    words: options.Words,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Show the very sum behind one number of Z, dK, dV or db, term by term.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    Each term says where it comes from: which pixel, or which fill of the pads.

    convcli explain '[[1,2],[3,4]]' -k '[[1,0],[0,1]]' --at 0,0,0

    convcli explain sample_images/camera.png -k sobel-x --of kernel --at 0,2 -G normal:1
    """
    from convcli.apply.appearance import Appearance
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.explain.explanation import explain as explained
    from convcli.explain.explanation import parse_at

    refuse_second_stdin([image, kernel, options.source_of(upstream)])
    inputs = sources.begin_reading(max_pixels)
    request, place = inputs.read_request(kernel, words, options.Engine()), parse_at(at)
    appearance = Appearance(gray=gray, unit=unit, alpha="drop")
    V = sources.read_input(inputs.image_source(image), appearance, talk)
    prepared = request.convolution.at(V.shape, "float64")
    talk.note(render.geometry_in_words(prepared.geometry))
    G = None if of == "output" else inputs.read_upstream(upstream, prepared, V, appearance).G
    found = explained(prepared, V, G, of, place)
    render.show_explanation(found, prepared.geometry.edge, every=every, as_json=json)
