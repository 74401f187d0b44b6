"""``convcli check``: gradients held against central differences and the adjoint identities, or tensors against ours."""

from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import options
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import OptionError

if TYPE_CHECKING:
    from convcli.arrays import Array
    from convcli.convolution.prepared import Prepared
    from convcli.engine import Execution

THEIRS = "A tensor of yours to be held against ours: .npy, JSON (file or inline), or -."


def _theirs(flag: str) -> object:
    return typer.Option(flag, metavar="TENSOR", show_default=False, help=THEIRS)


@options.spread
def check(
    image: options.Image,
    kernel: options.KernelSource,
    *,
    upstream: Annotated[
        str | None,
        typer.Option(
            "--upstream",
            "-G",
            metavar="G",
            show_default="normal:0; ones beside tensors of yours",
            help="dJ/dZ, as in grad.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every entry, not a sample; each takes two convolutions.")
    ] = False,
    output_map: Annotated[str | None, _theirs("--output-map")] = None,
    kernel_grad: Annotated[str | None, _theirs("--kernel-grad")] = None,
    input_grad: Annotated[str | None, _theirs("--input-grad")] = None,
    bias_grad: Annotated[str | None, _theirs("--bias-grad")] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            metavar="T",
            parser=options.real_number,
            help="Largest difference of equals, as a part of our largest magnitude.",
        ),
    ] = 1e-5,
    words: options.Words,
    engine: options.Engine,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    talk: options.Talk,
) -> None:
    """Hold the gradients against central differences and the adjoint identities, in float64.

    dJ/dx = (J(x+1) - J(x-1)) / 2,   <G, conv(V, K)> = <dV, V> = <dK, K>

    With a tensor of yours, hold that against ours instead, and name the usual confusion that fits. Exit code 1 if
    anything does not hold.

    convcli check sample_images/camera.png -k sobel-x -s 2 -e reflect

    convcli check photo.png -k bank.json -G upstream.npy --kernel-grad mine.npy
    """
    from convcli.apply.appearance import Appearance
    from convcli.cli import sources

    theirs = {"output": output_map, "kernel": kernel_grad, "input": input_grad, "bias": bias_grad}
    given = {name: source for name, source in theirs.items() if source is not None}
    asked = upstream or ("ones" if given else "normal:0")
    refuse_second_stdin([image, kernel, options.source_of(asked), *given.values()])
    inputs = sources.begin_reading(max_pixels)
    if not 0 <= tolerance < inf:
        raise OptionError(f"expected a finite number of at least 0, given {tolerance:g}", option="tolerance")
    request, appearance = inputs.read_request(kernel, words, engine), Appearance(gray=gray, unit=unit, alpha="drop")
    V = sources.read_input(inputs.image_source(image), appearance, talk)
    prepared, execution = request.convolution.at(V.shape, "float64"), request.execution
    G = inputs.read_upstream(asked, prepared, V, appearance, execution).G
    if given:
        tensors = {name: inputs.read_tensor(source) for name, source in given.items()}
        held = _compared(prepared, V, G, tensors, tolerance, execution, json)
    else:
        held = _checked(prepared, V, G, every, execution, json)
    if not held:
        raise typer.Exit(1)


def _checked(prepared: "Prepared", V: "Array", G: "Array", every: bool, execution: "Execution", json: bool) -> bool:
    from convcli.check.gradcheck import check_gradients
    from convcli.cli.output import show_checks

    checks = check_gradients(prepared, V, G, every=every, execution=execution)
    show_checks(checks, as_json=json)
    return all(check.holds for check in checks)


def _compared(
    prepared: "Prepared",
    V: "Array",
    G: "Array",
    tensors: dict[str, "Array"],
    tolerance: float,
    execution: "Execution",
    json: bool,
) -> bool:
    from convcli.check.comparison import compare
    from convcli.cli.output import show_comparisons

    found = [compare(prepared, V, G, name, tensor, tolerance, execution) for name, tensor in tensors.items()]
    show_comparisons(found, tolerance, as_json=json)
    return all(comparison.holds for comparison in found)
