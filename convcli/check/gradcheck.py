"""Gradients held against what they must be: central differences, adjoint identities, and Z against its definition.

With e one entry of a parameter x, and J = <G, Z>, which is linear in each of V, K and b:

    dJ/dx[e] = (J(x + e) - J(x - e)) / 2                              exactly, whatever the step
    <G, conv(V, K)> = <dV, V> = <dK, K>                               without a bias and without what constant pads add

What is left is rounding, which is told relative to the magnitudes that were added up.
"""

from collections.abc import Callable, Collection, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, finite_or_none, first_non_finite
from convcli.convolution.gradients import Gradients
from convcli.convolution.operands import bias_shape
from convcli.convolution.request import Request
from convcli.errors import OptionError
from convcli.explain.explanation import explain
from convcli.geometry.edges import EdgeFill
from convcli.kernels.kernel import Kernel

# The rounding of float64 in sums of millions of terms stays below this part of their magnitudes.
LIMIT = 1e-10
SAMPLE = 12
PROBES = 2

Place = tuple[int, ...]
Differentiate = Callable[[Request, Array, Array], Gradients]


class Check(NamedTuple):
    """One tensor held against something.

    tensor: ``output``, or the parameter whose gradient it is.  against: what it was held against.
    places: the entries that were looked at; () where each number looked at is a whole sum.
    looked_at, size: how many numbers were looked at, of how many.
    absolute: the worst error of an entry; None for sums.  relative: the worst error as a part of the magnitudes that
    were added up.  worst: where.
    """

    tensor: str
    against: str
    places: tuple[Place, ...]
    looked_at: int
    size: int
    absolute: float | None
    relative: float
    worst: Place | None

    @property
    def holds(self) -> bool:
        """Whether the error is rounding. NaN is not."""
        return self.relative <= LIMIT


@np.errstate(over="ignore", invalid="ignore")
def check_gradients(
    request: Request, V: Array, G: Array, *, every: bool, differentiate: Differentiate = Request.differentiate
) -> list[Check]:
    """The checks of Z, dK, dV and db, in float64.

    V: ``(C_in, H, W)``.  G: shaped like Z.  every: look at every entry, not at a sample of SAMPLE for each tensor.
    differentiate: what computes the gradients that are held against the rest.
    Raises OptionError where V or G is not finite: nothing can be said of differences then.
    """
    for name, tensor in (("input V", V), ("upstream gradient G", G)):
        _refuse_non_finite(name, tensor)
    V, G = V.astype(np.float64), G.astype(np.float64)
    return [
        _definition(request, V, every),
        *_all_differences(request, V, G, differentiate, every),
        *_identities(request, V.shape, differentiate),
    ]


def checks_to_json(checks: Collection[Check]) -> dict[str, Any]:
    """Whether all hold, the largest relative error of what holds, and each check."""
    return {
        "holds": all(check.holds for check in checks),
        "limit": LIMIT,
        "checks": [_check_to_json(check) for check in checks],
    }


def _check_to_json(check: Check) -> dict[str, Any]:
    errors = {"absolute": finite_or_none(check.absolute), "relative": finite_or_none(check.relative)}
    return {**check._asdict(), **errors, "holds": check.holds}


def _refuse_non_finite(name: str, tensor: Array) -> None:
    place = first_non_finite(tensor)
    if place is not None:
        at = ",".join(map(str, place))
        raise OptionError(f"{name}: expected finite numbers to take differences of, given {tensor[place]} at [{at}]")


def _definition(request: Request, V: Array, every: bool) -> Check:
    """Z against the sum of its terms."""
    Z = request.convolve(V, dtype=np.float64)
    places = _sample(Z.shape, every)
    errors, scale = [], 0.0
    for place in places:
        found = explain(request, V, None, "output", place)
        magnitude = float(np.abs(found.terms(range(found.size)).products).sum()) + abs(found.bias or 0)
        errors.append(abs(float(Z[place]) - found.total))
        scale = max(scale, magnitude)
    return _worst("output", "the definition, term by term", places, Z.size, np.array(errors), scale)


class _Parameter(NamedTuple):
    """What J is differentiated by, Z as a function of it, and the most |G| that the outputs of one entry have."""

    name: str
    value: FloatArray
    convolve: Callable[[FloatArray], FloatArray]
    reached: float


def _parameters(request: Request, V: Array, G: Array) -> Iterator[_Parameter]:
    kernel, every = request.kernel, float(np.abs(G).sum())
    bias = np.zeros(bias_shape(None, kernel.weights.shape)) if kernel.bias is None else np.asarray(kernel.bias, float)

    def with_kernel(kernel: Kernel) -> FloatArray:
        return request._replace(kernel=kernel).convolve(V, dtype=np.float64)

    ones = request._replace(kernel=kernel._replace(weights=np.ones(kernel.weights.shape)))
    near = ones.differentiate(V, np.abs(G), ("input",)).input
    reached = 0.0 if near is None else float(near.max())
    yield _Parameter("kernel", kernel.weights, lambda weights: with_kernel(kernel._replace(weights=weights)), every)
    yield _Parameter("input", V, lambda V: request.convolve(V, dtype=np.float64), reached)
    yield _Parameter("bias", bias, lambda bias: with_kernel(kernel._replace(bias=bias)), every)


def _all_differences(
    request: Request, V: Array, G: Array, differentiate: Differentiate, every: bool
) -> Iterator[Check]:
    gradients, largest = vars(differentiate(request, V, G)), _largest_output(request, V)
    for parameter in _parameters(request, V, G):
        gradient, places = gradients[parameter.name], _sample(parameter.value.shape, every)
        errors = np.array([abs(float(gradient[place]) - _difference(parameter, place, G)) for place in places])
        scale = parameter.reached * largest
        yield _worst(parameter.name, "central differences of J", places, gradient.size, errors, scale)


def _largest_output(request: Request, V: Array) -> float:
    """The largest sum of magnitudes that an output may be, one step away: Z rounds as that does."""
    kernel, edge = request.kernel, request.settings.edge
    settings = request.settings._replace(edge=edge._replace(value=abs(edge.value)))
    further = kernel._replace(weights=np.abs(kernel.weights) + 1, bias=None)
    Z = request._replace(kernel=further, settings=settings).convolve(np.abs(V) + 1, dtype=np.float64)
    return float(Z.max()) + (0 if kernel.bias is None else float(np.abs(kernel.bias).max()))


def _difference(parameter: _Parameter, place: Place, G: Array) -> float:
    moved = parameter.value.copy()
    moved[place] = parameter.value[place] + 1
    change = parameter.convolve(moved)
    moved[place] = parameter.value[place] - 1
    change -= parameter.convolve(moved)
    return float(np.vdot(G, change)) / 2


def _identities(request: Request, V_shape: tuple[int, ...], differentiate: Differentiate) -> Iterator[Check]:
    linear = _without_constants(request)
    errors: dict[str, list[float]] = {"kernel": [], "input": []}
    for seed in range(PROBES):
        draw = np.random.default_rng(seed).standard_normal
        V, K = draw(V_shape), draw(request.kernel.weights.shape)
        probe = linear._replace(kernel=linear.kernel._replace(weights=K))
        Z = probe.convolve(V)
        G = draw(Z.shape)
        gradients = differentiate(probe, V, G)
        errors["kernel"].append(_asymmetry(G, Z, gradients.kernel, K))
        errors["input"].append(_asymmetry(G, Z, gradients.input, V))
    for name, identity in (("kernel", "<G, conv(V, K)> = <dK, K>"), ("input", "<G, conv(V, K)> = <dV, V>")):
        yield Check(name, identity, (), PROBES, PROBES, None, max(errors[name]), None)


def _without_constants(request: Request) -> Request:
    """The request without its bias, and with zeros for another constant in its pads: what is linear in V."""
    edge = request.settings.edge
    filled = edge if edge.copies else EdgeFill("constant")
    kernel = request.kernel._replace(bias=None)
    return request._replace(kernel=kernel, settings=request.settings._replace(edge=filled))


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
    return Check(tensor, against, places, len(places), size, absolute, relative, places[number])
