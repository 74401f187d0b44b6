"""Compare gradients with central differences and adjoint identities, and Z with its definition.

With e one entry of a parameter x, and J = <G, Z>, which is linear in each of V, K and b:

    dJ/dx[e] = (J(x + e) - J(x - e)) / 2          exact for any step
    <G, conv(V, K)> = <dV, V> = <dK, K>           without a bias and without constants in the pads

Only rounding remains, which is measured relative to the sum of the magnitudes that were added up. A ReLU makes J linear
between kinks: then the step is so small that no Z changes its sign, and outputs where Z is nearly 0 are not part of J.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from math import floor, log2, prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, finite_or_none, first_non_finite
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.prepared import Gradients
from convcli.convolution.relu import relu, relu_adjoint
from convcli.convolution.transposed import PreparedTransposed
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import GeometryError, OptionError
from convcli.explain.explanation import explain
from convcli.geometry.fills import EdgeFill
from convcli.layouts import CHANNEL_MAJOR, DEFAULT, Layout, Layouts
from convcli.names import WRT
from convcli.values import frozen_value

# The rounding of a float64 sum of millions of terms stays below this, relative to the sum of their magnitudes.
LIMIT = 1e-10
# The number of entries that are checked per tensor, unless all are checked.
SAMPLE = 12
# The number of random inputs and kernels that each identity is checked with.
PROBES = 2
# Below this part of the largest |Z|, an output is too near the kink of a ReLU for differences.
CLEARANCE = 2.0**-10

Index = tuple[int, ...]
Differentiate = Callable[[PreparedLayer, Array, Array], Gradients]


@frozen_value(shown=("tensor", "reference", "samples", "size", "absolute", "relative", "worst"))
class Check(NamedTuple):
    """A tensor compared with a reference.

    Attributes
    ----------
    tensor
        ``output``, or the parameter whose gradient was checked: ``kernel``, ``input`` or ``bias``.
    reference
        The reference, such as "central differences of J".
    indices
        The indices of the entries that were compared; empty for an identity, which compares sums over all entries.
    samples, size
        The number of numbers that were compared, and of all numbers.
    absolute
        The largest difference of an entry; None for an identity.
    relative
        The largest difference, relative to the magnitudes that were added up.
    worst
        The index of the entry that differs most; None for an identity.
    """

    tensor: str
    reference: str
    indices: tuple[Index, ...]
    samples: int
    size: int
    absolute: float | None
    relative: float
    worst: Index | None

    @property
    def holds(self) -> bool:
        """Return whether the difference is only rounding; False for NaN."""
        return self.relative <= LIMIT


@np.errstate(over="ignore", invalid="ignore")
def check_gradients(
    prepared: PreparedLayer,
    V: Array,
    G: Array,
    *,
    relu: bool = False,
    every: bool = False,
    execution: Execution = AUTOMATIC,
    differentiate: Differentiate | None = None,
    layout: Layout = CHANNEL_MAJOR,
) -> list[Check]:
    """Check Z, dK, dV and db.

    prepared: a convolution in float64.  V: ``(..., C_in, H, W)``.  G: shaped like Z.
    relu: whether A = max(Z, 0) follows, and G is dJ/dA.
    every: check every entry instead of SAMPLE per tensor.
    differentiate: computes the gradients that are checked; by default ``Prepared.gradients``.
    layout: the order of indices in errors.
    Raises GeometryError for an empty batch; OptionError if V or G is not finite, because then differences of J are not
    finite either.
    """
    if not V.size:
        raise GeometryError(f"input V: expected numbers to check, given shape {V.shape}")
    for name, tensor in (("input V", V), ("upstream gradient G", G)):
        _refuse_non_finite(name, tensor, layout)
    V, G = V.astype(np.float64), G.astype(np.float64)
    checker = Checker(prepared, every, execution, differentiate)
    loss = _loss_through_relu(checker.convolve(prepared, V), G) if relu else _Loss(G, G)
    return [
        _definition(prepared, V, every, execution),
        *_all_differences(checker, prepared, V, loss, every),
        *_identities(checker, prepared),
    ]


class Checker:
    """Z and gradients of many convolutions that differ only in their numbers; each geometry is planned once.

    How long all convolutions take together is announced when this is made.
    """

    def __init__(
        self, prepared: PreparedLayer, every: bool, execution: Execution, differentiate: Differentiate | None
    ) -> None:
        self._execution = execution
        self._differentiate = differentiate
        plan = prepared.plan_any_kernel(execution)
        self._announced = execution.announced(_number_of_convolutions(prepared, every) * plan.elapsed)
        self._plans = {prepared.geometry: plan._replace(execution=self._announced)}

    def convolve(self, prepared: PreparedLayer, V: Array) -> FloatArray:
        """Return Z."""
        if prepared.geometry not in self._plans:
            self._plans[prepared.geometry] = prepared.plan_any_kernel(self._announced)
        return prepared.convolve(V, self._plans[prepared.geometry])

    def differentiate(self, prepared: PreparedLayer, V: Array, G: Array) -> Gradients:
        """Return dK, dV and db."""
        if self._differentiate:
            return self._differentiate(prepared, V, G)
        return prepared.gradients(V, G, prepared.plan_gradients(WRT, self._execution))

    def differentiate_input(self, prepared: PreparedLayer, V: Array, G: Array) -> FloatArray | None:
        """Return dV."""
        return prepared.gradients(V, G, prepared.plan_gradients("input", self._execution)).input


def _number_of_convolutions(prepared: PreparedLayer, every: bool) -> int:
    """Return how many times Z is computed: twice for each entry, once for the largest output, and for each probe."""
    sizes = map(prod, (prepared.convolution.weights.shape, prepared.input_shape, prepared.bias_shape))
    return 2 * sum(size if every else min(size, SAMPLE) for size in sizes) + 1 + PROBES


def checks_to_json(checks: Collection[Check], edge: EdgeFill, layouts: Layouts = DEFAULT) -> dict[str, Any]:
    """Return the members of a JSON document: whether all checks hold, the limit, the edge fill, and each check."""
    return {
        "holds": all(check.holds for check in checks),
        "limit": LIMIT,
        "edge": str(edge),
        **layouts.to_json(),
        "checks": [_check_to_json(check, layouts.of(check.tensor)) for check in checks],
    }


def _check_to_json(check: Check, layout: Layout) -> dict[str, Any]:
    errors = {"absolute": finite_or_none(check.absolute), "relative": finite_or_none(check.relative)}
    places = {"indices": tuple(map(layout.order, check.indices)), "worst": check.worst and layout.order(check.worst)}
    return {**check._asdict(), **errors, **places, "holds": check.holds}


def _refuse_non_finite(name: str, tensor: Array, layout: Layout) -> None:
    index = first_non_finite(tensor)
    if index is not None:
        at = ",".join(map(str, layout.order(index)))
        raise OptionError(f"{name}: expected finite numbers to compute differences, given {tensor[index]} at [{at}]")


def _definition(prepared: PreparedLayer, V: Array, every: bool, execution: Execution) -> Check:
    """Compare Z with the sum of its terms."""
    Z = prepared.convolve(V, prepared.plan(execution))
    indices = _sample(Z.shape, every)
    sums = [_sum_behind(prepared, V, index) for index in indices]
    errors = np.array([abs(float(Z[index]) - sum_.total) for index, sum_ in zip(indices, sums, strict=True)])
    scale = max((sum_.magnitude for sum_ in sums), default=0.0)
    return _check("output", "the definition, term by term", indices, Z.size, errors, scale)


class _SumBehind(NamedTuple):
    """A number of Z from its definition, and the sum of the magnitudes of the terms."""

    total: float
    magnitude: float


def _sum_behind(prepared: PreparedLayer, V: Array, index: Index) -> _SumBehind:
    b = prepared.convolution.bias
    bias = 0.0 if b is None else float(b[index[-3:][: b.ndim]])
    found = explain(prepared.without_bias(), V, None, "output", index)
    return _SumBehind(found.total + bias, float(np.abs(found.terms().products).sum()) + abs(bias))


class _Loss(NamedTuple):
    """J = <G, Z>; or <G, max(Z, 0)>, if there is a clearance.

    upstream: dJ/dZ.  clearance: the least |Z| of the outputs whose G is not 0.
    """

    G: Array
    upstream: Array
    clearance: float | None = None

    @property
    def name(self) -> str:
        """The name of the reference in checks."""
        return "central differences of J" if self.clearance is None else "central differences with ReLU"

    def change(self, below: FloatArray, above: FloatArray) -> float:
        """Return the change of J from one Z to another."""
        if self.clearance is not None:
            below, above = relu(below), relu(above)
        return float(np.vdot(self.G, above - below))

    def step(self, below: FloatArray, above: FloatArray) -> float:
        """Return a step at which no Z passes 0, given Z on both sides of a step of 1."""
        largest = float(np.abs(above - below).max(initial=0)) / 2
        return (
            1.0 if self.clearance is None or largest <= self.clearance else 2.0 ** floor(log2(self.clearance / largest))
        )


def _loss_through_relu(Z: FloatArray, G: Array) -> _Loss:
    clearance = CLEARANCE * float(np.abs(Z).max()) or 1.0
    cleared = np.where(np.abs(Z) > clearance, G, 0)
    return _Loss(cleared, relu_adjoint(cleared, Z), clearance)


class _Parameter(NamedTuple):
    """A parameter of J: K, V or b.

    convolve: returns Z for a value of the parameter.  upstream: the largest sum of |G| over the outputs of one entry.
    """

    name: str
    value: FloatArray
    convolve: Callable[[FloatArray], FloatArray]
    upstream: float


def _parameters(checker: Checker, prepared: PreparedLayer, V: Array, G: Array) -> Iterator[_Parameter]:
    K, b, upstream = prepared.convolution.weights, prepared.convolution.bias, float(np.abs(G).sum())
    bias = np.zeros(prepared.bias_shape) if b is None else np.asarray(b, float)

    def with_kernel(weights: FloatArray) -> FloatArray:
        return checker.convolve(prepared.with_parameters(weights, b), V)

    def with_bias(bias: FloatArray) -> FloatArray:
        return checker.convolve(prepared.with_parameters(K, bias), V)

    yield _Parameter("kernel", np.asarray(K, float), with_kernel, upstream)
    yield _Parameter("input", V, partial(checker.convolve, prepared), _upstream_of_a_pixel(checker, prepared, V, G))
    yield _Parameter("bias", bias, with_bias, upstream)


def _upstream_of_a_pixel(checker: Checker, prepared: PreparedLayer, V: Array, G: Array) -> float:
    """Return the largest sum of |G| over the outputs that read one pixel."""
    ones = prepared.with_parameters(np.ones(prepared.convolution.weights.shape), None)
    sums = checker.differentiate_input(ones, V, np.abs(G))
    return 0.0 if sums is None else float(sums.max())


def _all_differences(checker: Checker, prepared: PreparedLayer, V: Array, loss: _Loss, every: bool) -> Iterator[Check]:
    gradients = checker.differentiate(prepared, V, loss.upstream)._asdict()
    largest = _largest_output(checker, prepared, V)
    for parameter in _parameters(checker, prepared, V, loss.G):
        gradient, indices = gradients[parameter.name], _sample(parameter.value.shape, every)
        differences = [_central_difference(parameter, index, loss) for index in indices]
        quotients = zip(indices, differences, strict=True)
        errors = np.array([abs(float(gradient[index]) - found.quotient) for index, found in quotients])
        # A quotient of a small step has the rounding of Z divided by the step.
        scale = parameter.upstream * largest / min((found.step for found in differences), default=1.0)
        yield _check(parameter.name, loss.name, indices, gradient.size, errors, scale)


def _largest_output(checker: Checker, prepared: PreparedLayer, V: Array) -> float:
    """Return the largest sum of magnitudes in an output after a step of 1; the rounding of Z is in proportion to it."""
    bias, edge = prepared.convolution.bias, prepared.geometry.edge
    stepped = prepared.with_parameters(np.abs(prepared.convolution.weights) + 1, None)
    Z = checker.convolve(stepped.with_edge(edge._replace(value=abs(edge.value))), np.abs(V) + 1)
    return float(Z.max()) + (0 if bias is None else float(np.abs(bias).max()))


class _Difference(NamedTuple):
    quotient: float
    step: float


def _central_difference(parameter: _Parameter, index: Index, loss: _Loss) -> _Difference:
    below, above = (_stepped(parameter, index, step) for step in (-1.0, 1.0))
    step = loss.step(below, above)
    if step < 1:
        below, above = (_stepped(parameter, index, signed) for signed in (-step, step))
    return _Difference(loss.change(below, above) / (2 * step), step)


def _stepped(parameter: _Parameter, index: Index, step: float) -> FloatArray:
    """Return Z after a step of one entry."""
    value = parameter.value.copy()
    value[index] += step
    return parameter.convolve(value)


def _identities(checker: Checker, prepared: PreparedLayer) -> Iterator[Check]:
    errors: dict[str, list[float]] = {"kernel": [], "input": []}
    for seed in range(PROBES):
        draw = np.random.default_rng(seed).standard_normal
        V, K = draw(prepared.input_shape), draw(prepared.convolution.weights.shape)
        probe = _without_constants(prepared.with_parameters(K, None))
        Z = checker.convolve(probe, V)
        G = draw(Z.shape)
        gradients = checker.differentiate(probe, V, G)
        errors["kernel"].append(_relative_difference(G, Z, gradients.kernel, K))
        errors["input"].append(_relative_difference(G, Z, gradients.input, V))
    operation = "conv_transpose" if isinstance(prepared, PreparedTransposed) else "conv"
    for name, product in (("kernel", "<dK, K>"), ("input", "<dV, V>")):
        yield Check(
            tensor=name,
            reference=f"<G, {operation}(V, K)> = {product}",
            indices=(),
            samples=PROBES,
            size=PROBES,
            absolute=None,
            relative=max(errors[name]),
            worst=None,
        )


def _without_constants(prepared: PreparedLayer) -> PreparedLayer:
    """Return the convolution with zeros instead of other constants in the pads, which makes it linear in V."""
    edge = prepared.geometry.edge
    return prepared if edge.copies else prepared.with_edge(EdgeFill("constant"))


def _relative_difference(G: Array, Z: FloatArray, gradient: FloatArray | None, parameter: FloatArray) -> float:
    """Return the difference between <G, Z> and <gradient, parameter>, relative to their magnitudes."""
    assert gradient is not None
    left, right = np.vdot(G, Z), np.vdot(gradient, parameter)
    scale = np.vdot(np.abs(G), np.abs(Z)) + np.vdot(np.abs(gradient), np.abs(parameter))
    return float(abs(left - right) / scale) if scale else 0.0


def _sample(shape: tuple[int, ...], every: bool) -> tuple[Index, ...]:
    """Return every index, or a sample: the first, the last, and the same random ones between in each run."""
    size = prod(shape)
    chosen = np.arange(size)
    if size > SAMPLE and not every:
        between = np.random.default_rng(0).choice(size - 2, SAMPLE - 2, replace=False) + 1
        chosen = np.array([0, *sorted(between.tolist()), size - 1])
    return tuple(zip(*(axis.tolist() for axis in np.unravel_index(chosen, shape)), strict=True)) if shape else ((),)


def _check(
    tensor: str, reference: str, indices: tuple[Index, ...], size: int, errors: FloatArray, scale: float
) -> Check:
    """Return the check of the entries at ``indices``. scale: the magnitude that errors are relative to."""
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    absolute = float(errors[worst])
    return Check(
        tensor=tensor,
        reference=reference,
        indices=indices,
        samples=len(indices),
        size=size,
        absolute=absolute,
        relative=absolute / scale if scale else absolute,
        worst=indices[worst],
    )
