"""``convcli apply``: images through kernels, output maps to files."""

from functools import partial
from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, refuse_second_stdin, refuse_terminal
from convcli.errors import OptionError


@options.spread
def apply(
    context: typer.Context,
    images: options.ManyImages = None,
    *,
    kernels: options.KernelSources,
    words: options.Words,
    engine: options.Engine,
    cluster: options.Cluster = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    linear: Annotated[
        bool,
        typer.Option(
            "--linear",
            help="Filter in linear light: undo sRGB's curve first, apply it to the maps; those of floats stay linear.",
        ),
    ] = False,
    alpha: Annotated[
        str,
        typer.Option(
            "--alpha",
            metavar="RULE",
            help="keep: colour is filtered alone and alpha put back; premultiply: alpha weighs colour, and is filtered "
            "too; filter: alpha is filtered as a channel of its own; drop.",
        ),
    ] = "keep",
    range: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="MODE",
            show_default="clip; raw for .npy",
            help="How maps become pixels: clip, abs, offset (adds half the range), minmax, or raw floats.",
        ),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option(
            "--combine",
            metavar="RULE",
            show_default="an output a kernel",
            help="Make one output of several kernels: their maps' magnitude, max, sum or mean.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            show_default="{stem}.{kernel}.png",
            help="File, folder, template of {stem} {kernel} {map} {frame} {ext} {dir}, or - for stdout.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="NAME", show_default="by OUT, or png", help="png, jpeg, tiff, npy ..."),
    ] = None,
    compression: Annotated[
        int | None,
        typer.Option(
            "--compression",
            metavar="0..9",
            parser=options.whole_number,
            show_default="run lengths, quick and small for photographs",
            help="PNG: zlib's level, where 9 is smallest.",
        ),
    ] = None,
    files: options.Files,
    preview: options.Preview = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Convolve images with kernels and save the output maps.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    A 2-D kernel filters every channel alone; a bank mixes channels. Pixel values stay 0..255.

    convcli apply sample_images/astronaut.png -k sobel-x --range abs -o edges.png
    """
    from convcli.apply.appearance import Appearance
    from convcli.apply.batch import Batch
    from convcli.apply.combining import Combination
    from convcli.apply.outputs import encoding_of
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.cli.commands import batches

    pictures = images or []
    refuse_second_stdin([*pictures, *kernels, files.listed or ""])
    inputs = sources.begin_reading(max_pixels)
    if output == STREAM:
        _refuse_stdout(json)
    found = inputs.image_sources(pictures, files.listed, null=files.null)
    requests = [inputs.read_request(source, words, engine) for source in kernels]
    destination = render.destination_of(output, overwrite=overwrite, skip_existing=files.skip_existing)
    batch = Batch(
        [Combination(requests, combine)] if combine is not None else requests,
        Appearance(gray=gray, unit=unit, alpha=alpha, mode=range, linear=linear),
        destination,
        encoding_of(destination, format, compression),
        partial(render.preview_filtered, talk) if preview else None,
        files.all_frames,
    )
    batch.refuse_clashes(found)
    if files.dry_run:
        batches.run_dry(batch, found, talk, as_json=json)
        return
    # A preview shows one image after the other.
    asked = 1 if preview else files.jobs
    process, jobs = batches.worker(batch, sources.cluster_of(context, cluster), asked, len(found))
    if len(found) == 1:
        batches.run_one(process, found[0], talk, as_json=json)
    else:
        batches.run_all(process, found, jobs, talk, as_json=json, fail_fast=files.fail_fast)


def _refuse_stdout(json: bool) -> None:
    refuse_terminal()
    if json:
        raise OptionError("`json` and `output` - both want stdout: save the output to a file")
