"""``convcli grad``: the gradients of a convolution, printed or saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from convcli.arrays import Array
    from convcli.filtering import Appearance


@options.spread
def grad(
    images: options.Images,
    kernel: options.KernelSource,
    *,
    words: options.Words,
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
        typer.Option("--output", "-o", metavar="OUT", help="File, template of {wrt} {stem} {kernel}, or - for stdout."),
    ] = STREAM,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="text, json, npy, npz, csv; auto goes by OUT, or is text on a terminal and JSON in a pipe.",
        ),
    ] = "auto",
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
    from convcli.gradient_files import GradientReport, gradient_files, gradient_format
    from convcli.gradients import parse_wrt
    from convcli.outputs import refuse_existing, safe_name
    from convcli.upstream import upstream_gradient

    refuse_second_stdin([*images, kernel, upstream])
    if json and format not in ("auto", "json"):
        raise OptionError(f"--json and -f {format} contradict each other: give one")
    request = sources.read_request(kernel, words)
    wanted = gradient_format("json" if json else format, output, terminal=is_terminal())
    placeholders = {"stem": sources.image_path(images[0]).stem, "kernel": safe_name(request.kernel.name)}
    files = gradient_files(output, wanted, parse_wrt(wrt), placeholders)
    refuse_existing((Path(file.name) for file in files if file.name != STREAM), overwrite)
    V = _batch(images, Appearance(gray=gray, unit=unit, alpha="drop"), talk)
    geometry = request.geometry(V.shape)
    talk.note(render.geometry_in_words(geometry))
    G = upstream_gradient(upstream, geometry.output_shape, sources.read_tensor)
    gradients = request.gradients(V, G, parse_wrt(wrt))
    for file in files:
        tensors = {name: getattr(gradients, name) for name in file.wrt}
        report = GradientReport(tensors, V.shape, request.kernel.weights.shape, geometry)
        render.save_gradients(report, file.name, wanted)


def _batch(images: list[str], appearance: "Appearance", talk: options.Talk) -> "Array":
    """V: one image ``(C_in, H, W)``, or several of one shape as ``(batch, C_in, H, W)``."""
    import numpy as np

    from convcli.cli.sources import read_image
    from convcli.filtering import network_input, prepared

    arrays = [network_input(prepared(read_image(source, talk), appearance), appearance) for source in images]
    for source, array in zip(images, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise OptionError(
                f"a batch needs images of one shape: {images[0]} is {arrays[0].shape}, {source} is {array.shape}"
            )
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)
