"""Alpha: what it does to the colours that kernels are given, and what it is after them.

With a the image's alpha in 0..1, K* the convolution without its bias b, and S what K* makes of a constant 1:

    keep         Z = K* V + b                         alpha: sampled where each window is centred
    filter       Z = K* V + b                         alpha: K* a
    premultiply  Z = K* (a V) / alpha + b             alpha: (K* a) / S       (0 + b where nothing is to be seen)
                 Z = K* (a V) + b where S = 0         alpha: sampled, for there is nothing to divide by

Dividing is what keeps the hidden colours of transparent pixels out: Z is a mean of V that a weighs (Porter and Duff,
Compositing Digital Images, SIGGRAPH 1984). Alpha is clipped to 0..1 when it has become pixels, and not before.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from convcli.apply.combining import Filter
from convcli.arrays import Array, FloatArray, IntArray, computing_type, ends_of, fill_rounded
from convcli.convolution.operands import bias_blocks
from convcli.convolution.request import Request
from convcli.engine import Store
from convcli.errors import OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import EdgeFill

Part = tuple[slice, ...]


def _leave(part: Part, Z: FloatArray) -> None:
    """Nothing is left to be done."""


class Passage(NamedTuple):
    """V through kernels.

    alpha: ``(OH, OW)`` of the maps, or None.  finish: what remains to be done to a part of Z, in place, given where
    it lies.
    """

    request: Filter
    V: Array
    alpha: Array | None = None
    finish: Callable[[Part, FloatArray], None] = _leave

    def convolve_and_store(self, store: Store) -> None:
        """Z, part by part (``convcli.convolution.forward.convolve_and_store``)."""

        def finish_and_store(part: Part, tile: FloatArray) -> None:
            self.finish(part, tile)
            store(part, tile)

        self.request.convolve_and_store(self.V, finish_and_store)


def require_fit(rule: str, request: Filter, alpha: Array | None) -> None:
    """Raise OptionError where a rule needs kernels of another kind for an image with this alpha."""
    if alpha is None or rule == "keep":
        return
    for kernel in request.kernels:
        if kernel.weights.ndim > 2:
            raise OptionError(
                f"--alpha {rule} takes 2-D kernels, which can filter alpha as they do each channel: {kernel.name} has "
                f"shape {kernel.weights.shape}; use --alpha keep or drop"
            )
    if rule == "premultiply" and request.gain and len(request.kernels) > 1 and _biases(request):
        raise OptionError(
            "--alpha premultiply adds a bias after dividing by alpha, and --combine needs it before: leave the bias "
            "out, or use --alpha keep or drop"
        )


def passage(rule: str, request: Filter, V: Array, alpha: Array | None) -> Passage:
    """V ``(C_in, H, W)`` through kernels under a rule of ``RULES``; without alpha, ``(H, W)``, all do the same.

    Raises what ``require_fit`` raises.
    """
    require_fit(rule, request, alpha)
    return Passage(request, V) if alpha is None else RULES[rule](request, V, alpha)


def _biases(request: Filter) -> list[FloatArray]:
    return [kernel.bias for kernel in request.kernels if kernel.bias is not None]


def _keep(request: Filter, V: Array, alpha: Array) -> Passage:
    return Passage(request, V, _sampled(alpha, request.geometry(V.shape)))


def _filter(request: Filter, V: Array, alpha: Array) -> Passage:
    return Passage(request, V, _as_alpha(_convolved(request, alpha), alpha))


def _premultiply(request: Filter, V: Array, alpha: Array) -> Passage:
    weighted = large_empty(V.shape, computing_type(V.dtype, None))
    np.multiply(V, alpha / np.float32(_full(alpha)), out=weighted)
    if request.gain == 0:
        return Passage(request, weighted, _sampled(alpha, request.geometry(V.shape)))
    levels = _convolved(request, alpha)
    levels /= request.gain
    opacity = (levels / _full(alpha)).astype(np.float32)
    seen = _as_alpha(levels, alpha)
    opacity[seen == 0] = np.inf
    return Passage(request.each(_without_bias), weighted, seen, partial(_divide, opacity, _lone_bias(request, V)))


# Beside these there is ``drop``, which leaves no alpha to have a rule for.
RULES = {"keep": _keep, "premultiply": _premultiply, "filter": _filter}


def _convolved(request: Filter, alpha: Array) -> FloatArray:
    """K* alpha ``(OH, OW)`` in alpha's levels, in float64: where all is opaque, dividing by it must change nothing."""
    (levels,) = request.each(partial(_for_alpha, _full(alpha))).convolve(alpha[np.newaxis].astype(np.float64))
    return np.asarray(levels)


def _for_alpha(full: float, request: Request) -> Request:
    """Without its bias, which is a colour's; and pads that hold a colour are opaque."""
    settings = request.settings
    if settings.edge.value:
        settings = settings._replace(edge=EdgeFill("constant", full))
    return _without_bias(request)._replace(settings=settings)


def _without_bias(request: Request) -> Request:
    return request._replace(kernel=request.kernel._replace(bias=None))


def _lone_bias(request: Filter, V: Array) -> FloatArray:
    """The bias of a lone kernel, or 0."""
    biases = _biases(request)
    bias = biases[0] if biases else 0.0
    return bias_blocks(bias, request.kernels[0].weights, request.geometry(V.shape), computing_type(V.dtype, None))


def _divide(opacity: FloatArray, bias: FloatArray, part: Part, Z: FloatArray) -> None:
    np.divide(Z, opacity[part[-2:]], out=Z)
    np.add(Z, bias, out=Z)


def _full(alpha: Array) -> float:
    """The level that is opaque."""
    return float(np.iinfo(alpha.dtype).max)


def _as_alpha(levels: FloatArray, alpha: Array) -> Array:
    """Levels rounded and clipped to those that the image's alpha has; they are used up."""
    rounded = np.empty(levels.shape, alpha.dtype)
    fill_rounded(levels, ends_of(levels), rounded)
    return rounded


def _sampled(alpha: Array, geometry: Geometry) -> Array:
    """Alpha where each output's window is centred; beyond the image, the nearest pixel's."""
    return alpha[np.ix_(_centres(geometry.rows), _centres(geometry.columns))]


def _centres(axis: Axis) -> IntArray:
    centres = np.arange(axis.output) * axis.stride + (axis.reach - 1) // 2 - axis.before
    return np.clip(centres, 0, axis.size - 1)
