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

    With --json a kernel is printed as kernel JSON, which -k - reads:

    convcli kernels gaussian:2 --json | convcli apply sample_images/coffee.png -k - -o blurred.png
    """
    from convcli.cli import render, sources
    from convcli.kernel_json import kernel_to_json
    from convcli.presets import PRESETS

    if name is None:
        render.show_presets(PRESETS.values(), as_json=json)
        return
    kernel = sources.read_kernel(name)
    if json:
        typer.echo(kernel_to_json(kernel), nl=False)
    else:
        render.show_kernel(kernel)
