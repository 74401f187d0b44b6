"""``conv2d`` and ``conv2d_grad`` under limits of a test's choice: by default, transforms take kernels of any size."""

import numpy as np

from convcli.arrays import computing_type, real_array, rounded_type
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution, Limits
from convcli.names import WRT

ANY_SIZE = Limits(transform_taps=1, transform_channels=1)


def conv2d(V, K, bias=None, *, dtype=None, algorithm="auto", threads=None, memory=None, limits=ANY_SIZE, **options):
    """Return Z as ``convcli.conv2d`` does."""
    V = real_array("input V", V)
    rounded, convolution = rounded_type(dtype), Convolution.of(K, bias, **options)
    prepared = convolution.at(V.shape, convolution.computing_type(V.dtype, None if rounded else dtype))
    return prepared.convolve(V, prepared.plan(Execution(algorithm, threads, memory, limits=limits)), stored=rounded)


def conv2d_grad(
    V,
    K,
    G,
    *,
    bias=None,
    dtype=np.float64,
    wrt=WRT,
    algorithm="auto",
    threads=None,
    memory=None,
    limits=ANY_SIZE,
    **options,
):
    """Return the gradients as ``convcli.conv2d_grad`` does."""
    V = real_array("input V", V)
    prepared = Convolution.of(K, bias, **options).at(V.shape, computing_type(V.dtype, dtype))
    plan = prepared.plan_gradients(wrt, Execution(algorithm, threads, memory, limits=limits))
    return prepared.gradients(V, G, plan)
