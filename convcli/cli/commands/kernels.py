"""``convcli kernels``: the presets as a table, one kernel as a grid, or as kernel JSON."""

from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import STREAM


@options.spread
def kernels(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="A preset name:params, a kernel file, or JSON."),
    ] = None,
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="OUT", help="File, folder, template of {kernel} {ext}, or -."),
    ] = STREAM,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """List the presets, or show one kernel.

    With --json, or into a file .json, a kernel is kernel JSON, which apply -k takes.

    convcli kernels gaussian:2 --json
    """
    from convcli.cli import output as render
    from convcli.cli import sources
    from convcli.files.output_names import kernel_path
    from convcli.kernels.presets import PRESETS

    as_json = json or output.lower().endswith(".json")
    kernel = None if name is None else sources.read_kernel(name)
    stem = "presets" if kernel is None else kernel.name
    destination = render.destination_of(output, overwrite=overwrite)
    path = kernel_path(destination, stem, "json" if as_json else "txt")
    if kernel is None:
        render.save_presets(PRESETS.values(), destination, path, talk, as_json=as_json)
    else:
        render.save_kernel(kernel, destination, path, talk, as_json=as_json)
