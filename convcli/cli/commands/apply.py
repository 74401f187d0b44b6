"""``convcli apply``: convolve images with kernels, and save the output maps."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import completion, options
from convcli.cli.importing import without_collection
from convcli.cli.messages import Messages
from convcli.cli.streams import is_terminal, refuse_second_stdin, refuse_terminal
from convcli.errors import OptionError
from convcli.files.source import STREAM

if TYPE_CHECKING:
    from convcli.apply.appearance import Appearance
    from convcli.apply.combining import Filter
    from convcli.apply.filtering import FilteredImage
    from convcli.convolution.request import Request
    from convcli.files.source import Source

# The forms of printed arrays: text on a terminal, JSON in a pipe.
TEXT, JSON = "text", "json"


@options.with_option_groups
def apply(
    context: typer.Context,
    images: options.OptionalImages = None,
    *,
    kernels: options.KernelSources,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    execution: options.ExecutionOptions,
    relu: options.Relu = False,
    dtype: options.Dtype = None,
    cluster: options.Cluster = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    linear: Annotated[
        bool,
        typer.Option(
            "--linear",
            rich_help_panel=options.Panel.PICTURES,
            help="Filter in linear light: undo the sRGB curve first, and apply it again to the output maps; maps saved "
            "as floats stay linear.",
        ),
    ] = False,
    alpha: Annotated[
        str,
        typer.Option(
            "--alpha",
            autocompletion=completion.members("apply.appearance", "ALPHA"),
            rich_help_panel=options.Panel.PICTURES,
            metavar="RULE",
            help="What happens to transparency. keep: filter the colours, and restore alpha; premultiply: multiply the "
            "colours by alpha, and filter both; filter: filter alpha as one more channel; drop: ignore alpha; auto: "
            "premultiply if no weight is negative, else keep, with visible colours in place of hidden ones.",
        ),
    ] = "auto",
    range: Annotated[
        str,
        typer.Option(
            "--range",
            autocompletion=completion.members("apply.pixels", "MODES", "auto", "raw"),
            rich_help_panel=options.Panel.PICTURES,
            metavar="MODE",
            help="How numbers become pixels. clip: cut off at black and white; abs: magnitudes; offset: add half the "
            "range; minmax: the smallest is black, the largest white; raw: stay floats; auto: abs at the gain of Sobel "
            "for kernels that sum to 0, raw for .npy and float TIFF, else clip.",
        ),
    ] = "auto",
    white: Annotated[
        float | None,
        typer.Option(
            "--white",
            rich_help_panel=options.Panel.PICTURES,
            metavar="W",
            parser=options.real_number,
            show_default="255, or 65535 for 16 bits; for floats up to 1.5 it is 1, and from 16 on 255",
            help="The number that becomes white.",
        ),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option(
            "--combine",
            autocompletion=completion.members("apply.combining", "COMBINE_RULES"),
            rich_help_panel=options.Panel.KERNEL,
            metavar="RULE",
            show_default="one output per kernel",
            help="Combine the output maps of several kernels into one: their magnitude, sum-abs, max, sum or mean.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            rich_help_panel=options.Panel.OUTPUT,
            metavar="OUT",
            show_default="{stem}.{kernel}.{ext}; a single array of at most 4096 numbers is printed",
            help="A file; a folder, in which images keep their names; a template of "
            "{stem} {kernel} {map} {frame} {ext} {dir}; or - for stdout.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            autocompletion=completion.picture_formats,
            rich_help_panel=options.Panel.OUTPUT,
            metavar="NAME",
            show_default="the extension of OUT, the image's own, or png",
            help="The output format: png, jpeg, tiff, npy ...; or text, to print an array as a terminal shows it.",
        ),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(
            "--compression",
            rich_help_panel=options.Panel.OUTPUT,
            metavar="NAME",
            show_default="PNG: run-length coding, fast and small for photographs; TIFF: that of the TIFF it comes from",
            help="PNG: the zlib level, 0 to 9. TIFF: none, deflate, lzw, packbits or zstd.",
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            "--quality",
            rich_help_panel=options.Panel.OUTPUT,
            metavar="1..100",
            parser=options.whole_number,
            show_default="that of the JPEG it comes from",
            help="The quality of JPEG, WebP, AVIF and HEIC.",
        ),
    ] = None,
    batch: options.BatchOptions,
    preview: options.Preview = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Convolve images with kernels and save the output maps.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    A 2-D kernel filters each channel separately; a bank of kernels mixes channels. Pixel values are 0..255, or 0..65535
    for 16 bits.

    convcli apply sample:astronaut -k blur:4 -o soft.png
    convcli apply sample:portrait -k sharpen -o sharp.png
    convcli apply sample:rocket -k edges -o edges.png
    convcli apply sample:coffee sample:rocket -k emboss -o out/
    convcli apply sample:camera -k sobel-x -k sobel-y --combine max -o both.png
    convcli apply sample:rocket -k '1 2 1; 2 4 2; 1 2 1' --normalize -o soft.jpg
    """
    with without_collection():
        from convcli.apply.appearance import Appearance
        from convcli.apply.batch import Batch
        from convcli.apply.outputs import encodings_of
        from convcli.cli.commands import batches
        from convcli.cli.hints import advise_on_names, advise_on_stdout
        from convcli.cli.inputs import begin_reading, existing_files, open_cluster
        from convcli.cli.output import destination_of
        from convcli.cli.progress import LongWork
        from convcli.pictures.formats import Coding

    names, files_from = images or [], batch.files_from
    refuse_second_stdin([*names, *kernels, files_from or ""])
    inputs = begin_reading(max_pixels, layouts, messages)
    if output == STREAM:
        _refuse_stdout(json)
    found = inputs.image_sources(names, files_from, null=batch.null)
    read = partial(
        inputs.read_request,
        options=convolution,
        execution=execution,
        dtype=dtype,
        watch=LongWork(messages),
        transpose=transpose,
    )
    gray = gray or _are_edges(kernels)
    requests = _filters(read, kernels, combine, gray=gray)
    appearance = Appearance(
        gray=gray,
        unit=unit,
        alpha=alpha,
        range=range,
        linear=linear,
        white=white,
        relu=relu,
        layout=inputs.layouts.maps,
    )
    printed = _printed_form(output, format, requests, found, appearance, json=json)
    if printed is not None:
        output, format = STREAM, JSON
    destination = destination_of(output, messages, overwrite=overwrite, skip_existing=batch.skip_existing)
    show = _preview(messages) if preview else None
    coding = Coding(compression, quality)
    work = Batch(requests, appearance, destination, encodings_of(destination, format, coding), show, batch.all_frames)
    work.refuse_clashes(found, existing_files([*kernels, convolution.bias, files_from]))
    if batch.dry_run:
        batches.run_dry(work, found, messages, as_json=json)
        return
    if printed == TEXT:
        from convcli.cli.commands.maps import print_grids

        print_grids(work, found[0], messages)
        return
    advises = destination.is_default and not json
    if advises:
        advise_on_names(names, messages)
    # Printed maps are JSON themselves. Previews are of one file at a time, so that they do not mix.
    jobs, as_json = 1 if preview else batch.jobs, json and printed is None
    batches.run(work, found, jobs, open_cluster(context, cluster), messages, as_json=as_json, fail_fast=batch.fail_fast)
    if advises:
        advise_on_stdout(names, messages)


def _printed_form(
    output: str | None,
    format: str | None,
    requests: "Sequence[Filter]",
    sources: "Sequence[Source]",
    appearance: "Appearance",
    *,
    json: bool,
) -> str | None:
    """Return TEXT or JSON if the output maps are printed; None if they are written to files."""
    from convcli.cli.commands.maps import are_printed

    prints = output is None and format in (None, TEXT) and are_printed(requests, sources, appearance)
    if json and format == TEXT:
        raise OptionError(f"`json` and `format` {TEXT} contradict each other: give one")
    if not prints:
        return None
    return TEXT if not json and (format == TEXT or is_terminal()) else JSON


def _preview(messages: Messages) -> "Callable[[FilteredImage], None]":
    from convcli.cli.text.preview import show_filtered

    return partial(show_filtered, messages)


def _filters(
    read: "Callable[[str], Request]", kernels: list[str], combine: str | None, *, gray: bool
) -> "Sequence[Filter]":
    """Return the kernels, or their combination; a preset of two kernels is the magnitude of both."""
    from convcli.apply.combining import Combination
    from convcli.kernels.magnitudes import magnitude_of

    pairs = {source: pair for source in kernels if (pair := magnitude_of(source))}
    if combine is not None and pairs:
        raise OptionError(f"{next(iter(pairs))} is a combination already, of two kernels: expected no `combine`")
    if not gray and any(pair.gray for pair in pairs.values()):
        raise OptionError("edges is of the gray picture, and other kernels are not: add `gray`, or apply it alone")
    if combine is not None:
        return [Combination([read(source) for source in kernels], combine)]
    return [
        Combination([read(kernel) for kernel in pairs[source].kernels], "magnitude", source)
        if source in pairs
        else read(source)
        for source in kernels
    ]


def _are_edges(kernels: list[str]) -> bool:
    """Return whether every kernel is a preset of the gray picture."""
    from convcli.kernels.magnitudes import magnitude_of

    return all((pair := magnitude_of(source)) is not None and pair.gray for source in kernels)


def _refuse_stdout(json: bool) -> None:
    refuse_terminal()
    if json:
        raise OptionError("`json` and `output` - both write to stdout: save the output to a file")
