"""Combine the maps of several kernels into one output, for example into the magnitude of a gradient.

    Z[i,j,k] = rule over q of Zq[i,j,k],        Zq the maps of kernel q, with its bias

    magnitude  sqrt(sum Zq^2)      max  the largest Zq, with its sign      sum  sum Zq      mean  sum Zq / count
    sum-abs    sum |Zq|

Compass operators need ``max`` (Kirsch, Computers and Biomedical Research 4, 1971, p. 315): of all eight directions, the
largest response also has the largest magnitude.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.request import Planned, Request
from convcli.engine import Store, Tally
from convcli.errors import GeometryError, OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Geometry, Places
from convcli.text import choice


class Rule(NamedTuple):
    """A rule that combines numbers: each number becomes a term, pairs of terms are joined, and the result is finished.

    join: takes two arrays of terms, and optionally ``out``, as a ufunc does.
    finish: changes the joined terms in place, given their number; None if they are final.
    """

    term: np.ufunc
    join: Callable[..., FloatArray]
    finish: Callable[[FloatArray, int], object] | None = None

    def finished(self, joined: FloatArray, count: int) -> None:
        """Finish ``count`` joined terms, in place."""
        if self.finish:
            self.finish(joined, count)


@np.errstate(over="ignore", under="ignore")
def _hypotenuse(x: FloatArray, y: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Return sqrt(x^2 + y^2) for magnitudes, which may be as large or small as floats are."""
    limits = np.finfo(x.dtype)
    largest = max(float(x.max(initial=0)), float(y.max(initial=0)))
    # Squares leave the range of floats sooner than the result does, but take a quarter of the time.
    if not sqrt(limits.tiny / limits.eps) < largest < sqrt(limits.max) / 2:
        return np.asarray(np.hypot(x, y, out=out))
    squares = np.square(x)
    out = np.square(y, out=out)
    out += squares
    return np.asarray(np.sqrt(out, out=out))


def _divide(joined: FloatArray, count: int) -> None:
    np.divide(joined, count, out=joined)


COMBINE_RULES = {
    "magnitude": Rule(np.abs, _hypotenuse),
    "sum-abs": Rule(np.abs, np.add),
    "max": Rule(np.positive, np.maximum),
    "sum": Rule(np.positive, np.add),
    "mean": Rule(np.positive, np.add, _divide),
}


@dataclass(frozen=True)
class Combination:
    """Two or more requests, whose maps a rule of ``COMBINE_RULES`` combines; it has the methods of a ``Request``.

    label: its name, or "" for the names of its kernels.
    Raises OptionError for fewer kernels or an unknown rule.
    """

    requests: Sequence[Request]
    rule: str
    label: str = ""

    def __post_init__(self) -> None:
        choice("combine", self.rule, COMBINE_RULES)
        if len(self.requests) < 2:
            raise OptionError(
                f"{self.rule} takes at least 2 kernels, given {len(self.requests)}: add a `kernel`", option="combine"
            )

    @property
    def name(self) -> str:
        """The label, or the kernels' names, joined by ``+``."""
        return self.label or "+".join(request.name for request in self.requests)

    @property
    def gain(self) -> float:
        """The combined Z for a constant input of 1, without biases."""
        rule = COMBINE_RULES[self.rule]
        joined = reduce(rule.join, rule.term([[request.gain] for request in self.requests]))
        rule.finished(joined, len(self.requests))
        return float(joined[0])

    def computing_type(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the float type that suits every kernel, for an input of type ``stored``."""
        return np.result_type(*(request.computing_type(stored) for request in self.requests))

    def each(self, change: Callable[[Request], Request]) -> "Combination":
        """Return the combination of changed requests."""
        return replace(self, requests=[change(request) for request in self.requests])

    def at(self, input_shape: tuple[int, ...], dtype: np.dtype[Any]) -> "PlannedCombination":
        """Prepare and plan every convolution of an input ``(..., C_in, H, W)``, computed in ``dtype``.

        Raises GeometryError unless every kernel's maps have the same shape.
        """
        planned = tuple(request.at(input_shape, dtype) for request in self.requests)
        first = planned[0].output_shape
        for request, other in zip(self.requests, planned, strict=True):
            _refuse_other_shape(self.requests[0].name, first, request.name, other.output_shape)
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
    def places(self) -> tuple[tuple[Places, Places], ...]:
        """The places in V of the rows and columns of each convolution's maps."""
        return tuple(planned.prepared.places for planned in self.planned)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of every kernel's maps."""
        return self.planned[0].output_shape

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """The shape of the first kernel's maps for the engine."""
        return self.planned[0].output_blocks

    @property
    def centres(self) -> tuple[IntArray, IntArray]:
        """The row and the column of V at the centre of each row and column of the first kernel's maps."""
        return self.planned[0].centres

    @property
    def algorithm(self) -> str:
        """The names of the algorithms, joined by ``+``."""
        return "+".join(dict.fromkeys(planned.algorithm for planned in self.planned))

    @property
    def bias(self) -> None:
        """None: each convolution adds its own bias before the maps are combined."""
        return None

    def interleaves(self, V: Array) -> bool:
        """Return False: maps are combined as floats."""
        return False

    def without_bias(self) -> "PlannedCombination":
        """Return the combination of the convolutions without their biases."""
        return self._replace(planned=tuple(planned.without_bias() for planned in self.planned))

    def convolve(self, V: Array) -> FloatArray:
        """Return the combined Z for V."""
        joined, _ = self._joined_others(V)
        blocks = joined.reshape(self.output_blocks)

        def write(place: tuple[slice, ...], tile: FloatArray) -> None:
            blocks[place] = tile

        self._join_first(V, joined, write)
        return joined

    def store(self, V: Array, store: Store) -> Tally:
        """Pass each finished tile of the combined Z to ``store``, and return what ran (``Prepared.store``)."""
        joined, tally = self._joined_others(V)
        return tally + self._join_first(V, joined, store)

    def _joined_others(self, V: Array) -> tuple[FloatArray, Tally]:
        """Join the terms of all kernels but the first in one array of Z's shape; return it, and what ran."""
        joined = large_empty(self.output_shape, self.planned[0].prepared.dtype)
        tally = self._join(self.planned[1], V, joined, _begin)
        for other in self.planned[2:]:
            tally += self._join(other, V, joined, self.rule.join)
        return joined, tally

    def _join(self, planned: Planned, V: Array, joined: FloatArray, join: Callable[..., object]) -> Tally:
        """Join one kernel's terms with the terms in ``joined``, in place."""
        # A bank and a 2-D kernel lay out the same maps on different axes.
        blocks = joined.reshape(planned.output_blocks)

        def join_tile(place: tuple[slice, ...], tile: FloatArray) -> None:
            join(blocks[place], self.rule.term(tile, out=tile), out=blocks[place])

        return planned.store(V, join_tile)

    def _join_first(self, V: Array, joined: FloatArray, store: Store) -> Tally:
        """Join each tile of the first kernel's maps with the others' terms, finish it, and pass it to ``store``.

        The first kernel comes last, because the places of tiles refer to its ``output_blocks``.
        """
        blocks = joined.reshape(self.output_blocks)

        def finish_tile(place: tuple[slice, ...], tile: FloatArray) -> None:
            self.rule.join(blocks[place], self.rule.term(tile, out=tile), out=tile)
            self.rule.finished(tile, len(self.planned))
            store(place, tile)

        return self.planned[0].store(V, finish_tile)


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
