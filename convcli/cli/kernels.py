"""``convcli kernels``: the presets as a table, one kernel as a grid, or as kernel JSON."""

from typing import Annotated

import typer

from convcli.cli import options


def kernels(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="A preset name:params, a kernel file, or JSON."),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the presets, or show one kernel.

    With --json a kernel is printed as kernel JSON, which apply -k - reads.

    convcli kernels gaussian:2 --json
    """
    from convcli.cli import render, sources, tables
    from convcli.kernel_json import kernel_to_json
    from convcli.presets import PRESETS

    if name is not None:
        kernel = sources.read_kernel(name)
        if json:
            typer.echo(kernel_to_json(kernel), nl=False)
        else:
            tables.print_kernel(kernel)
    elif json:
        render.print_json(
            [{"name": p.name, "parameters": p.parameters, "summary": p.summary} for p in PRESETS.values()]
        )
    else:
        tables.print_presets(PRESETS.values())
