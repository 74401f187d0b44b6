"""Make requests, and compute with them, without a command line."""

import numpy as np

from convcli.apply.filtering import apply_filter, plan_filter
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.engine import AUTOMATIC
from convcli.names import WRT
from support.storing import together


def request_of(K, bias=None, *, name=None, execution=AUTOMATIC, **options):
    """Return a request with the options of ``conv2d``; by default it has the kernel's name."""
    name = name or getattr(K, "name", "k")
    bias = None if bias is None else np.asarray(bias, float)
    return Request(name, Convolution.of(K, bias, **options), execution)


def planned(request, V):
    """Return the plan of a request, or of a combination, for V."""
    return request.at(V.shape, request.computing_type(V.dtype))


def convolved(request, V):
    """Return Z in V's float type."""
    return planned(request, V).convolve(V)


def stored(request, V):
    """Return Z, put together from its tiles."""
    found = planned(request, V)
    return together(lambda store: found.store(V, store), found.geometry)


def differentiated(request, V, G, wrt=WRT):
    """Return gradients in float64."""
    prepared = request.convolution.at(V.shape, np.float64)
    return prepared.gradients(V, G, prepared.plan_gradients(wrt, request.execution))


def filtered(image, request, appearance, format):
    """A prepared image, filtered."""
    return apply_filter(plan_filter(request, image.header, appearance, format), image)
