"""Alpha: how it weighs the colours that kernels filter, and how it is filtered itself.

With a the image's alpha in 0..1, K* the convolution without its bias b, and S what K* makes of a constant 1:

    keep         Z = K* V + b                         alpha: sampled where each window is centred
    filter       Z = K* V + b                         alpha: K* a
    premultiply  Z = K* (a V) / alpha + b             alpha: (K* a) / S       (0 + b where nothing is to be seen)
                 Z = K* (a V) + b where S = 0         alpha: sampled, for there is nothing to divide by

Dividing is what keeps the hidden colours of transparent pixels out: Z is a mean of V that a weighs (Porter and Duff,
Compositing Digital Images, SIGGRAPH 1984). Alpha is clipped to 0..1 when it has become pixels, and not before.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from convcli.apply.combining import Filter, PlannedFilter
from convcli.arrays import Array, FloatArray, IntArray, computing_type, ends_of, fill_rounded
from convcli.convolution.request import Request
from convcli.engine import Store
from convcli.errors import OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import EdgeFill

Part = tuple[slice, ...]
Finish = Callable[[Part, FloatArray], None]


class AlphaFilter(NamedTuple):
    """The filtering of an image that has alpha: the input, its convolution, and the alpha of the output.

    alpha: ``(OH, OW)``, or None.  finish: changes each tile of Z in place, given where it lies; or None.
    """

    planned: PlannedFilter
    V: Array
    alpha: Array | None = None
    finish: Finish | None = None

    def store(self, store: Store) -> None:
        """Pass each finished tile of Z to ``store`` (``convcli.convolution.prepared.Prepared.store``)."""
        finish = self.finish

        def finish_and_store(part: Part, tile: FloatArray) -> None:
            if finish:
                finish(part, tile)
            store(part, tile)

        self.planned.store(self.V, finish_and_store if finish else store)


def require_fit(rule: str, request: Filter, *, alpha: bool) -> None:
    """Raise OptionError if a rule needs other kernels for an image that has alpha."""
    if not alpha or rule == "keep":
        return
    for one in request.requests:
        shape = one.convolution.weights.shape
        if len(shape) > 2:
            raise OptionError(
                f"`alpha` {rule} takes 2-D kernels, which can filter alpha as they do each channel: {one.name} has "
                f"shape {shape}; use `alpha` keep or drop"
            )
    if rule == "premultiply" and request.gain and len(request.requests) > 1 and _has_bias(request):
        raise OptionError(
            "`alpha` premultiply adds a bias after dividing by alpha, and `combine` needs it before: leave the bias "
            "out, or use `alpha` keep or drop"
        )


def _has_bias(request: Filter) -> bool:
    return any(one.convolution.bias is not None for one in request.requests)


def filter_with_alpha(rule: str, request: Filter, planned: PlannedFilter, V: Array, alpha: Array | None) -> AlphaFilter:
    """Return the filtering of V ``(C_in, H, W)`` under a rule of ``ALPHA_RULES`` that fits the request.

    planned: the request at V's shape.  alpha: ``(H, W)``, or None, under which all rules are the same.
    """
    return AlphaFilter(planned, V) if alpha is None else ALPHA_RULES[rule](request, planned, V, alpha)


def _keep(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    return AlphaFilter(planned, V, _sampled(alpha, planned.geometry))


def _filter(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    return AlphaFilter(planned, V, _as_alpha(_convolved(request, alpha), alpha))


def _premultiply(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    weighted = large_empty(V.shape, computing_type(V.dtype, None))
    np.multiply(V, alpha / np.float32(_full(alpha)), out=weighted)
    if request.gain == 0:
        return AlphaFilter(planned, weighted, _sampled(alpha, planned.geometry))
    levels = _convolved(request, alpha)
    levels /= request.gain
    opacity = (levels / _full(alpha)).astype(np.float32)
    seen = _as_alpha(levels, alpha)
    opacity[seen == 0] = np.inf
    return AlphaFilter(planned.without_bias(), weighted, seen, partial(_divide, opacity, planned.bias))


# ``drop`` is no rule of this table: without alpha there is nothing to rule.
ALPHA_RULES = {"keep": _keep, "premultiply": _premultiply, "filter": _filter}


def _convolved(request: Filter, alpha: Array) -> FloatArray:
    """Return K* alpha ``(OH, OW)`` in alpha's levels, in float64: dividing by opaque alpha must change nothing."""
    plane = alpha[np.newaxis].astype(np.float64)
    (levels,) = request.each(partial(_for_alpha, _full(alpha))).at(plane.shape, plane.dtype).convolve(plane)
    return np.asarray(levels)


def _for_alpha(full: float, request: Request) -> Request:
    """Return the request without its bias, which belongs to colours; pads that hold a colour are opaque."""
    convolution = replace(request.convolution, bias=None)
    if convolution.options.edge.value:
        opaque = convolution.options._replace(edge=EdgeFill("constant", full))
        convolution = replace(convolution, options=opaque)
    return request._replace(convolution=convolution)


def _divide(opacity: FloatArray, bias: FloatArray | None, part: Part, Z: FloatArray) -> None:
    np.divide(Z, opacity[part[-2:]], out=Z)
    if bias is not None:
        np.add(Z, bias, out=Z)


def _full(alpha: Array) -> float:
    """Return the level that is opaque."""
    return float(np.iinfo(alpha.dtype).max)


def _as_alpha(levels: FloatArray, alpha: Array) -> Array:
    """Return levels rounded and clipped to the type of the image's alpha; ``levels`` is overwritten."""
    rounded = np.empty(levels.shape, alpha.dtype)
    fill_rounded(levels, ends_of(levels), rounded)
    return rounded


def _sampled(alpha: Array, geometry: Geometry) -> Array:
    """Return alpha where each output's window is centred; beyond the image, that of the nearest pixel."""
    return alpha[np.ix_(_centres(geometry.rows), _centres(geometry.columns))]


def _centres(axis: Axis) -> IntArray:
    centres = np.arange(axis.output) * axis.stride + (axis.reach - 1) // 2 - axis.before
    return np.clip(centres, 0, axis.size - 1)
