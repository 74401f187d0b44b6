"""``convcli apply``: images through kernels, output maps to files."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, binary_stdout, refuse_second_stdin, refuse_terminal, say
from convcli.errors import ConvcliError, FileError, OptionError

if TYPE_CHECKING:
    from convcli.batch import Batch


@options.spread
def apply(
    context: typer.Context,
    images: options.Images,
    kernels: options.KernelSources,
    *,
    words: options.Words,
    engine: options.Engine,
    cluster: options.Cluster = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    alpha: Annotated[
        str,
        typer.Option("--alpha", metavar="keep|drop", help="keep: colour is filtered alone and alpha put back."),
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
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            show_default="{stem}.{kernel}.png",
            help="File, folder, template of {stem} {kernel} {map} {ext} {dir}, or - for stdout.",
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
            show_default="run lengths, quick and small for photographs",
            help="PNG: zlib's level, where 9 is smallest.",
        ),
    ] = None,
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
    from convcli.batch import Batch, target_of
    from convcli.cli import render, sources
    from convcli.filtering import Appearance

    refuse_second_stdin([*images, *kernels])
    if output == STREAM:
        _refuse_stdout(json)
    computers = sources.cluster_of(context, cluster)
    batch = Batch(
        [sources.read_request(source, words, engine, computers) for source in kernels],
        Appearance(gray=gray, unit=unit, alpha=alpha, mode=range),
        target_of(output, format, overwrite=overwrite, compression=compression),
        binary_stdout,
        *([partial(render.preview_filtered, talk)] if preview else []),
    )
    batch.refuse_clashes([sources.image_path(source) for source in images])
    failures = [source for source in images if not _done(source, batch, talk, json, alone=len(images) == 1)]
    if failures:
        raise typer.Exit(1)


def _refuse_stdout(json: bool) -> None:
    refuse_terminal()
    if json:
        raise OptionError("--json and -o - both want stdout: save the output to a file")


def _done(source: str, batch: "Batch", talk: options.Talk, json: bool, *, alone: bool) -> bool:
    """Whether one image went through every kernel; among several, one that fails is named and the rest go on."""
    from convcli.cli import render, sources

    try:
        for written in batch.run(sources.image_path(source), sources.read_image(source, talk)):
            render.show_written(written, talk, as_json=json)
    except ConvcliError as error:
        if alone:
            raise
        say("error", str(error) if isinstance(error, FileError) else f"{source}: {error}")
        return False
    return True
