"""Several kernels' maps combined into one output, as the magnitude of a gradient combines two.

    Z[i,j,k] = rule over q of Zq[i,j,k],        Zq the maps of kernel q, with its bias

    magnitude  sqrt(sum Zq^2)      max  the largest, signs and all      sum  sum Zq      mean  sum Zq / count

``max`` is what compass operators ask for (Kirsch, Computers and Biomedical Research 4, 1971, p. 315): of all eight
directions, the largest response is also that of largest magnitude.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.convolution.request import Planned, Request
from convcli.engine import Store
from convcli.errors import GeometryError, OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Geometry
from convcli.text import choice


class Rule(NamedTuple):
    """How numbers are combined: each becomes a term, terms are joined two by two, and the last result is finished.

    finish: changes the result in place, given how many terms it has; None where the result is final.
    """

    term: np.ufunc
    join: np.ufunc
    finish: Callable[[FloatArray, int], object] | None = None

    def finished(self, joined: FloatArray, count: int) -> None:
        """Finish the result of ``count`` terms, in place."""
        if self.finish:
            self.finish(joined, count)


def _root(joined: FloatArray, count: int) -> None:
    np.sqrt(joined, out=joined)


def _divide(joined: FloatArray, count: int) -> None:
    np.divide(joined, count, out=joined)


COMBINE_RULES = {
    "magnitude": Rule(np.square, np.add, _root),
    "max": Rule(np.positive, np.maximum),
    "sum": Rule(np.positive, np.add),
    "mean": Rule(np.positive, np.add, _divide),
}


@dataclass(frozen=True)
class Combination:
    """Two or more requests whose maps a rule of ``COMBINE_RULES`` combines; it is used as a single ``Request`` is.

    Raises OptionError for fewer kernels or an unknown rule.
    """

    requests: Sequence[Request]
    rule: str

    def __post_init__(self) -> None:
        choice("combine", self.rule, COMBINE_RULES)
        if len(self.requests) < 2:
            raise OptionError(
                f"{self.rule} takes at least 2 kernels, given {len(self.requests)}: add a `kernel`", option="combine"
            )

    @property
    def name(self) -> str:
        """The kernels' names, joined by ``+``."""
        return "+".join(request.name for request in self.requests)

    @property
    def gain(self) -> float:
        """What the combined kernels make of a constant 1, without their biases."""
        rule = COMBINE_RULES[self.rule]
        joined = rule.join.reduce(rule.term([request.gain for request in self.requests]), keepdims=True)
        rule.finished(joined, len(self.requests))
        return float(joined[0])

    def each(self, change: Callable[[Request], Request]) -> "Combination":
        """Return the combination of changed requests."""
        return replace(self, requests=[change(request) for request in self.requests])

    def at(self, input_shape: tuple[int, ...], dtype: np.dtype[Any]) -> "PlannedCombination":
        """Prepare and plan every convolution of an input ``(..., C_in, H, W)``, computed in ``dtype``.

        Raises GeometryError unless every kernel's maps have the same shape.
        """
        planned = tuple(request.at(input_shape, dtype) for request in self.requests)
        first = planned[0].geometry.output_shape
        for request, other in zip(self.requests, planned, strict=True):
            _refuse_other_shape(self.requests[0].name, first, request.name, other.geometry.output_shape)
        return PlannedCombination(planned, COMBINE_RULES[self.rule])


class PlannedCombination(NamedTuple):
    """Several convolutions of one input shape with their plans, and the rule that combines their maps."""

    planned: tuple[Planned, ...]
    rule: Rule

    @property
    def geometry(self) -> Geometry:
        """The geometry of the first convolution."""
        return self.planned[0].geometry

    @property
    def algorithm(self) -> str:
        """The names of the algorithms, joined by ``+``."""
        return "+".join(dict.fromkeys(each.algorithm for each in self.planned))

    @property
    def bias(self) -> None:
        """None: each convolution adds its own bias before the maps are combined."""
        return None

    def without_bias(self) -> "PlannedCombination":
        """Return the combination of the convolutions without their biases."""
        return self._replace(planned=tuple(each.without_bias() for each in self.planned))

    def convolve(self, V: Array) -> FloatArray:
        """Return the combined Z for V."""
        joined = self._joined_others(V)
        blocks = joined.reshape(self.geometry.output_blocks)

        def keep(part: tuple[slice, ...], tile: FloatArray) -> None:
            blocks[part] = tile

        self._join_first(V, joined, keep)
        return joined

    def store(self, V: Array, store: Store) -> None:
        """Pass each finished tile of the combined Z to ``store`` (``convcli.convolution.prepared.Prepared.store``)."""
        self._join_first(V, self._joined_others(V), store)

    def _joined_others(self, V: Array) -> FloatArray:
        """Join the terms of all kernels but the first in one array of Z's shape."""
        joined = large_empty(self.geometry.output_shape, self.planned[0].prepared.dtype)
        self._join(self.planned[1], V, joined, _begin)
        for each in self.planned[2:]:
            self._join(each, V, joined, self.rule.join)
        return joined

    def _join(self, each: Planned, V: Array, joined: FloatArray, join: Callable[..., object]) -> None:
        """Join one kernel's terms with those of others, in place."""
        # A bank and a 2-D kernel lay out the same maps on different axes.
        blocks = joined.reshape(each.geometry.output_blocks)

        def join_part(part: tuple[slice, ...], tile: FloatArray) -> None:
            join(blocks[part], self.rule.term(tile, out=tile), out=blocks[part])

        each.store(V, join_part)

    def _join_first(self, V: Array, joined: FloatArray, store: Store) -> None:
        """Join each tile of the first kernel's maps with the others' terms, finish it, and pass it to ``store``.

        The first kernel comes last, so that tiles lie where ``geometry`` says.
        """
        blocks = joined.reshape(self.geometry.output_blocks)

        def finish_part(part: tuple[slice, ...], tile: FloatArray) -> None:
            self.rule.join(blocks[part], self.rule.term(tile, out=tile), out=tile)
            self.rule.finished(tile, len(self.planned))
            store(part, tile)

        self.planned[0].store(V, finish_part)


def _begin(old: FloatArray, new: FloatArray, *, out: FloatArray) -> None:
    out[...] = new


def _refuse_other_shape(name: str, shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]) -> None:
    if shape != other_shape:
        raise GeometryError(
            f"`combine` takes kernels whose maps have one shape: {name} makes {shape} and {other} {other_shape}; "
            "use kernels of one size, or `padding` same"
        )


Filter = Request | Combination
PlannedFilter = Planned | PlannedCombination
