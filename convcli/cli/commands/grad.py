"""``convcli grad``: the gradients of a convolution, printed or saved."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM, is_terminal, refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from convcli.grad.report import GradientReport
    from convcli.kernels.kernel import Kernel

    Save = Callable[[GradientReport, options.Talk], None]


@options.spread
def grad(
    context: typer.Context,
    images: options.Images,
    kernel: options.KernelSource,
    *,
    words: options.Words,
    engine: options.Engine,
    cluster: options.Cluster = None,
    upstream: options.Upstream = "ones",
    wrt: Annotated[str, typer.Option("--wrt", metavar="NAMES", help="Which gradients.")] = "kernel,input,bias",
    step: Annotated[
        float | None,
        typer.Option(
            "--step",
            metavar="RATE",
            parser=options.real_number,
            show_default=False,
            help="Print the kernel after a step, K - RATE*dK (and b - RATE*db), as kernel JSON for -k.",
        ),
    ] = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
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
    from convcli.apply.appearance import Appearance
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.grad.report import gradient_report, stacked

    refuse_second_stdin([*images, kernel, options.source_of(upstream)])
    inputs = sources.begin_reading(max_pixels)
    found, names = inputs.image_sources(images, None, null=False), _names(wrt, step)
    request, asked = inputs.read_request(kernel, words, engine), options.asked_format(format, json=json)
    if step is None:
        save = _saving_gradients(request.kernel, names, output, asked, found[0].path, overwrite, full)
    else:
        save = _saving_step(request.kernel, step, output, asked, overwrite)
    if full and step is not None:
        raise OptionError("`full` is for gradients as text, and `step` gives a kernel: leave one out")
    appearance = Appearance(gray=gray, unit=unit, alpha="drop")
    V = stacked([sources.read_input(each, appearance, talk) for each in found], [each.name for each in found])
    prepared = request.convolution.at(V.shape, "float64")
    talk.note(render.geometry_in_words(prepared.geometry))
    G = inputs.read_upstream(upstream, prepared, V, appearance, request.execution)
    execution = request.executed(cluster=sources.cluster_of(context, cluster)).execution
    report = gradient_report(prepared, V, G, names, execution)
    if preview:
        render.preview_gradients(report, talk)
    save(report, talk)


def _names(wrt: str, step: float | None) -> tuple[str, ...]:
    """The gradients to compute: those asked for, or for a step those of the kernel and its bias."""
    from convcli.convolution.prepared import parse_wrt

    names = parse_wrt(wrt)
    if step is None:
        return names
    moved = tuple(name for name in names if name != "input")
    if not moved:
        raise OptionError("`step` moves the kernel and its bias: expected one of them in `wrt`, given only input")
    return moved


def _saving_gradients(
    kernel: "Kernel", names: tuple[str, ...], output: str, format: str, image: "Path", overwrite: bool, full: bool
) -> "Save":
    """What saves the gradients, once it is known that the files can be written."""
    from convcli.cli.output import destination_of, save_gradients
    from convcli.files.output_names import data_format
    from convcli.grad.writers import FORMATS, gradient_paths

    destination = destination_of(output, overwrite=overwrite)
    chosen = data_format(format, destination, FORMATS, terminal=is_terminal())
    paths = gradient_paths(destination, chosen, names, image, kernel.name)
    return lambda report, talk: save_gradients(report, destination, paths, chosen, talk, full=full)


def _saving_step(kernel: "Kernel", rate: float, output: str, format: str, overwrite: bool) -> "Save":
    """What saves the kernel after a step, once it is known that the file can be written."""
    from convcli.cli.output import destination_of, save_kernel, tell_loss
    from convcli.convolution.prepared import Gradients
    from convcli.files.output_names import kernel_path
    from convcli.grad.descent import stepped

    if format not in ("auto", "json"):
        raise OptionError(f"`step` gives kernel JSON: expected no `format`, or json, given {format}")
    destination = destination_of(output, overwrite=overwrite)
    path = kernel_path(destination, kernel.name, "json")

    def save(report: "GradientReport", talk: options.Talk) -> None:
        tell_loss(report.loss, talk)
        save_kernel(stepped(kernel, Gradients(**report.tensors), rate), destination, path, talk, as_json=True)

    return save
