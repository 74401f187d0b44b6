"""Several kernels' maps combined into one output, as a gradient's magnitude is made of two.

    Z[i,j,k] = rule over q of Zq[i,j,k],        Zq the maps of kernel q, with its bias

    magnitude  sqrt(sum Zq^2)      max  the largest, signs and all      sum  sum Zq      mean  sum Zq / count

``max`` is what compass operators ask for (Kirsch, Computers and Biomedical Research 4, 1971, p. 315): of all eight
directions, the largest response is also that of largest magnitude.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, computing_type
from convcli.convolution.request import Request
from convcli.engine import Store
from convcli.errors import GeometryError, OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Geometry
from convcli.kernels.kernel import Kernel


class Rule(NamedTuple):
    """How numbers are combined: each becomes a term, terms are joined two by two, and the last result is finished.

    finish: is given the result, to change in place, and how many terms it has.
    """

    term: np.ufunc
    join: np.ufunc
    finish: Callable[[FloatArray, int], object]


def _leave(joined: FloatArray, count: int) -> None:
    """What was joined is the result."""


def _root(joined: FloatArray, count: int) -> None:
    np.sqrt(joined, out=joined)


def _divide(joined: FloatArray, count: int) -> None:
    np.divide(joined, count, out=joined)


RULES = {
    "magnitude": Rule(np.square, np.add, _root),
    "max": Rule(np.positive, np.maximum, _leave),
    "sum": Rule(np.positive, np.add, _leave),
    "mean": Rule(np.positive, np.add, _divide),
}


@dataclass(frozen=True)
class Combination:
    """Two or more kernels, whose maps a rule of ``RULES`` combines; beside that what one ``Request`` is.

    Raises OptionError for fewer kernels or an unknown rule.
    """

    requests: Sequence[Request]
    rule: str

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise OptionError(f"unknown combine {self.rule!r}: use {', '.join(list(RULES)[:-1])} or {list(RULES)[-1]}")
        if len(self.requests) < 2:
            raise OptionError(f"--combine {self.rule} takes at least 2 kernels, given {len(self.requests)}: repeat -k")

    @property
    def name(self) -> str:
        """The kernels' names, joined by ``+``."""
        return "+".join(request.name for request in self.requests)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """In the order in which they were asked for."""
        return tuple(request.kernel for request in self.requests)

    @property
    def gain(self) -> float:
        """What 2-D kernels make of a constant 1, combined; biases left out."""
        term, join, finish = RULES[self.rule]
        joined = join.reduce(term([request.gain for request in self.requests]), keepdims=True)
        finish(joined, len(self.requests))
        return float(joined[0])

    def each(self, change: Callable[[Request], Request]) -> "Combination":
        """The combination of requests that are changed."""
        return replace(self, requests=[change(request) for request in self.requests])

    def algorithm(self, V: Array) -> str:
        """The names of those that convolve V, joined by ``+``."""
        return "+".join(dict.fromkeys(request.algorithm(V) for request in self.requests))

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The first kernel's geometry for an input ``(..., C_in, H, W)``.

        Raises GeometryError unless every kernel's maps have the same shape.
        """
        first, *others = [(request.name, request.geometry(input_shape)) for request in self.requests]
        for name, geometry in others:
            _refuse_other_shape(first[0], first[1].output_shape, name, geometry.output_shape)
        return first[1]

    def convolve(self, V: Array) -> FloatArray:
        """The combined Z for V."""
        joined = self._joined_others(V)
        blocks = joined.reshape(self.geometry(V.shape).output_blocks)

        def keep(part: tuple[slice, ...], tile: FloatArray) -> None:
            blocks[part] = tile

        self._join_first(V, joined, keep)
        return joined

    def convolve_and_store(self, V: Array, store: Store) -> None:
        """The combined Z for V, part by part (``convcli.convolution.forward.convolve_and_store``)."""
        self._join_first(V, self._joined_others(V), store)

    def _joined_others(self, V: Array) -> FloatArray:
        """The terms of all kernels but the first, joined in one array of Z's shape."""
        joined = large_empty(self.geometry(V.shape).output_shape, computing_type(V.dtype, None))
        second, *others = self.requests[1:]
        self._join(second, V, joined, _begin)
        for request in others:
            self._join(request, V, joined, RULES[self.rule].join)
        return joined

    def _join(self, request: Request, V: Array, joined: FloatArray, join: Callable[..., object]) -> None:
        """Join one kernel's terms with those of others, in place."""
        term = RULES[self.rule].term
        # A bank and a 2-D kernel lay out the same maps on different axes.
        blocks = joined.reshape(request.geometry(V.shape).output_blocks)

        def join_part(part: tuple[slice, ...], tile: FloatArray) -> None:
            join(blocks[part], term(tile, out=tile), out=blocks[part])

        request.convolve_and_store(V, join_part)

    def _join_first(self, V: Array, joined: FloatArray, store: Store) -> None:
        """Each part of the first kernel's maps, joined with the others' and finished, to ``store``.

        The first comes last, so that parts lie where ``geometry`` says.
        """
        term, join, finish = RULES[self.rule]
        blocks = joined.reshape(self.geometry(V.shape).output_blocks)

        def finish_part(part: tuple[slice, ...], tile: FloatArray) -> None:
            join(blocks[part], term(tile, out=tile), out=tile)
            finish(tile, len(self.requests))
            store(part, tile)

        self.requests[0].convolve_and_store(V, finish_part)


def _begin(old: FloatArray, new: FloatArray, *, out: FloatArray) -> None:
    out[...] = new


def _refuse_other_shape(name: str, shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]) -> None:
    if shape != other_shape:
        raise GeometryError(
            f"--combine takes kernels whose maps have one shape: {name} makes {shape} and {other} {other_shape}; "
            "use kernels of one size, or --padding same"
        )


Filter = Request | Combination
