"""Draw convolutions with hypothesis: any shapes and options that fit together."""

from math import ceil
from typing import NamedTuple

from hypothesis import strategies as st
from support.geometries import COPYING_FILLS

WORDS = ("valid", "same", "same-lower", "full")


class Convolution(NamedTuple):
    """The shapes of V and K as a user gives them, and the options of ``conv2d``."""

    V: tuple[int, ...]
    K: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: str | int | tuple[int, ...] = "valid"
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    edge: str = "zero"
    flip: bool = False

    @property
    def options(self):
        return {name: value for name, value in self._asdict().items() if name not in ("V", "K")}

    @property
    def pads(self):
        """The pads (top, bottom, left, right), computed without convcli."""
        return pads_of(self.padding, self.V[-2:], self.K[-2:], self.stride, self.dilation)

    @property
    def Z(self):
        """The shape of Z, computed without convcli."""
        leading = self.V[:-2] if len(self.K) == 2 else (*self.V[:-3], self.K[0])
        top, bottom, left, right = self.pads
        padded = (self.V[-2] + top + bottom, self.V[-1] + left + right)
        sides = zip(padded, self.K[-2:], self.stride, self.dilation, strict=True)
        return (*leading, *(len(range(0, n - d * (k - 1), s)) for n, k, s, d in sides))


def pads_of(padding, sizes, taps, stride, dilation):
    if isinstance(padding, int):
        return (padding,) * 4
    if isinstance(padding, tuple):
        return padding if len(padding) == 4 else (padding[0], padding[0], padding[1], padding[1])
    sides = zip(sizes, taps, stride, dilation, strict=True)
    return tuple(pad for side in sides for pad in _pads_of_an_axis(padding, *side))


def _pads_of_an_axis(word, n, k, s, d):
    if word in ("valid", "full"):
        return (d * (k - 1) if word == "full" else 0,) * 2
    total = max(0, (ceil(n / s) - 1) * s + d * (k - 1) + 1 - n)
    smaller, larger = total // 2, total - total // 2
    return (smaller, larger) if word == "same" else (larger, smaller)


def pairs(least, most):
    return st.tuples(*[st.integers(least, most)] * 2)


FLIPS = st.booleans()
STRIDES = pairs(1, 4)
PADS = st.integers(0, 5)
PADDINGS = st.sampled_from(WORDS) | PADS | st.tuples(PADS, PADS) | st.tuples(PADS, PADS, PADS, PADS)
BATCHES = ((), (1,), (2,), (3,), (2, 2))
EDGES = st.sampled_from(("zero", *COPYING_FILLS)) | st.integers(-16, 16).map(lambda fours: f"constant:{fours / 4}")


@st.composite
def convolutions(
    draw, *, room, strides=STRIDES, paddings=PADDINGS, edges=EDGES, ranks=(2, 4, 6), flips=FLIPS, batches=BATCHES
):
    """Draw a convolution. room: the most pixels along an axis of an image, besides those that the kernel needs."""
    taps, stride, dilation, padding = draw(pairs(1, 4)), draw(strides), draw(pairs(1, 3)), draw(paddings)
    sizes = [least + draw(st.integers(0, room)) for least in _least_sizes(padding, taps, dilation)]
    rank, edge, flip = draw(st.sampled_from(ranks)), draw(edges), draw(flips)
    batch = draw(st.sampled_from(batches))
    if rank == 2:
        return Convolution((*batch, *sizes), taps, stride, padding, dilation, 1, edge, flip)
    groups, ins, outs = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    bank = Convolution(
        (*batch, groups * ins, *sizes), (groups * outs, ins, *taps), stride, padding, dilation, groups, edge, flip
    )
    return bank if rank == 4 else bank._replace(K=(groups * outs, *draw(_tilings(bank.Z[-2:])), ins, *taps))


def _least_sizes(padding, taps, dilation):
    top, bottom, left, right = pads_of(padding, (1, 1), taps, (1, 1), dilation)
    reaches = (d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True))
    return [max(1, reach - pads) for reach, pads in zip(reaches, (top + bottom, left + right), strict=True)]


def _tilings(outputs):
    """Return a strategy for tilings: small ones, whose weights repeat, or one with separate weights for each output."""
    return pairs(1, 3) | st.just(outputs)
