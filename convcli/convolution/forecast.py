"""The plans and the cost of a convolution and its gradients, from shapes alone: no number is computed."""

from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.convolution.backward import InputPlan
from convcli.convolution.layers import Layer, PreparedLayer, shape_of
from convcli.convolution.prepared import GradientPlan
from convcli.convolution.transposed import PreparedTransposed, TransposedGradientPlan
from convcli.engine import AUTO, Estimate, Execution, Plan, Refusal
from convcli.layouts import DEFAULT, Layouts
from convcli.names import SYMBOLS, WRT

# The type that gradients are planned in, as ``convcli grad`` computes them.
GRADIENTS_IN = np.dtype(np.float64)


class Forecast(NamedTuple):
    """The plans of a convolution and its gradients, made from shapes alone.

    prepared: the convolution, in the type that Z is computed in; gradients are computed in GRADIENTS_IN.
    output: the plan of Z.  gradients: the plans of dK and dV.
    """

    prepared: PreparedLayer
    output: Plan | InputPlan
    gradients: GradientPlan | TransposedGradientPlan

    @property
    def plans(self) -> dict[str, Plan | InputPlan]:
        """The plans of Z, dK and dV, as ``output``, ``kernel`` and ``input``.

        ``input``, or the output of a transposed convolution, is missing if no window reads the image itself.
        """
        plans = {"output": self.output, "kernel": self.gradients.kernel, "input": self.gradients.input}
        return {name: plan for name, plan in plans.items() if plan and plan.first}

    @property
    def multiplications(self) -> int:
        """The multiply-adds of the definition."""
        geometry = self.prepared.geometry
        window = geometry.in_channels * geometry.rows.taps * geometry.columns.taps
        return prod(geometry.output_blocks) * window

    @property
    def untouched(self) -> dict[str, tuple[range, ...]]:
        """The rows and columns of V that no window reads, where dV is 0; under a transposition, those of Z."""
        geometry = self.prepared.geometry
        return {"rows": geometry.rows.untouched(geometry.edge), "columns": geometry.columns.untouched(geometry.edge)}

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the geometry, and the algorithm and the time of Z, dK and dV."""
        from convcli.drawing.html import card, facts, table

        prepared, (top, bottom, left, right) = self.prepared, self.prepared.geometry.pads
        shapes = {"V": "input", "K": "kernel", "Z": "output"}
        members = {letter: shape_of(prepared, name) for letter, name in shapes.items()}
        pads = {"pads": f"{top}, {bottom}, {left}, {right}", "edge": prepared.geometry.edge}
        rows = (
            (SYMBOLS[name], plan.first.algorithm, f"{plan.seconds * 1000:.3g}", f"{plan.threads}")
            for name, plan in self.plans.items()
            if plan.first
        )
        costs = table(("", "algorithm", "ms of one thread", "threads"), rows)
        return card("Forecast", facts({**members, **pads, "multiplications": f"{self.multiplications:,}"}), costs)


def forecast(convolution: Layer, input_shape: tuple[int, ...], dtype: np.dtype[Any], execution: Execution) -> Forecast:
    """Plan a convolution of an input of that shape, computed in ``dtype``, and its gradients."""
    prepared = convolution.at(input_shape, dtype)
    automatic = replace(execution, algorithm=AUTO)
    gradients = prepared.computed_in(GRADIENTS_IN).plan_gradients(("kernel", "input"), automatic)
    return Forecast(prepared, prepared.plan(execution), gradients)


def forecast_to_json(forecast_: Forecast, layouts: Layouts = DEFAULT) -> dict[str, Any]:
    """Return the forecast as JSON: untouched rows and columns as [first, last] pairs, estimates for one thread."""
    prepared, geometry = forecast_.prepared, forecast_.prepared.geometry
    top, bottom, left, right = geometry.pads
    shapes = {name: layouts.of(name).order(shape_of(prepared, name)) for name in ("input", "kernel", "output", "bias")}
    return {
        "shape": {name: shapes[name] for name in ("input", "kernel", "output")},
        **layouts.to_json(),
        "dtype": str(prepared.dtype),
        "beyond_float32": prepared.convolution.beyond_float32,
        "pads": {"top": top, "bottom": bottom, "left": left, "right": right},
        "edge": str(geometry.edge),
        "stride": [geometry.rows.stride, geometry.columns.stride],
        "dilation": [geometry.rows.dilation, geometry.columns.dilation],
        "groups": geometry.groups,
        "receptive_field": prepared.receptive_field,
        "untouched": {name: [[run[0], run[-1]] for run in runs] for name, runs in forecast_.untouched.items()},
        "multiplications": forecast_.multiplications,
        **_transposed_to_json(prepared),
        "gradients": {name: shapes[name] for name in WRT},
        "threads": forecast_.output.threads,
        "plans": {name: _plan_to_json(plan) for name, plan in forecast_.plans.items()},
    }


def _transposed_to_json(prepared: PreparedLayer) -> dict[str, Any]:
    if not isinstance(prepared, PreparedTransposed):
        return {}
    rows, columns = ([sizes[0], sizes[-1]] for sizes in prepared.sizes)
    footprint = [prepared.geometry.rows.reach, prepared.geometry.columns.reach]
    return {"output_sizes": {"rows": rows, "columns": columns}, "footprint": footprint}


def _plan_to_json(plan: Plan | InputPlan) -> dict[str, Any]:
    choice = plan.first
    assert choice is not None
    tile = choice.estimate.tile
    return {
        "algorithm": choice.algorithm,
        "chosen_by": choice.chosen_by,
        "dtype": str(choice.computed.dtype),
        "passes": len(plan.passes),
        "total_seconds": plan.seconds,
        "tile": {"images": tile.images, "rows": tile.rows, "columns": tile.columns},
        "tiles": tile.number(choice.work.geometry),
        "rank": None if choice.work.traits.assumed else choice.work.traits.rank,
        "fallbacks": choice.fallbacks,
        **_answer_to_json(choice.estimate),
        "others": {name: _answer_to_json(answer) for name, answer in choice.others.items()},
    }


def _answer_to_json(answer: Estimate | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"refused": answer.reason}
    return {
        "seconds": answer.seconds,
        "start_seconds": answer.start,
        "multiplications": answer.multiplications,
        "bytes_moved": answer.moved,
        "workspace": answer.workspace,
        "blocks": dict(answer.blocks),
        "exact": answer.exact,
        "rounded": answer.rounded,
    }
