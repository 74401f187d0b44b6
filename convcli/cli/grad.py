"""``convcli grad``: the gradients of a convolution, printed or saved."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from convcli.arrays import Array
    from convcli.request import Request
    from convcli.upstream import Upstream

    Save = Callable[[Array, Upstream, options.Talk], None]


@options.spread
def grad(
    images: options.Images,
    kernel: options.KernelSource,
    *,
    words: options.Words,
    engine: options.Engine,
    upstream: options.Upstream = "ones",
    wrt: Annotated[str, typer.Option("--wrt", metavar="NAMES", help="Which gradients.")] = "kernel,input,bias",
    step: Annotated[
        float | None,
        typer.Option(
            "--step",
            metavar="RATE",
            show_default=False,
            help="Print the kernel after a step, K - RATE*dK (and b - RATE*db), as kernel JSON for -k.",
        ),
    ] = None,
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
            help="text, json, npy, npz, csv; auto goes by OUT (npz in a folder; text on a terminal, JSON in a pipe).",
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
    from convcli.gradient_batch import stacked
    from convcli.gradients import parse_wrt

    refuse_second_stdin([*images, kernel, options.source_of(upstream)])
    request, names = sources.read_request(kernel, words, engine), parse_wrt(wrt)
    asked = options.asked_format(format, json=json)
    if step is None:
        save = _saving_gradients(request, names, output, asked, sources.image_path(images[0]), overwrite)
    else:
        save = _saving_step(request, names, step, output, asked, overwrite)
    appearance = Appearance(gray=gray, unit=unit, alpha="drop")
    V = stacked([sources.read_input(source, appearance, talk) for source in images], images)
    talk.note(render.geometry_in_words(request.geometry(V.shape)))
    save(V, sources.read_upstream(upstream, request, V, appearance), talk)


def _saving_gradients(
    request: "Request", names: tuple[str, ...], output: str, format: str, image: "Path", overwrite: bool
) -> "Save":
    """What computes the gradients and saves them, once it is known that the files can be written."""
    from convcli.cli.render import save_gradients
    from convcli.gradient_batch import gradient_report
    from convcli.gradient_files import gradient_files, gradient_format

    chosen = gradient_format(format, output, terminal=is_terminal())
    files = gradient_files(output, chosen, names, image, request.kernel.name, overwrite=overwrite)

    def save(V: "Array", upstream: "Upstream", talk: options.Talk) -> None:
        save_gradients(gradient_report(request, V, upstream, names), files, talk)

    return save


def _saving_step(
    request: "Request", names: tuple[str, ...], rate: float, output: str, format: str, overwrite: bool
) -> "Save":
    """What computes the kernel after a step and saves it."""
    from convcli.cli.render import save_kernel, tell_loss
    from convcli.descent import stepped
    from convcli.outputs import text_output

    wrt = [name for name in names if name != "input"]
    if not wrt:
        raise OptionError("--step moves the kernel and its bias: expected one of them in --wrt, given only input")
    if format not in ("auto", "json"):
        raise OptionError(f"--step gives kernel JSON: expected no -f, or -f json, given {format}")
    target = output if output == STREAM else text_output(output, request.kernel.name, "json", overwrite)

    def save(V: "Array", upstream: "Upstream", talk: options.Talk) -> None:
        tell_loss(upstream.loss, talk)
        kernel = stepped(request.kernel, request.differentiate(V, upstream.G, wrt), rate)
        save_kernel(kernel, target, talk, as_json=True)

    return save
