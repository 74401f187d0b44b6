"""``conv2d`` and ``conv2d_grad``: a convolution and its gradients, from arrays and plain options.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

V' is V after padding. Without ``flip`` this is cross-correlation, as in TensorFlow and PyTorch; with it, true
convolution, as in MATLAB's conv2 and scipy.signal.convolve2d.
"""

from collections.abc import Collection
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arrays import ROUNDED_TO, Array, computing_type, real_array, stored_type
from convcli.convolution.names import WRT
from convcli.convolution.prepared import Convolution, Gradients
from convcli.engine import Execution
from convcli.geometry.options import Numbers
from convcli.kernels.kernel import Kernel


def conv2d(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    dtype: DTypeLike | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
) -> Array:
    """Convolve V with K.

    Parameters
    ----------
    V
        Input ``(..., C_in, H, W)`` of any real type; ``(H, W)`` is enough for a 2-D kernel.
    K
        Kernel. ``(kh, kw)`` filters every channel alone, ``(C_out, C_in/groups, kh, kw)`` is a bank, and
        ``(C_out, tr, tc, C_in/groups, kh, kw)`` is tiled or locally connected. A ``Kernel`` brings its bias and groups.
    bias
        A number; for a bank also ``(C_out,)``, or ``(C_out, OH, OW)`` with one per output unit.
    stride, dilation
        N or (rows, columns).
    padding
        ``valid``, ``same``, ``same-lower``, ``full``, N, (rows, columns) or (top, bottom, left, right).
    groups
        Groups of channels.
    edge
        The fill of the pads: ``zero``, ``constant:VALUE``, ``replicate``, ``reflect``, ``symmetric`` or ``wrap``.
    flip
        Rotate the kernel by 180 degrees first (true convolution).
    dtype
        float32 or float64; by default float32 for float32 and 8- and 16-bit V, else float64. uint8 or uint16 computes
        in the default type, then rounds half to even and clips.
    algorithm
        ``auto`` or a name in ``convcli.engine.CONVOLUTIONS``.
    threads
        Number of threads; by default one per processor.
    memory
        Bytes of workspace per thread, besides input and output. By default 16 MB, and up to 256 MB (1 GB for all
        threads) where that saves more than a second. With another limit the algorithm may be another, which rounds
        differently.

    Returns
    -------
    Array
        Z ``(..., C_out, OH, OW)``, in V's units times K's.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        An option has no such value, or the algorithm refuses.

    Examples
    --------
    >>> conv2d([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]])
    array([[-4., -4.],
           [-4., -4.]])
    """
    V = real_array("input V", V)
    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    stored = stored_type(V.dtype, dtype)
    prepared = convolution.at(V.shape, computing_type(V.dtype, None) if stored in ROUNDED_TO else stored)
    return prepared.convolve(V, prepared.plan(Execution(algorithm, threads, memory)), stored=stored)


def conv2d_grad(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    G: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    dtype: DTypeLike | None = np.float64,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
    wrt: Collection[str] | str = WRT,
) -> Gradients:
    """Compute the gradients of J with respect to the kernel, the input and the bias, from G = dJ/dZ.

    Parameters
    ----------
    V, K, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``. dK is for the kernel as given, before ``flip``. dK and db are summed over leading axes of V.
    G
        Upstream gradient dJ/dZ, with the shape of Z: ``(..., C_out, OH, OW)``.
    bias
        Only its shape matters. Without one, db is a number for a 2-D kernel and ``(C_out,)`` for a bank.
    dtype
        float64, or float32 for speed.
    wrt
        The gradients to compute: some of ``kernel``, ``input`` and ``bias``, or in letters, ``"dK,dV"`` or ``"K,V"``.

    Returns
    -------
    Gradients
        ``kernel``, ``input`` and ``bias``, each with the shape of its parameter, or None if ``wrt`` omits it.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        A name or an algorithm is unknown, or the algorithm refuses.

    Examples
    --------
    >>> conv2d_grad([[1, 2], [3, 4]], [[1, 0], [0, 1]], [[1]], wrt="kernel").kernel
    array([[1., 2.],
           [3., 4.]])
    """
    V = real_array("input V", V)
    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    prepared = convolution.at(V.shape, computing_type(V.dtype, dtype))
    return prepared.gradients(V, G, prepared.plan_gradients(wrt, Execution(algorithm, threads, memory)))
