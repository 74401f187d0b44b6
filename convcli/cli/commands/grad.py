"""``convcli grad``: print or save the gradients of a convolution."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import completion, options
from convcli.cli.messages import Messages
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError
from convcli.files.source import STREAM

if TYPE_CHECKING:
    from convcli.files.output_names import Destination
    from convcli.grad.report import GradientReport
    from convcli.kernels.kernel import Kernel

    Save = Callable[[GradientReport, Messages], None]


@options.with_option_groups
def grad(
    context: typer.Context,
    images: options.Images,
    kernel: options.KernelSource,
    *,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    execution: options.ExecutionOptions,
    dtype: options.GradientDtype = "float64",
    cluster: options.Cluster = None,
    upstream: options.Upstream = "ones",
    relu: options.ReluAfterwards = False,
    wrt: Annotated[
        str,
        typer.Option(
            "--wrt",
            autocompletion=completion.gradients,
            rich_help_panel=options.Panel.TASK,
            metavar="NAMES",
            help="The gradients to compute: dK,dV,db, or K,V,b, or kernel,input,bias.",
        ),
    ] = "dK,dV,db",
    step: Annotated[
        float | None,
        typer.Option(
            "--step",
            rich_help_panel=options.Panel.TASK,
            metavar="RATE",
            parser=options.real_number,
            show_default=False,
            help="Instead of gradients, print the kernel after one step of gradient descent, K - RATE*dK (and b - "
            "RATE*db), as JSON that -k reads.",
        ),
    ] = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    output: Annotated[
        str,
        options.output_option("{wrt} {stem} {kernel} {ext} {dir}"),
    ] = STREAM,
    format: Annotated[
        str,
        options.format_option(
            completion.members("grad.writers", "FORMATS", "auto"),
            "text, json, npz, npy, csv, png (heatmaps) or latex; auto: by the extension of OUT, npz in a folder, "
            "text on a terminal, JSON in a pipe.",
        ),
    ] = "auto",
    full: Annotated[
        bool,
        typer.Option(
            "--full", rich_help_panel=options.Panel.OUTPUT, help="Print every number as text, however many there are."
        ),
    ] = False,
    panels: Annotated[
        bool,
        typer.Option(
            "--panels", rich_help_panel=options.Panel.OUTPUT, help="Draw V, K, b, Z and G above the gradients in a png."
        ),
    ] = False,
    preview: options.Preview = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Print or save the gradients dK, dV and db of a convolution.

    dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]

    G = dJ/dZ is the upstream gradient, dK = dJ/dK, dV = dJ/dV and db = dJ/db, where J is the loss. Several images of
    one shape are a batch: dK and db are summed over the images.

    convcli grad '[[1,2,3],[4,5,6],[7,8,9]]' -k '[[1,0],[0,-1]]' -p valid
    convcli grad sample:camera -k sobel-x -G normal:1 --wrt dK,db
    convcli grad sample:camera -k blur:2 -G mse:sample:camera --wrt dV -o dV.png
    convcli grad sample:camera -k blur -G mse:sample:camera --step 1e-9 -o k.json
    """
    from convcli.apply.appearance import Appearance
    from convcli.cli.inputs import begin_reading, open_cluster, read_input, suited_to_all
    from convcli.cli.output import destination_of
    from convcli.cli.progress import LongWork
    from convcli.cli.text.geometry import geometry_text
    from convcli.grad.report import gradient_report, stack

    refuse_second_stdin([*images, kernel, options.upstream_source(upstream)])
    inputs = begin_reading(max_pixels, layouts, messages)
    found, names = inputs.image_sources(images, None, null=False), _names(wrt, step)
    request = inputs.read_request(kernel, convolution, transpose, execution, dtype, LongWork(messages))
    wanted = options.requested_format(format, json=json)
    destination = destination_of(output, messages, overwrite=overwrite)
    if step is None:
        save = _saving_gradients(request.name, names, destination, wanted, found[0].path, full=full, panels=panels)
    else:
        save = _saving_step(request.kernel, step, destination, wanted)
    for option, form, given in (("full", "gradients as text", full), ("panels", "gradients in a picture", panels)):
        if given and step is not None:
            raise OptionError(f"`{option}` is for {form}, and `step` gives a kernel: give one")
    appearance = Appearance(gray=gray, unit=unit, alpha="drop", relu=relu)
    read = [read_input(each, appearance, messages) for each in found]
    V = stack([each.V for each in read], [each.name for each in found], inputs.layouts.maps)
    prepared = suited_to_all(request, read, messages).convolution.at(V.shape, request.computing_type(V.dtype))
    messages.note(geometry_text(prepared, inputs.layouts))
    G = inputs.read_upstream(upstream, prepared, V, appearance, request.execution)
    clustered = request.executed(cluster=open_cluster(context, cluster))
    report = gradient_report(prepared, V, G, names, clustered.execution)._replace(layouts=inputs.layouts)
    if preview:
        from convcli.cli.text.preview import show_gradients

        show_gradients(messages, report)
    save(report, messages)


def _names(wrt: str, step: float | None) -> tuple[str, ...]:
    """Return the gradients to compute: those in ``wrt``, but for a step only those of the kernel and its bias."""
    from convcli.names import parse_wrt

    names = parse_wrt(wrt)
    if step is None:
        return names
    moved = tuple(name for name in names if name != "input")
    if not moved:
        raise OptionError("`step` moves the kernel and its bias: expected one of them in `wrt`, given only input")
    return moved


def _saving_gradients(
    kernel: str,
    names: tuple[str, ...],
    destination: "Destination",
    format: str,
    image: Path,
    *,
    full: bool,
    panels: bool,
) -> "Save":
    """Return the function that saves the gradients. Raise ConvcliError now if it could not write the files."""
    from convcli.cli.output import data_format, tell_order, tell_saved, text_writer
    from convcli.grad.writers import FORMATS, HOLDING_LOSS, WRITERS, gradient_paths, write_panels
    from convcli.names import SYMBOLS

    chosen = data_format(format, destination, FORMATS)
    lines = partial(_lines, plain=not destination.is_stream, full=full)
    write = {**WRITERS, "text": text_writer(lines), **({"png": write_panels} if panels else {})}[chosen]
    if panels and chosen != "png":
        raise OptionError(f"expected `format` png, given {chosen}", option="panels")
    paths = gradient_paths(destination, chosen, names, image, kernel)

    def save(report: "GradientReport", messages: Messages) -> None:
        if chosen not in HOLDING_LOSS:
            _tell_loss(report, messages)
        if chosen == "png":
            tell_order("picture", report.layouts, messages)
        for path, held in paths.items():
            with destination.open(path) as stream:
                write(report.only(held), stream)
            tell_saved(", ".join(SYMBOLS[name] for name in held), destination, path, messages)

    return save


def _lines(report: "GradientReport", *, plain: bool, full: bool) -> Iterator[str]:
    from convcli.cli.text.grad import gradients_text

    return gradients_text(report, plain=plain, full=full)


def _saving_step(kernel: "Kernel", rate: float, destination: "Destination", format: str) -> "Save":
    """Return the function that saves the kernel after a step. Raise ConvcliError now if it could not write the file."""
    from convcli.cli.output import data_format, tell_saved
    from convcli.convolution.prepared import Gradients
    from convcli.files.output_names import kernel_path
    from convcli.grad.descent import descend
    from convcli.grad.writers import FORMATS
    from convcli.kernels.writers import write_kernel_json

    if format not in ("auto", "json"):
        raise OptionError(f"`step` gives kernel JSON: expected no `format`, or json, given {format}")
    path = kernel_path(destination, kernel.name, data_format("json", destination, FORMATS))

    def save(report: "GradientReport", messages: Messages) -> None:
        _tell_loss(report, messages)
        moved = descend(kernel, Gradients(**report.tensors), rate)
        with destination.open(path) as stream:
            write_kernel_json(moved, stream, report.layouts)
        tell_saved(kernel.name, destination, path, messages)

    return save


def _tell_loss(report: "GradientReport", messages: Messages) -> None:
    if report.loss is not None:
        messages.tell("loss", f"J = {report.loss!r}")
