"""``convcli check``: check gradients by central differences and the adjoint identities, or compare your tensors."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from convcli.cli import completion, options
from convcli.cli.messages import Messages, with_flags
from convcli.cli.streams import refuse_second_stdin
from convcli.errors import GeometryError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from convcli.check.comparison import Comparison
    from convcli.check.gradcheck import Check
    from convcli.geometry.fills import EdgeFill
    from convcli.grad.upstream import Upstream
    from convcli.layouts import Layouts


def _own_tensor(flag: str, symbol: str) -> object:
    return typer.Option(
        flag,
        rich_help_panel=options.Panel.TASK,
        metavar="TENSOR",
        show_default=False,
        help=f"Your {symbol}, to compare: .npy, .npz:NAME, .safetensors:NAME, JSON (file or inline), or - for stdin.",
    )


@options.with_option_groups
def check(
    image: options.Image,
    kernel: options.KernelSource,
    *,
    upstream: Annotated[
        str | None,
        typer.Option(
            "--upstream",
            "-G",
            autocompletion=completion.UPSTREAMS,
            rich_help_panel=options.Panel.TASK,
            metavar="G",
            show_default="normal:0; ones to compare a tensor of yours",
            help=options.UPSTREAM_HELP,
        ),
    ] = None,
    relu: options.ReluAfterwards = False,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            rich_help_panel=options.Panel.TASK,
            help="Check every entry, not a sample; each takes two convolutions.",
        ),
    ] = False,
    output_map: Annotated[str | None, _own_tensor("--output-map", "Z")] = None,
    kernel_grad: Annotated[str | None, _own_tensor("--kernel-grad", "dK")] = None,
    input_grad: Annotated[str | None, _own_tensor("--input-grad", "dV")] = None,
    bias_grad: Annotated[str | None, _own_tensor("--bias-grad", "db")] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            rich_help_panel=options.Panel.TASK,
            metavar="T",
            parser=options.real_number,
            show_default="1e-5",
            help="The largest difference of an entry that counts as equal, as a fraction of the magnitudes of the "
            "terms that convcli adds up for it.",
        ),
    ] = 1e-5,
    convolution: options.ConvolutionOptions,
    layouts: options.LayoutOptions,
    transpose: options.TransposeOptions,
    execution: options.ExecutionOptions,
    dtype: options.AlwaysFloat64 = None,
    gray: options.Gray = False,
    unit: options.Unit = False,
    max_pixels: options.MaxPixels = options.MOST_PIXELS,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Check the gradients, or compare your tensors with convcli's.

    dJ/dx = (J(x+1) - J(x-1)) / 2,   <G, conv(V, K)> = <dV, V> = <dK, K>

    The gradients are compared with central differences, and checked by the adjoint identities, in float64. If you give
    a tensor of yours, it is compared with convcli's instead, and what explains a difference is named: options to add,
    or a fault in the code. The exit code is 1 if a check fails or a tensor differs.

    convcli check sample:portrait -k sobel-x -s 2 -e reflect
    convcli check '[[1,2],[3,4]]' -k '[[2]]' --kernel-grad '[[10]]'
    """
    from convcli.apply.appearance import Appearance
    from convcli.check.comparison import Origin, compare, require_tolerance
    from convcli.check.gradcheck import check_gradients
    from convcli.cli.inputs import begin_reading, read_input, require_float64, suited
    from convcli.cli.progress import LongWork
    from convcli.cli.text.geometry import geometry_text
    from convcli.convolution.layers import shape_of

    tensors = {"output": output_map, "kernel": kernel_grad, "input": input_grad, "bias": bias_grad}
    given = {name: source for name, source in tensors.items() if source is not None}
    G_text = upstream or ("ones" if given else "normal:0")
    refuse_second_stdin([image, kernel, options.upstream_source(G_text), *given.values()])
    require_float64(dtype)
    inputs = begin_reading(max_pixels, layouts, messages)
    require_tolerance(tolerance)
    if relu and output_map is not None:
        raise OptionError("`output_map` is Z, which a ReLU follows: expected no `relu`")
    request = inputs.read_request(kernel, convolution, transpose, execution, watch=LongWork(messages))
    appearance = Appearance(gray=gray, unit=unit, alpha="drop", relu=relu)
    V, is_picture = read_input(inputs.image_source(image), appearance, messages)
    prepared = suited(request, V.shape, messages, picture=is_picture).convolution.at(V.shape, "float64")
    messages.note(geometry_text(prepared, inputs.layouts))
    read = partial(inputs.read_upstream, convolution=prepared, V=V, appearance=appearance, execution=request.execution)
    # Z does not depend on G.
    found = _read_unneeded(read, G_text) if given.keys() == {"output"} else read(G_text)
    edge = prepared.geometry.edge
    if given:
        theirs = {name: inputs.read_tensor(source, name, shape_of(prepared, name)) for name, source in given.items()}
        origin = Origin(found.dA, inputs.layouts, request.fixed | ({"layout"} if is_picture else set()))
        compared = [
            compare(prepared, V, found.G, name, tensor, tolerance, request.execution, origin)
            for name, tensor in theirs.items()
        ]
        _show_comparisons([_with_flags(each) for each in compared], tolerance, edge, inputs.layouts, as_json=json)
        holds = all(each.holds for each in compared)
        if upstream is None:
            _tell_default_upstream(compared, messages)
    else:
        G = found.G if found.dA is None else found.dA
        maps = inputs.layouts.maps
        checks = check_gradients(prepared, V, G, relu=relu, every=every, execution=request.execution, layout=maps)
        _show_checks(checks, edge, inputs.layouts, as_json=json)
        holds = all(each.holds for each in checks)
    if not holds:
        raise typer.Exit(1)


def _read_unneeded(read: "Callable[[str], Upstream]", text: str) -> "Upstream":
    """Return ones in place of G. The text is read, so that mistakes in it are told, unless it has another Z's shape."""
    with suppress(GeometryError):
        read(text)
    return read("ones")


def _show_checks(checks: "Collection[Check]", edge: "EdgeFill", layouts: "Layouts", *, as_json: bool) -> None:
    from convcli.check.gradcheck import checks_to_json
    from convcli.cli.output import print_json, print_lines

    if as_json:
        print_json(checks_to_json(checks, edge, layouts))
    else:
        from convcli.cli.text.check import checks_text

        print_lines([checks_text(checks, layouts)])


def _tell_default_upstream(comparisons: "list[Comparison]", messages: Messages) -> None:
    """Tell what G is by default, if that may be what differs."""
    if any(each.tensor != "output" and each.worst and not (each.holds or each.confusion) for each in comparisons):
        messages.tell("note", "G is 1 everywhere, because no `upstream` is given")


def _with_flags(comparison: "Comparison") -> "Comparison":
    """Return a comparison that names the flags of options, so that its cure can be typed."""
    confusion, cure = (text and with_flags(text) for text in (comparison.confusion, comparison.cure))
    return comparison._replace(confusion=confusion, cure=cure, also=tuple(map(with_flags, comparison.also)))


def _show_comparisons(
    comparisons: "list[Comparison]", tolerance: float, edge: "EdgeFill", layouts: "Layouts", *, as_json: bool
) -> None:
    from convcli.check.comparison import comparisons_to_json
    from convcli.cli.output import print_json, print_lines

    if as_json:
        print_json(comparisons_to_json(comparisons, tolerance, edge, layouts))
    else:
        from convcli.cli.text.check import comparisons_text

        print_lines([comparisons_text(comparisons, layouts)])
