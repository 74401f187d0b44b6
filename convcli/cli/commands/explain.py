"""``convcli explain``: show the sum behind one number, term by term."""

from typing import Annotated

import typer

from convcli.cli import completion, options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError

# The most terms that are shown all. Of a longer sum, so many of the largest terms are shown that 24 lines hold them.
ALL_SHOWN, LARGEST_SHOWN = 32, 12


@options.with_option_groups
def explain(
    image: options.Image,
    kernel: options.KernelSource,
    *,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            rich_help_panel=options.Panel.TASK,
            metavar="I,J,K",
            show_default=False,
            help="The number's indices, counted from 0: i,j,k of Z; i,l,m,n of dK (m,n for a 2-D kernel); l,a,c of "
            "dV; i of db. With --transpose: l,a,c of Z, i,j,k of dV, l of db. Axes of length 1 may be left out.",
        ),
    ] = "",
    of: Annotated[
        str,
        typer.Option(
            "--of",
            autocompletion=completion.words("Z", "dK", "dV", "db"),
            rich_help_panel=options.Panel.TASK,
            metavar="TENSOR",
            help="The tensor of the number: Z, dK, dV or db; or output, kernel, input or bias.",
        ),
    ] = "Z",
    upstream: options.Upstream = "ones",
    largest: Annotated[
        int | None,
        typer.Option(
            "--largest",
            rich_help_panel=options.Panel.TASK,
            metavar="N",
            parser=options.whole_number,
            show_default=f"{LARGEST_SHOWN} of more than {ALL_SHOWN} terms",
            help="Show the N terms of the largest magnitudes, and the sum of the others in one line.",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", rich_help_panel=options.Panel.TASK, help="Show every term in its order, however many there are."
        ),
    ] = False,
    convolution: options.ConvolutionOptions,
    transpose: options.TransposeOptions,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Show the exact sum behind one number of Z, dK, dV or db.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    The sum is shown term by term, each with its origin: a pixel, or the fill of the padding. Of a long sum, the largest
    terms are shown.

    convcli explain '[[1,2],[3,4]]' -k '[[1,0],[0,1]]' --at 0,0
    convcli explain sample:camera -k sobel-x --at 0,511
    convcli explain sample:camera -k sobel-x --of dK --at 0,2 --largest 5
    """
    from convcli.apply.appearance import Appearance
    from convcli.cli.inputs import begin_reading, read_input
    from convcli.cli.output import print_json, print_lines
    from convcli.cli.text.geometry import geometry_text
    from convcli.convolution.places import parse_place
    from convcli.explain import explanation
    from convcli.names import parse_tensor

    refuse_second_stdin([image, kernel, options.upstream_source(upstream)])
    inputs = begin_reading(max_pixels)
    request = inputs.read_request(kernel, convolution, transpose)
    tensor, place = parse_tensor("of", of), parse_place(at, "at")
    _require_count(largest, every=every)
    appearance = Appearance(gray=gray, unit=unit, alpha="drop")
    V, is_picture = read_input(inputs.image_source(image), appearance, messages)
    prepared = request.suited_to(V.shape, picture=is_picture).convolution.at(V.shape, "float64")
    messages.note(geometry_text(prepared))
    G = None if tensor == "output" else inputs.read_upstream(upstream, prepared, V, appearance).G
    found = explanation.explain(prepared, V, G, tensor, place)
    if largest is None and not every and found.size > ALL_SHOWN:
        largest = LARGEST_SHOWN
    shown = explanation.selected_terms(found, largest)
    if json:
        print_json(explanation.explanation_to_json(found, shown))
    else:
        from convcli.cli.text.explain import explanation_text

        print_lines(explanation_text(found, prepared.geometry.edge, shown))


def _require_count(largest: int | None, *, every: bool) -> None:
    if largest is not None and every:
        raise OptionError("`largest` and `every` contradict each other: give one")
    if largest is not None and largest < 1:
        raise OptionError(f"expected at least 1, given {largest}", option="largest")
