"""``convcli kernels``: list the presets, or show or save one kernel."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from convcli.cli import completion, options
from convcli.cli.messages import Messages
from convcli.files.source import STREAM

if TYPE_CHECKING:
    from convcli.files.output_names import Destination
    from convcli.kernels.kernel import Kernel
    from convcli.layouts import Layout, Layouts

# A function for each format, which writes to a stream.
Writers = Mapping[str, Callable[[BinaryIO], None]]


@options.with_option_groups
def kernels(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            autocompletion=completion.kernels,
            show_default=False,
            help="A preset, such as gaussian:2; a kernel file; JSON or rows of numbers; or - for stdin.",
        ),
    ] = None,
    *,
    kernel_layout: options.KernelLayout = None,
    output: options.KernelOutput = STREAM,
    format: Annotated[
        str,
        options.format_option(
            completion.members("kernels.writers", "WRITERS", "auto", "text", "png"),
            "text, json, npy, csv or png (a heatmap); auto: by the extension of OUT, or else text.",
        ),
    ] = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """List the presets, or show or save one kernel.

    The option -k of the other commands takes a preset, or a file that this command writes as json, npy,
    csv or text.

    convcli kernels
    convcli kernels gaussian:2
    convcli kernels motion:9,45 -o motion.png
    convcli kernels gaussian:sigma_y=1,sigma_x=4 -o wide.json
    """
    from convcli.cli.inputs import read_kernel
    from convcli.cli.output import destination_of, tell_order, tell_saved
    from convcli.files.output_names import format_extension, kernel_path
    from convcli.kernels.catalogue import PRESETS
    from convcli.layouts import parse_layouts

    layouts = parse_layouts(None, kernel_layout)
    kernel = None if name is None else read_kernel(name, layouts.kernel)
    destination = destination_of(output, messages, overwrite=overwrite)
    plain = not destination.is_stream
    writers = _preset_writers(plain=plain) if kernel is None else _kernel_writers(kernel, layouts, plain=plain)
    chosen = _format(options.requested_format(format, json=json), destination, writers)
    path = kernel_path(destination, "presets" if kernel is None else kernel.name, format_extension(chosen))
    if chosen == "png":
        tell_order("picture", layouts, messages)
    with destination.open(path) as stream:
        writers[chosen](stream)
    tell_saved(
        f"{len(PRESETS)} presets" if kernel is None else _named(kernel, layouts.kernel), destination, path, messages
    )
    if kernel is not None and kernel.options is not None:
        messages.tell("note", f"the model uses it with {kernel.options.text}, which a kernel's file does not hold")


def _named(kernel: "Kernel", layout: "Layout") -> str:
    return f"{kernel.name} {'x'.join(map(str, layout.order(kernel.weights.shape)))}"


def _format(requested: str, destination: "Destination", formats: Writers) -> str:
    """Return the requested format. For ``auto`` it follows the output's name, and is text for a stream or a folder."""
    from convcli.cli.output import data_format

    if requested == "auto" and destination.extension is None:
        return "text"
    return data_format(requested, destination, tuple(formats))


def _preset_writers(*, plain: bool) -> Writers:
    from convcli.cli.text.kernels import presets_text
    from convcli.files.file_bytes import write_text
    from convcli.files.json_writing import write_json
    from convcli.kernels.catalogue import PRESETS
    from convcli.kernels.presets import presets_to_json

    return {
        "text": lambda stream: write_text(stream, (f"{line}\n" for line in presets_text(plain=plain))),
        "json": lambda stream: write_json(stream, presets_to_json(PRESETS.values())),
    }


def _kernel_writers(kernel: "Kernel", layouts: "Layouts", *, plain: bool) -> Writers:
    from convcli.kernels.writers import WRITERS, write_kernel_json, write_npy

    return {
        "text": partial(_write_text, kernel, layouts.kernel, plain),
        **{format: partial(write, kernel) for format, write in WRITERS.items()},
        "json": partial(write_kernel_json, kernel, layouts=layouts),
        "npy": partial(write_npy, kernel, layouts=layouts),
        "png": partial(_write_heatmap, kernel),
    }


def _write_text(kernel: "Kernel", layout: "Layout", plain: bool, stream: BinaryIO) -> None:
    """Write a kernel for people to a terminal, and to a file or a pipe as rows that -k reads; banks only for people."""
    from convcli.cli.streams import is_terminal
    from convcli.cli.text.kernels import heading_text, kernel_text
    from convcli.files.file_bytes import write_text
    from convcli.kernels.writers import write_rows

    is_bank = kernel.weights.ndim > 2
    if plain or not (is_bank or is_terminal()):
        write_rows(kernel, heading_text(kernel), stream)
    else:
        write_text(stream, [kernel_text(kernel, layout, plain=plain)])


def _write_heatmap(kernel: "Kernel", stream: BinaryIO) -> None:
    from convcli.convolution.formulas import index_letters
    from convcli.drawing.heatmaps import draw_heatmap
    from convcli.pictures.writing import encode_png
    from convcli.text import in_one_line

    letters = index_letters("kernel", kernel.weights.ndim)
    stream.write(encode_png(draw_heatmap(in_one_line(kernel.name), kernel.weights, letters)))
