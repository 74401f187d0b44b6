"""Filter images that have alpha: weigh colours by alpha, and filter alpha itself.

Let a be the image's alpha in 0..1, K* the convolution without its bias b, and S the value of K* for a constant 1:

    keep         Z = K* V + b                         alpha: sampled where each window is centred
    filter       Z = K* V + b                         alpha: K* a
    premultiply  Z = K* (a V) / alpha + b             alpha: (K* a) / S       (Z = b where alpha is 0)
                 Z = K* (a V) + b if S = 0            alpha: sampled, because it cannot be divided by S

The division makes Z a mean of V weighted by a, so that the hidden colours of transparent pixels have no influence
(Porter and Duff, Compositing Digital Images, SIGGRAPH 1984). Alpha is clipped to 0..1 only when it becomes pixels.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from convcli.apply.combining import Filter, PlannedFilter
from convcli.arrays import Array, FloatArray, computing_type, ends_of, fill_rounded
from convcli.convolution.request import Request
from convcli.engine import Store, Tally
from convcli.errors import OptionError
from convcli.files.large_arrays import large_empty
from convcli.geometry.fills import EdgeFill

Place = tuple[slice, ...]
Finish = Callable[[Place, FloatArray], None]


class AlphaFilter(NamedTuple):
    """The filtering of an image that has alpha: the input, its convolution, and the alpha of the output.

    alpha: ``(OH, OW)``, or None.  finish: changes each tile of Z in place, given its place; or None.
    """

    planned: PlannedFilter
    V: Array
    alpha: Array | None = None
    finish: Finish | None = None

    def store(self, store: Store) -> Tally:
        """Pass each finished tile of Z to ``store``, and return what ran (``Prepared.store``)."""
        finish = self.finish

        def finish_and_store(place: Place, tile: FloatArray) -> None:
            if finish:
                finish(place, tile)
            store(place, tile)

        return self.planned.store(self.V, finish_and_store if finish else store)


def require_fit(rule: str, request: Filter, *, alpha: bool) -> None:
    """Raise OptionError if a rule does not work with these kernels. alpha: whether the image has alpha."""
    if not alpha or rule == "keep":
        return
    for one in request.requests:
        shape = one.convolution.weights.shape
        if len(shape) > 2:
            raise OptionError(
                f"`alpha` {rule} needs 2-D kernels, which can filter alpha like a channel: {one.name} has "
                f"shape {shape}; use `alpha` keep or drop"
            )
    if rule == "premultiply" and request.gain and combines_biases(request):
        raise OptionError(
            "`alpha` premultiply adds a bias after dividing by alpha, and `combine` needs it before: omit the bias, "
            "or use `alpha` keep or drop"
        )


def combines_biases(request: Filter) -> bool:
    """Return whether biases are added before maps are combined, so that none can be added after a division by alpha."""
    return len(request.requests) > 1 and any(one.convolution.bias is not None for one in request.requests)


def filter_with_alpha(rule: str, request: Filter, planned: PlannedFilter, V: Array, alpha: Array | None) -> AlphaFilter:
    """Return the filtering of V ``(C_in, H, W)`` under a rule of ``ALPHA_RULES`` that fits the request.

    planned: the request at V's shape.  alpha: ``(H, W)``, or None, for which all rules are the same.
    """
    return AlphaFilter(planned, V) if alpha is None else ALPHA_RULES[rule](request, planned, V, alpha)


def _keep(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    return AlphaFilter(planned, V, _sampled(alpha, planned))


def _filter(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    return AlphaFilter(planned, V, _as_alpha(_convolved(request, alpha), alpha))


def _premultiply(request: Filter, planned: PlannedFilter, V: Array, alpha: Array) -> AlphaFilter:
    weighted = large_empty(V.shape, computing_type(V.dtype, None))
    np.multiply(V, alpha / np.float32(_full(alpha)), out=weighted)
    if request.gain == 0:
        return AlphaFilter(planned, weighted, _sampled(alpha, planned))
    levels = _convolved(request, alpha)
    levels /= request.gain
    opacity = (levels / _full(alpha)).astype(np.float32)
    output_alpha = _as_alpha(levels, alpha)
    opacity[output_alpha == 0] = np.inf
    return AlphaFilter(planned.without_bias(), weighted, output_alpha, partial(_divide, opacity, planned.bias))


# ``drop`` is not in this table, because it removes alpha before any rule applies.
ALPHA_RULES = {"keep": _keep, "premultiply": _premultiply, "filter": _filter}


def _convolved(request: Filter, alpha: Array) -> FloatArray:
    """Return K* alpha ``(OH, OW)`` in alpha's levels; in float64, so that dividing by opaque alpha changes nothing."""
    plane = alpha[np.newaxis].astype(np.float64)
    (levels,) = request.each(partial(_for_alpha, _full(alpha))).at(plane.shape, plane.dtype).convolve(plane)
    return np.asarray(levels)


def _for_alpha(full: float, request: Request) -> Request:
    """Return the request that filters alpha: without the colours' bias, and with opaque pads if they hold a colour."""
    convolution = replace(request.convolution, bias=None)
    if convolution.options.edge.value:
        convolution = convolution.with_edge(EdgeFill("constant", full))
    return request._replace(convolution=convolution)


def _divide(opacity: FloatArray, bias: FloatArray | None, place: Place, Z: FloatArray) -> None:
    np.divide(Z, opacity[place[-2:]], out=Z)
    if bias is not None:
        np.add(Z, bias, out=Z)


def _full(alpha: Array) -> float:
    """Return the opaque level."""
    return float(np.iinfo(alpha.dtype).max)


def _as_alpha(levels: FloatArray, alpha: Array) -> Array:
    """Return levels rounded and clipped to the type of the image's alpha; ``levels`` is overwritten."""
    rounded = np.empty(levels.shape, alpha.dtype)
    fill_rounded(levels, ends_of(levels), rounded)
    return rounded


def _sampled(alpha: Array, planned: PlannedFilter) -> Array:
    """Return alpha at the centre of each output's window; beyond the image, the alpha of the nearest pixel."""
    return alpha[np.ix_(*planned.centres)]
