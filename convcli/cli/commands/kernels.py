"""``convcli kernels``: list the presets, or show one kernel as a grid or as kernel JSON."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.messages import Messages
from convcli.files.source import STREAM

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.presets import Preset


@options.with_option_groups
def kernels(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="A preset name:params, a kernel file, or JSON."),
    ] = None,
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="OUT", help="A file, a folder, a template of {kernel} {ext}, or -."),
    ] = STREAM,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """List the presets, or show one kernel.

    With --json, or if OUT ends in .json, a kernel is written as kernel JSON, which -k reads.

    convcli kernels gaussian:2 --json
    """
    from convcli.cli.inputs import read_kernel
    from convcli.cli.output import destination_of, note_saved, save_lines
    from convcli.files.output_names import kernel_path
    from convcli.kernels.presets import PRESETS

    as_json = json or output.lower().endswith(".json")
    kernel = None if name is None else read_kernel(name)
    destination = destination_of(output, messages, overwrite=overwrite)
    path = kernel_path(destination, kernel.name if kernel else "presets", "json" if as_json else "txt")
    plain = not destination.is_stream
    if kernel:
        lines, what = _kernel_lines(kernel, as_json=as_json, plain=plain), kernel.name
    else:
        lines, what = _preset_lines(PRESETS.values(), as_json=as_json, plain=plain), f"{len(PRESETS)} presets"
    save_lines(lines, destination, path)
    note_saved(what, destination, path, messages)


def _kernel_lines(kernel: "Kernel", *, as_json: bool, plain: bool) -> Iterable[str]:
    if as_json:
        from convcli.files.json_writing import json_document
        from convcli.kernels.json_format import kernel_to_json

        return json_document(kernel_to_json(kernel))
    from convcli.cli.text.kernels import kernel_text

    return [kernel_text(kernel, plain=plain)]


def _preset_lines(presets: "Collection[Preset]", *, as_json: bool, plain: bool) -> Iterable[str]:
    if as_json:
        from convcli.files.json_writing import json_document
        from convcli.kernels.presets import presets_to_json

        return json_document(presets_to_json(presets))
    from convcli.cli.text.kernels import presets_text

    return [presets_text(presets, plain=plain)]
