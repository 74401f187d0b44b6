"""``convcli grad``: the gradients of a convolution, printed or saved."""

from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from convcli.images import Image


@options.spread
def grad(
    images: options.Images,
    kernel: options.KernelSource,
    *,
    words: options.Words,
    engine: options.Engine,
    upstream: Annotated[
        str,
        typer.Option(
            "--upstream",
            "-G",
            metavar="G",
            help="dJ/dZ: ones, normal:SEED, a file (.npy, JSON, picture), inline JSON, or - for stdin.",
        ),
    ] = "ones",
    wrt: Annotated[str, typer.Option("--wrt", metavar="NAMES", help="Which gradients.")] = "kernel,input,bias",
    gray: options.Gray = False,
    unit: options.Unit = False,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, folder, template of {wrt} {stem} {kernel} {ext} {dir}, or - for stdout.",
        ),
    ] = STREAM,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="text, json, npz, npy, csv, png (heatmaps); auto goes by OUT: npz in a folder, on a terminal text, "
            "in a pipe JSON.",
        ),
    ] = "auto",
    full: Annotated[bool, typer.Option("--full", help="Text with every number, cut to no screen.")] = False,
    preview: options.Preview = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Print or save dJ/dK, dJ/dV and dJ/db for an upstream gradient G = dJ/dZ.

    dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]

    Several images are one batch: dK and db are summed over it.

    convcli grad sample_images/camera.png -k sobel-x -G normal:1 --wrt kernel,bias
    """
    from convcli.cli import render, sources
    from convcli.filtering import Appearance
    from convcli.gradient_batch import gradient_report, stacked
    from convcli.gradient_files import gradient_files, gradient_format
    from convcli.gradients import parse_wrt

    refuse_second_stdin([*images, kernel, upstream])
    request, names = sources.read_request(kernel, words, engine), parse_wrt(wrt)
    chosen = gradient_format(_asked_format(format, json), output, terminal=is_terminal())
    image = sources.image_path(images[0])
    files = gradient_files(output, chosen, names, image, request.kernel.name, overwrite=overwrite)
    appearance = Appearance(gray=gray, unit=unit, alpha="drop")
    V = stacked([(source, _read(source, talk)) for source in images], appearance)
    talk.note(render.geometry_in_words(request.geometry(V.shape)))
    report = gradient_report(request, V, upstream, names, sources.read_tensor)
    if preview:
        render.preview_gradients(report, talk)
    render.save_gradients(report, files, talk, full=full)


def _asked_format(format: str, json: bool) -> str:
    if not json:
        return format
    if format not in ("auto", "json"):
        raise OptionError(f"--json and -f {format} contradict each other: give one")
    return "json"


def _read(source: str, talk: options.Talk) -> "Image":
    from convcli.cli.sources import read_image

    image = read_image(source, talk)
    if image.alpha is not None:
        talk.note(f"{source}: alpha is left out of the gradients")
    return image
