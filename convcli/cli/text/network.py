"""The convolutions of a model as text for people."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from convcli.cli.text.screen import NARROW_WIDTH_OF_FILES, captured, console_for
from convcli.convolution.network import ModelConvolution, Network
from convcli.kernels.onnx_models import TRANSPOSED
from convcli.text import in_one_line

UNKNOWN = "?"
REFUSALS_SHOWN = 3
_UNITS = ("", " k", " M", " G", " T")


def network_text(network: Network) -> str:
    """Return a table with a row per convolution, the reasons why convcli cannot reproduce some, and the sums."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", overflow="fold")
    for heading in ("V", "K", "Z", "s", "pads", "weights", "mult.", "field"):
        table.add_column(heading, justify="left" if heading in "VKZ" else "right", no_wrap=True)
    for found in network.convolutions:
        name = f"{_path(found)}{' (transposed)' * (found.operator == TRANSPOSED)}"
        table.add_row(Text(in_one_line(name)), *_cells(found))
    console = console_for(NARROW_WIDTH_OF_FILES, plain=False)
    text = captured(console, [table, Text(), *_lines(network)], wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _path(found: ModelConvolution) -> str:
    """Return the name without the operator that PyTorch adds to it; -k takes it like the whole name."""
    return found.name.removeprefix("/").removesuffix(f"/{found.operator}")


def _cells(found: ModelConvolution) -> Iterator[str]:
    geometry = found.geometry
    yield _by(found.input_shape)
    yield _by(found.kernel_shape)
    yield _by(found.output_shape and found.output_shape[1:])
    yield _pair(geometry and (geometry.rows.stride, geometry.columns.stride))
    yield UNKNOWN if geometry is None else _pads(geometry.pads)
    yield _count(found.parameters)
    yield _count(found.multiplications)
    yield _pair(found.receptive_field)


def _lines(network: Network) -> Iterator[Text]:
    yield Text("pads: top,bottom,left,right; field: the pixels of the model's input that an output sees", style="dim")
    refused = [found for found in network.convolutions if found.refusal]
    for found in refused[:REFUSALS_SHOWN]:
        yield Text(in_one_line(f"{_path(found)}: not for -k: {found.refusal}"))
    if len(refused) > REFUSALS_SHOWN:
        yield Text(f"and {len(refused) - REFUSALS_SHOWN} more, for which --json gives the reasons")
    number = len(network.convolutions)
    sums = (
        f"{_count(network.parameters)} weights and biases, {_count(network.multiplications)} multiplications per image"
    )
    yield Text(f"{number} convolution{'s' * (number != 1)}: {sums}")


def _by(shape: tuple[int, ...] | None) -> str:
    return UNKNOWN if shape is None else "x".join(map(str, shape))


def _pair(pair: tuple[int, int] | None) -> str:
    if pair is None:
        return UNKNOWN
    return str(pair[0]) if pair[0] == pair[1] else _by(pair)


def _pads(pads: tuple[int, int, int, int]) -> str:
    top, bottom, left, right = pads
    if (top, left) == (bottom, right):
        return str(top) if top == left else f"{top},{left}"
    return ",".join(map(str, pads))


def _count(number: int | None) -> str:
    """Return a number with three digits and a unit."""
    if number is None:
        return UNKNOWN
    power = 0
    while round(number / 1000**power) >= 1000 and power < len(_UNITS) - 1:
        power += 1
    return f"{number / 1000**power:.3g}{_UNITS[power]}"
