"""What a convolution and its gradients would take, from shapes alone: nothing is computed."""

from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.convolution.gradients import input_gradient_parts
from convcli.convolution.operands import bias_shape, kernel_blocks
from convcli.convolution.request import Request
from convcli.engine import Estimate, Execution, Plan, Refusal, gradient_parts, parts, plan_for, plan_for_kernel_gradient
from convcli.geometry.axes import Geometry

# What ``convcli grad`` computes in.
GRADIENTS_IN = np.dtype(np.float64)


class Forecast(NamedTuple):
    """The shapes, the numbers that words came to, and the plans.

    dtype: that Z is computed in; gradients are computed in GRADIENTS_IN.
    plans: by what they compute: ``output``, ``kernel`` (its gradient), ``input`` (its gradient, at the first phase of
    the stride that reaches the image; none where all windows lie in the pads). Where ``passes`` are more than 1, the
    plan is the first's: of taps so far apart that each goes alone, of output channels whose gradient is made after
    others', or of the phases of the stride.
    """

    input_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    bias_shape: tuple[int, ...]
    geometry: Geometry
    dtype: np.dtype[Any]
    threads: int
    plans: dict[str, Plan]
    passes: dict[str, int]

    @property
    def multiplications(self) -> int:
        """Multiply-adds of the definition."""
        window = self.geometry.in_channels * self.geometry.rows.taps * self.geometry.columns.taps
        return prod(self.geometry.output_blocks) * window

    @property
    def untouched(self) -> dict[str, tuple[range, ...]]:
        """Rows and columns of the input that no window reads, where dV is 0."""
        geometry = self.geometry
        return {"rows": geometry.rows.untouched(geometry.edge), "columns": geometry.columns.untouched(geometry.edge)}


def forecast(request: Request, input_shape: tuple[int, ...], dtype: np.dtype[Any]) -> Forecast:
    """The forecast for an input of that shape, computed in ``dtype``; errors as those of ``conv2d``.

    An algorithm that was asked for is Z's; the gradients' plans are ``auto``'s.
    """
    kernel, execution = request.kernel, request.execution
    geometry = request.geometry(input_shape)
    K = kernel_blocks(kernel.weights, geometry, flip=request.flip)
    narrow, *narrower = gradient_parts(geometry, execution.memory)
    automatic = replace(execution, algorithm="auto")
    plans = {
        "output": request.plan(input_shape, dtype),
        "kernel": plan_for_kernel_gradient(narrow.geometry, GRADIENTS_IN, automatic),
    }
    input_plan, phases = _input_gradient_plan(K, geometry, automatic)
    if input_plan is not None:
        plans["input"] = input_plan
    return Forecast(
        input_shape,
        kernel.weights.shape,
        bias_shape(kernel.bias, kernel.weights.shape),
        geometry,
        dtype,
        execution.threads_for(plans["output"].estimate),
        plans,
        {"output": sum(1 for _ in parts(geometry)), "kernel": 1 + len(narrower), "input": phases},
    )


def _input_gradient_plan(K: Array, geometry: Geometry, execution: Execution) -> tuple[Plan | None, int]:
    """The plan for dV at the first phase of the stride, if any, and how many phases there are."""
    if not geometry.shares_weights:
        first, *others = parts(geometry)
        return plan_for_kernel_gradient(first.geometry, GRADIENTS_IN, execution), 1 + len(others)
    phases = list(input_gradient_parts(K, geometry))
    if not phases:
        return None, 0
    return plan_for(phases[0].weights, phases[0].geometry, GRADIENTS_IN, execution), len(phases)


def forecast_to_json(found: Forecast) -> dict[str, Any]:
    """The forecast as JSON; untouched rows and columns as [first, last] pairs, estimates for one thread."""
    geometry = found.geometry
    top, bottom, left, right = geometry.pads
    return {
        "shape": {"input": found.input_shape, "kernel": found.kernel_shape, "output": geometry.output_shape},
        "dtype": str(found.dtype),
        "pads": {"top": top, "bottom": bottom, "left": left, "right": right},
        "edge": str(geometry.edge),
        "stride": [geometry.rows.stride, geometry.columns.stride],
        "dilation": [geometry.rows.dilation, geometry.columns.dilation],
        "groups": geometry.groups,
        "receptive_field": [geometry.rows.reach, geometry.columns.reach],
        "untouched": {name: [[run[0], run[-1]] for run in runs] for name, runs in found.untouched.items()},
        "multiplications": found.multiplications,
        "gradients": {"kernel": found.kernel_shape, "input": found.input_shape, "bias": found.bias_shape},
        "threads": found.threads,
        "plans": {name: _plan_to_json(plan, geometry, found.passes[name]) for name, plan in found.plans.items()},
    }


def _plan_to_json(plan: Plan, geometry: Geometry, passes: int) -> dict[str, Any]:
    extent = plan.estimate.extent
    return {
        "algorithm": plan.algorithm,
        "chosen_by": plan.chosen_by,
        "dtype": str(plan.work.dtype),
        "passes": passes,
        "tile": {"images": extent.images, "rows": extent.rows, "columns": extent.columns},
        "tiles": extent.count(plan.work.geometry),
        "rank": plan.work.rank,
        **_answer_to_json(plan.estimate),
        "others": {name: _answer_to_json(answer) for name, answer in plan.others.items()},
    }


def _answer_to_json(answer: Estimate | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"refused": answer.reason}
    return {
        "seconds": answer.seconds,
        "multiplications": answer.multiplications,
        "bytes_moved": answer.moved,
        "workspace": answer.workspace,
        "blocks": dict(answer.blocks),
        "exact": answer.exact,
    }
