"""Replace ``auto`` by the value that suits the kernels, the image and the format."""

import numpy as np

from convcli.apply.combining import Filter
from convcli.apply.transparency import combines_biases
from convcli.arrays import ROUNDED_TO
from convcli.convolution.layers import Layer
from convcli.pictures.formats import Format
from convcli.pictures.image import Header

# The sum of magnitudes of a Sobel kernel and of the Laplacian of 4 neighbours, whose maps show edges well as they are.
SOBEL = 8.0
# Weights whose sum is at most this share of the sum of their magnitudes find edges.
BALANCED = 0.02


def range_and_gain(range: str, request: Filter, header: Header, format: Format) -> tuple[str, float]:
    """Return the mode and the gain of the output (``convcli.apply.filtering.OutputSpec``) for a value of ``range``.

    ``auto`` is ``raw`` where the format holds the floats of the input or is an array, ``abs`` for kernels that find
    edges, at the gain of a Sobel kernel, so that both sides of an edge show, and otherwise ``clip``.
    """
    if range != "auto":
        return range, 1.0
    if format.is_array or (format.floats and header.dtype not in ROUNDED_TO):
        return "raw", 1.0
    largest = _largest_edge_weights(request)
    return ("abs", SOBEL / largest) if largest else ("clip", 1.0)


def alpha_rule(alpha: str, request: Filter) -> str:
    """Return the rule for an image that has alpha (``convcli.apply.transparency``).

    ``auto`` is ``premultiply`` for blurs, so that hidden colours do not bleed into visible ones. It is ``keep`` for
    other kernels, and where ``premultiply`` does not work: banks, and combined biases.
    """
    if alpha != "auto":
        return alpha
    blurs = all(_blurs(one.convolution) for one in request.requests)
    return "premultiply" if blurs and not combines_biases(request) else "keep"


def mixes_pixels(request: Filter) -> bool:
    """Return whether an output depends on several places of the image."""
    return any(_taps(one.convolution) > 1 for one in request.requests)


def _taps(convolution: Layer) -> int:
    """Return the number of places in the window where any weight is not 0."""
    weights = convolution.weights
    return int(np.count_nonzero(weights.any(axis=tuple(range(weights.ndim - 2)))))


def _blurs(convolution: Layer) -> bool:
    """Return whether each output is a sum of several pixels of one channel, none of them subtracted."""
    weights = convolution.weights
    return weights.ndim == 2 and bool(weights.min() >= 0) and _taps(convolution) > 1


def _largest_edge_weights(request: Filter) -> float:
    """Return the largest sum of magnitudes of the kernels' weights; 0 unless every kernel finds edges."""
    sums = [_edge_weights(one.convolution) for one in request.requests]
    return max(sums) if all(sums) else 0.0


def _edge_weights(convolution: Layer) -> float:
    """Return the largest sum of magnitudes of one output's weights; 0 unless the weights of each sum to about 0."""
    weights, axes = convolution.weights, convolution.window_axes
    sums, magnitudes = weights.sum(axes), np.abs(weights).sum(axes)
    biased = convolution.bias is not None and bool(np.any(convolution.bias))
    return 0.0 if biased or not np.all(np.abs(sums) <= BALANCED * magnitudes) else float(magnitudes.max())
