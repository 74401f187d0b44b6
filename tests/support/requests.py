"""Requests, and what they compute, without a command line."""

import numpy as np

from convcli.apply.filtering import apply_filter, plan_filter
from convcli.arrays import computing_type
from convcli.convolution.names import WRT
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.engine import AUTOMATIC
from support.storing import together


def request_of(K, bias=None, *, name=None, execution=AUTOMATIC, **options):
    """A request for the options of ``conv2d``; by default it has the kernel's name."""
    name = name or getattr(K, "name", "k")
    bias = None if bias is None else np.asarray(bias, float)
    return Request(name, Convolution.of(K, bias, **options), execution)


def planned(request, V):
    """A request, or a combination of some, at V."""
    return request.at(V.shape, computing_type(V.dtype, None))


def convolved(request, V):
    """Z in V's float type."""
    return planned(request, V).convolve(V)


def stored(request, V):
    """Z, put together from the tiles in which it is computed."""
    found = planned(request, V)
    return together(lambda store: found.store(V, store), found.geometry)


def differentiated(request, V, G, wrt=WRT):
    """Gradients in float64."""
    prepared = request.convolution.at(V.shape, np.float64)
    return prepared.gradients(V, G, prepared.plan_gradients(wrt, request.execution))


def filtered(image, request, appearance, format):
    """A prepared image, filtered."""
    return apply_filter(plan_filter(request, image.header, appearance, format), image)
