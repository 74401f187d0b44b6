"""The forecast of a convolution as text for people."""

from collections.abc import Iterator
from datetime import timedelta

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.text.geometry import pads_text
from convcli.cli.text.screen import UNBOUNDED_WIDTH, captured, console_for
from convcli.convolution.backward import InputPlan
from convcli.convolution.forecast import Forecast
from convcli.convolution.layers import shape_of
from convcli.convolution.transposed import PreparedTransposed
from convcli.engine import Choice, Estimate, Plan, Refusal
from convcli.layouts import Layouts
from convcli.names import SYMBOLS
from convcli.text import span

FORECAST_NAMES = {"output": "Z by", "kernel": "dK by", "input": "dV by"}
RUNS_SHOWN = 4


def forecast_text(found: Forecast, layouts: Layouts) -> str:
    """Return what the forecast says about shapes and costs, and a table of the algorithms for Z."""
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, fact in _forecast_facts(found, layouts):
        facts.add_row(name, Text(fact))
    console = console_for(UNBOUNDED_WIDTH, plain=False)
    choice = found.output.first
    parts: list[RenderableType] = [Text(), _estimates(choice), *_refusals(choice)] if choice else []
    text = captured(console, [facts, *parts], wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _forecast_facts(found: Forecast, layouts: Layouts) -> Iterator[tuple[str, str]]:
    prepared, geometry = found.prepared, found.prepared.geometry
    y, x = geometry.rows, geometry.columns
    V, K, Z, b = (layouts.of(name).order(shape_of(prepared, name)) for name in ("input", "kernel", "output", "bias"))
    yield "V", f"{V}"
    yield "K", f"{K}"
    beyond = prepared.convolution.beyond_float32
    because = f", because float32 cannot hold {beyond}" if beyond else ""
    yield "Z", f"{Z}, computed in {prepared.dtype}{because}"
    if isinstance(prepared, PreparedTransposed):
        yield "sizes of Z", f"{' x '.join(map(span, prepared.sizes))}, by --output-shape"
    yield "pads", pads_text(geometry)
    rows, columns = prepared.receptive_field
    if isinstance(prepared, PreparedTransposed):
        yield "receptive field", f"{rows} x {columns} numbers of V at most"
        yield "footprint", f"{y.reach} x {x.reach} numbers of Z for each of V, {y.stride} x {x.stride} apart"
    else:
        yield "receptive field", f"{rows} x {columns} pixels, {y.stride} x {x.stride} apart"
    for name, runs in found.untouched.items():
        yield f"untouched {name}", _runs(runs, found)
    yield "multiplications", f"{found.multiplications:,} by the definition"
    yield "gradients", f"dK {K}, dV {V}, db {b}"
    for name, plan in found.plans.items():
        yield FORECAST_NAMES[name], _chosen(plan)
    for (fallback, condition), symbols in _fallbacks(found).items():
        yield "fallback", f"{fallback} for {', '.join(symbols)}, if {condition}"


def _fallbacks(found: Forecast) -> dict[tuple[str, str], list[str]]:
    """Return the fallbacks and their conditions, with the letters of the tensors whose plans have them."""
    fallbacks: dict[tuple[str, str], list[str]] = {}
    for name, plan in found.plans.items():
        assert plan.first is not None
        for fallback in plan.first.fallbacks.items():
            fallbacks.setdefault(fallback, []).append(SYMBOLS[name])
    return fallbacks


def _runs(runs: tuple[range, ...], found: Forecast) -> str:
    if not runs:
        return "none"
    more = f" and {len(runs) - RUNS_SHOWN} more" if len(runs) > RUNS_SHOWN else ""
    effect = "Z is the bias" if isinstance(found.prepared, PreparedTransposed) else "dV is 0"
    return f"{', '.join(map(span, runs[:RUNS_SHOWN]))}{more}: {sum(map(len, runs)):,} in all, where {effect}"


def _chosen(plan: Plan | InputPlan) -> str:
    choice, passes = plan.first, len(plan.passes)
    assert choice is not None
    tile, count = choice.estimate.tile, choice.estimate.tile.number(choice.work.geometry)
    blocks = "".join(f", {name} {number}" for name, number in choice.estimate.blocks.items())
    tiles = f"{count:,} tile{'s' * (count > 1)} of {tile.images} x {tile.rows} x {tile.columns}"
    often = f", {passes} times" if passes > 1 else ""
    algorithm = f"{choice.algorithm} ({choice.chosen_by}) in {choice.computed.dtype}"
    start = f", after {_duration(choice.estimate.start)} to start" if choice.estimate.start else ""
    return f"{algorithm}: {tiles}{blocks}{often}; {_duration(plan.seconds)}{start}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else str(timedelta(seconds=round(seconds)))


def _estimates(choice: Choice) -> Table:
    """Return a table of what Z would cost with each algorithm that can compute it. The chosen one comes first."""
    table = Table(box=None, pad_edge=False)
    for heading in ("algorithm", "ms", "multiplications", "moved", "workspace"):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right", no_wrap=True)
    table.add_column("rounding")
    table.add_column()
    for name, answer in [(choice.algorithm, choice.estimate), *choice.others.items()]:
        if isinstance(answer, Estimate):
            numbers = (f"{answer.multiplications:,}", _megabytes(answer.moved), _megabytes(answer.workspace))
            style = "bold" if name == choice.algorithm else ""
            start = f"after {_duration(answer.start)} to start" if answer.start else ""
            table.add_row(name, f"{answer.seconds * 1e3:.3g}", *numbers, _rounding(answer), start, style=style)
    return table


def _refusals(choice: Choice) -> Iterator[Text | Table]:
    """Yield a table of the algorithms that refuse, with their reasons, if there are some."""
    reasons = {name: answer.reason for name, answer in choice.others.items() if isinstance(answer, Refusal)}
    if reasons:
        table = Table("refused", "because", box=None, pad_edge=False)
        for name, reason in reasons.items():
            table.add_row(name, Text(reason))
        yield Text()
        yield table


def _rounding(answer: Estimate) -> str:
    if answer.rounded:
        return "none if V is whole"
    return "least" if answer.exact else "more"


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.3g} MB"
