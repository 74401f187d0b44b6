"""``convcli explain``: show the sum behind one number, term by term."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from convcli.cli import completion, options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError
from convcli.files.source import STREAM
from convcli.text import any_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from convcli.drawing.scenes import Story
    from convcli.explain.explanation import Explanation
    from convcli.explain.page.document import Page
    from convcli.files.output_names import Destination
    from convcli.layouts import Layouts

    # What an output holds, for the line that says that it was written, and the function that writes it.
    Output = tuple[str, Callable[[BinaryIO], None]]

# The formats that draw a walk, those of all walks, and all formats.
DRAWINGS = ("gif", "svg")
WALKS = ("text", *DRAWINGS)
FORMATS = ("text", "json", "latex", "markdown", "html", *DRAWINGS)
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
            "dV; i of db. With --transpose: l,a,c of Z, i,j,k of dV, l of db. Axes of length 1 may be left out. "
            "--layout and --kernel-layout order the axes. Of a large image, pages and walks show the "
            "surroundings of the number.",
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
    relu: options.ReluAfterwards = False,
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
    walk: Annotated[
        bool,
        typer.Option(
            "--walk",
            rich_help_panel=options.Panel.TASK,
            help="Show how Z, or the gradient that --of names, is made window by window. -o walk.gif and -o walk.svg "
            "draw it.",
        ),
    ] = False,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            rich_help_panel=options.Panel.TASK,
            metavar="N|N-M",
            show_default="all",
            help="The windows of the walk to show, counted from 1: 5, 3-7, 3- or -7.",
        ),
    ] = None,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    dtype: options.AlwaysFloat64 = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    output: Annotated[
        str,
        options.output_option(
            options.KERNEL_FIELDS,
            " With a name in .html: the whole convolution as one page for a browser, which opens at --at.",
        ),
    ] = STREAM,
    format: Annotated[
        str,
        options.format_option(
            completion.words("auto", *FORMATS),
            "text, json, latex, markdown, html (the page), gif or svg (the walk); auto: by the extension of OUT, "
            "html in a folder, text on stdout.",
        ),
    ] = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Show the exact sum behind one number of Z, dK, dV or db, or a page about all of them.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    The sum is shown term by term, each with its origin: a pixel, or the fill of the padding. Of a long sum, the largest
    terms are shown. A walk shows the windows of a small image one by one.

    convcli explain '[[1,2],[3,4]]' -k '[[1,0],[0,1]]' --at 0,0
    convcli explain sample:camera -k sobel-x --at 0,511
    convcli explain sample:camera -k sobel-x --of dK --at 0,2 --largest 5
    convcli explain sample:camera -k sobel-x --at 80,200 -o page.html
    convcli explain '[[1,2],[3,4]]' -k '[[1,0],[0,1]]' --walk
    convcli explain '[[1,2],[3,4]]' -k '[[1,0],[0,1]]' --of dV -o walk.gif
    """
    from convcli.apply.appearance import Appearance
    from convcli.cli.inputs import begin_reading, read_input, require_float64, suited
    from convcli.cli.output import destination_of, tell_saved
    from convcli.cli.text.geometry import geometry_text
    from convcli.convolution.places import parse_place
    from convcli.explain.explanation import explain as explain_number
    from convcli.explain.explanation import place_in
    from convcli.explain.page.document import Titles, page_of
    from convcli.explain.walk import walk as walk_story
    from convcli.files.output_names import format_extension, kernel_path
    from convcli.names import parse_tensor

    refuse_second_stdin([image, kernel, options.upstream_source(upstream)])
    require_float64(dtype)
    inputs = begin_reading(max_pixels, layouts, messages)
    request = inputs.read_request(kernel, convolution, transpose)
    tensor, place = parse_tensor("of", of), parse_place(at, "at")
    destination = destination_of(output, messages, overwrite=overwrite)
    chosen = _chosen_format(options.requested_format(format, json=json), destination, walk=walk)
    is_walk = walk or chosen in DRAWINGS
    _require_count(largest, every=every)
    _require_options_of(chosen, steps, is_walk=is_walk, counts=largest is not None or every)
    if relu:
        _require_gradient(tensor, chosen)
    path = kernel_path(destination, request.name, format_extension(chosen))
    appearance = Appearance(gray=gray, unit=unit, alpha="drop", relu=relu)
    source = inputs.image_source(image)
    V, is_picture = read_input(source, appearance, messages)
    prepared = suited(request, V.shape, messages, picture=is_picture).convolution.at(V.shape, "float64")
    messages.note(geometry_text(prepared, inputs.layouts))
    upstream_of = partial(inputs.read_upstream, upstream, prepared, V, appearance)
    G = None if tensor == "output" or chosen == "html" else upstream_of().G
    pointed = place_in(prepared, tensor, place, inputs.layouts) if at.strip() else None
    if chosen == "html":
        page = page_of(prepared, V, upstream_of().G, Titles.of(source, V, request.kernel), tensor, pointed)
        what, write = _page(page, inputs.layouts, messages)
    elif is_walk:
        story = walk_story(prepared, V, G, tensor, steps or "", pointed)
        what, write = _walk(story, chosen, inputs.layouts, messages, plain=not destination.is_stream)
    else:
        found = explain_number(prepared, V, G, tensor, place, inputs.layouts)
        what, write = _sum(found, found.size if every else largest, chosen, plain=not destination.is_stream)
    with destination.open(path) as stream:
        write(stream)
    tell_saved(what, destination, path, messages)


def _chosen_format(requested: str, destination: "Destination", *, walk: bool) -> str:
    """Return the format of the output. Text is the default in a pipe too, because a sum is for people."""
    from convcli.cli.output import data_format

    if requested == "auto" and destination.extension is None:
        return "text" if destination.is_stream else "gif" if walk else "html"
    return data_format(requested, destination, FORMATS)


def _require_count(largest: int | None, *, every: bool) -> None:
    if largest is not None and every:
        raise OptionError("`largest` and `every` contradict each other: give one")
    if largest is not None and largest < 1:
        raise OptionError(f"expected at least 1, given {largest}", option="largest")


def _require_gradient(tensor: str, format: str) -> None:
    """Raise OptionError unless a tensor and a format have sums that a ReLU after the convolution changes."""
    if format == "html":
        raise OptionError("a page computes gradients anew, without a ReLU: expected no `relu`")
    if tensor == "output":
        raise OptionError("a ReLU changes no sum of Z: expected no `relu`, or `of` dK, dV or db")


def _require_options_of(format: str, steps: str | None, *, is_walk: bool, counts: bool) -> None:
    """Raise OptionError for options of a sum that a page or a walk does not have, and for those of a walk without one.

    counts: whether options count the terms.
    """
    if is_walk and format not in WALKS:
        raise OptionError(f"a walk is {any_of(WALKS)}: expected one of them, or no `walk`, given {format}")
    if format == "html" and counts:
        raise OptionError("`largest` and `every` are for the text of one sum, and a page shows all: give neither")
    if is_walk and counts:
        raise OptionError("`largest` and `every` are for the terms of one sum, and a walk shows all: give neither")
    if steps is not None and not is_walk:
        raise OptionError("`steps` is for a walk: add `walk`")


def _sum(found: "Explanation", largest: int | None, format: str, *, plain: bool) -> "Output":
    """Return what the sum behind a number is called, and the function that writes it."""
    from convcli.cli.text.explain import explanation_text
    from convcli.explain.equations import EQUATIONS
    from convcli.explain.explanation import explanation_to_json, selected_terms
    from convcli.files.file_bytes import write_text
    from convcli.files.json_writing import write_json
    from convcli.names import SYMBOLS

    if largest is None and found.size > ALL_SHOWN:
        largest = LARGEST_SHOWN
    shown, what = selected_terms(found, largest), f"the sum behind a number of {SYMBOLS[found.of]}"
    if format == "json":
        members = explanation_to_json(found, shown)
        return what, lambda stream: write_json(stream, members)
    lines = EQUATIONS[format](found, shown) if format in EQUATIONS else explanation_text(found, shown, plain=plain)
    return what, lambda stream: write_text(stream, lines)


def _walk(story: "Story", format: str, layouts: "Layouts", messages: Messages, *, plain: bool) -> "Output":
    """Return what a walk is called, and the function that writes it. Say if its indices are not in the user's order."""
    from convcli.cli.output import tell_order
    from convcli.cli.text.walk import walk_text
    from convcli.explain.walk_files import WRITERS
    from convcli.files.file_bytes import write_text

    tell_order("walk", layouts, messages)
    what = f"{len(story.scenes)} step{'s' * (len(story.scenes) > 1)} of the walk"
    if format == "text":
        lines = walk_text(story, plain=plain)
        return what, lambda stream: write_text(stream, lines)
    return what, lambda stream: WRITERS[format](story, stream)


def _page(page: "Page", layouts: "Layouts", messages: Messages) -> "Output":
    """Return what a page is called, and the function that writes it. Say what the page does not show of V."""
    from convcli.cli.output import tell_order
    from convcli.explain.page.html import write_page

    tell_order("page", layouts, messages)
    for note in page.notes:
        messages.tell("note", note)
    return "a page for a browser", lambda stream: write_page(page, stream)
