"""Gradients held against what they must be: central differences, adjoint identities, and Z against its definition.

With e one entry of a parameter x, and J = <G, Z>, which is linear in each of V, K and b:

    dJ/dx[e] = (J(x + e) - J(x - e)) / 2                              exactly, whatever the step
    <G, conv(V, K)> = <dV, V> = <dK, K>                               without a bias, and for V without what pads hold

What is left is rounding, which is told relative to the magnitudes that were added up.
"""

from collections.abc import Callable, Collection, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.explanation import explain
from convcli.formulas import SYMBOLS
from convcli.gradients import Gradients
from convcli.kernels import Kernel
from convcli.operands import bias_shape
from convcli.request import Request

# The rounding of float64 in sums of millions of terms stays below this part of their magnitudes.
LIMIT = 1e-10
SAMPLE = 12
PROBES = 2

Place = tuple[int, ...]
Differentiate = Callable[[Request, Array, Array], Gradients]


class Check(NamedTuple):
    """One tensor held against something.

    tensor: its symbol.  against: what it was held against.  places: the entries that were looked at, or () where each
    number looked at is a whole sum.  looked_at, size: how many numbers were looked at, of how many.
    absolute: the worst error.  relative: the same as a part of the magnitudes that were added up.  worst: where.
    """

    tensor: str
    against: str
    places: tuple[Place, ...]
    looked_at: int
    size: int
    absolute: float
    relative: float
    worst: Place | None

    @property
    def holds(self) -> bool:
        """Whether the error is rounding. NaN is not."""
        return self.relative <= LIMIT


def check_gradients(
    request: Request, V: Array, G: Array, *, every: bool, differentiate: Differentiate = Request.differentiate
) -> Iterator[Check]:
    """The checks of Z, dK, dV and db, one after the other, in float64.

    V: ``(C_in, H, W)``.  G: shaped like Z.  every: look at every entry, not at a sample of SAMPLE for each tensor.
    differentiate: what computes the gradients that are held against the rest.
    """
    V, G = V.astype(np.float64), G.astype(np.float64)
    yield _definition(request, V, every)
    gradients = vars(differentiate(request, V, G))
    magnitudes = vars(_magnitudes(request, V, G))
    for parameter in _parameters(request, V):
        scale = magnitudes[parameter.name].max(initial=0) * (1 + np.abs(parameter.value).max(initial=0))
        yield _differences(parameter, gradients[parameter.name], G, scale, every)
    yield from _identities(request, V.shape, differentiate)


def checks_to_json(checks: Collection[Check]) -> dict[str, Any]:
    """Whether all hold, and each of them."""
    return {
        "holds": all(check.holds for check in checks),
        "limit": LIMIT,
        "checks": [{**check._asdict(), "holds": check.holds} for check in checks],
    }


def _definition(request: Request, V: Array, every: bool) -> Check:
    """Z against the sum of its terms."""
    Z = request.convolve(V, dtype=np.float64)
    places = _sample(Z.shape, every)
    errors, scales = [], []
    for place in places:
        found = explain(request, V, None, "output", place)
        magnitudes = np.abs(found.terms(np.arange(found.size)).products).sum() + abs(found.bias or 0)
        errors.append(abs(float(Z[place]) - found.total))
        scales.append(magnitudes)
    return _worst("Z", "the definition, term by term", places, Z.size, np.array(errors), max(scales))


class _Parameter(NamedTuple):
    """What J is differentiated by, and Z as a function of it."""

    name: str
    value: FloatArray
    convolve: Callable[[FloatArray], FloatArray]


def _parameters(request: Request, V: Array) -> Iterator[_Parameter]:
    kernel = request.kernel
    bias = np.zeros(bias_shape(None, kernel.weights.shape)) if kernel.bias is None else np.asarray(kernel.bias, float)

    def with_kernel(kernel: Kernel) -> FloatArray:
        return request._replace(kernel=kernel).convolve(V, dtype=np.float64)

    yield _Parameter("kernel", kernel.weights, lambda weights: with_kernel(kernel._replace(weights=weights)))
    yield _Parameter("input", V, lambda V: request.convolve(V, dtype=np.float64))
    yield _Parameter("bias", bias, lambda bias: with_kernel(kernel._replace(bias=bias)))


def _magnitudes(request: Request, V: Array, G: Array) -> Gradients:
    """The gradients of magnitudes: what the terms of each gradient would come to if none cancelled another."""
    edge = request.settings.edge
    settings = request.settings._replace(edge=edge._replace(value=abs(edge.value)))
    kernel = request.kernel._replace(weights=np.abs(request.kernel.weights))
    return request._replace(kernel=kernel, settings=settings).differentiate(np.abs(V), np.abs(G))


def _differences(parameter: _Parameter, gradient: FloatArray, G: Array, scale: float, every: bool) -> Check:
    places = _sample(parameter.value.shape, every)
    errors = np.array([abs(float(gradient[place]) - _difference(parameter, place, G)) for place in places])
    return _worst(SYMBOLS[parameter.name], "central differences of J", places, gradient.size, errors, scale)


def _difference(parameter: _Parameter, place: Place, G: Array) -> float:
    moved = parameter.value.copy()
    moved[place] += 1
    change = parameter.convolve(moved)
    moved[place] -= 2
    change -= parameter.convolve(moved)
    return float(np.vdot(G, change)) / 2


def _identities(request: Request, V_shape: tuple[int, ...], differentiate: Differentiate) -> Iterator[Check]:
    request = request._replace(kernel=request.kernel._replace(bias=None))
    errors: dict[str, list[float]] = {"kernel": [], "input": []}
    for seed in range(PROBES):
        draw = np.random.default_rng(seed).standard_normal
        V, K = draw(V_shape), draw(request.kernel.weights.shape)
        probe = request._replace(kernel=request.kernel._replace(weights=K))
        G = draw(probe.geometry(V_shape).output_shape)
        gradients = differentiate(probe, V, G)
        Z = probe.convolve(V)
        errors["kernel"].append(_asymmetry(G, Z, gradients.kernel, K))
        # What constant pads add is no part of what is linear in V.
        linear = Z if probe.settings.edge.copies else Z - probe.convolve(np.zeros(V_shape))
        errors["input"].append(_asymmetry(G, linear, gradients.input, V))
    for name, letter in (("kernel", "K"), ("input", "V")):
        symbol = SYMBOLS[name]
        against = f"<G, conv(V, K)> = <{symbol}, {letter}>"
        yield Check(symbol, against, (), PROBES, PROBES, max(errors[name]), max(errors[name]), None)


def _asymmetry(G: Array, Z: FloatArray, gradient: FloatArray | None, parameter: FloatArray) -> float:
    """How far <G, Z> and <gradient, parameter> are apart, as a part of their magnitudes."""
    assert gradient is not None
    left, right = np.vdot(G, Z), np.vdot(gradient, parameter)
    scale = np.vdot(np.abs(G), np.abs(Z)) + np.vdot(np.abs(gradient), np.abs(parameter))
    return float(abs(left - right) / scale) if scale else 0.0


def _sample(shape: tuple[int, ...], every: bool) -> tuple[Place, ...]:
    """Every place, or the first, the last, and some between, the same each time."""
    size = prod(shape)
    chosen = np.arange(size)
    if size > SAMPLE and not every:
        between = np.random.default_rng(0).choice(size - 2, SAMPLE - 2, replace=False) + 1
        chosen = np.array([0, *sorted(between.tolist()), size - 1])
    return tuple(zip(*(axis.tolist() for axis in np.unravel_index(chosen, shape)), strict=True)) if shape else ((),)


def _worst(tensor: str, against: str, places: tuple[Place, ...], size: int, errors: FloatArray, scale: float) -> Check:
    number = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    absolute = float(errors[number])
    relative = absolute / scale if scale else absolute
    return Check(tensor, against, places, len(places), size, absolute, float(relative), places[number])
