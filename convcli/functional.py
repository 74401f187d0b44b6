"""The public functions: plain arrays and options in, values out.

They differ only in what they make of a ``Convolution``. A new option of convolution is a parameter of each.

    Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

V' is V after padding. Without ``flip`` this is cross-correlation, as in TensorFlow and PyTorch; with it, true
convolution, as in MATLAB's conv2 and scipy.signal.convolve2d.
"""

# As text, annotations are short in the output of help().
from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from operator import index as operator_index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arrays import Array, real_array, rounded_type
from convcli.convolution.prepared import Convolution, Gradients
from convcli.convolution.transposed import TransposedConvolution
from convcli.engine import Execution
from convcli.errors import GeometryError
from convcli.geometry.options import Numbers, Options, parse_shape
from convcli.kernels.kernel import Kernel
from convcli.names import WRT, parse_tensor
from convcli.text import quoted, require_type, true_or_false

# Each function imports what it alone needs, so that ``conv2d`` does not wait for Pillow and the checks.
if TYPE_CHECKING:
    from convcli.apply.filtering import FilteredImage
    from convcli.check.comparison import Comparison
    from convcli.check.gradcheck import Check
    from convcli.convolution.forecast import Forecast
    from convcli.explain.explanation import Explanation
    from convcli.explain.walk_files import Walk
    from convcli.files.source import SourceLike
    from convcli.matrix.assembly import ConvolutionMatrix
    from convcli.pictures.image import Image


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

        Z[i,j,k] = b[i] + sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

    V' is V after padding, (sy, sx) the stride and (dy, dx) the dilation. Without ``flip`` this is cross-correlation:
    equation 9.8 of Goodfellow, Bengio and Courville, *Deep Learning*, MIT Press 2016, with indices from 0.

    Parameters
    ----------
    V
        Input ``(..., C_in, H, W)`` of any real type; ``(H, W)`` is enough for a 2-D kernel. Like every array here, it
        may be whatever NumPy takes as one, or a tensor of another library that has ``__dlpack__``. A tensor of torch
        counts without its gradient, bfloat16 as float32; an array with masked numbers is refused.
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
        float32 or float64; by default float32 for float32 and 8- and 16-bit V, else float64, and float64 for 16-bit V
        if K is whole and float32 may not hold the sums, and where float32 cannot hold K, b or the edge fill. uint8 or
        uint16 computes in the default type, then rounds half to even and clips. Any spelling of NumPy or torch.
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
    rounded = rounded_type(dtype)
    prepared = convolution.at(V.shape, convolution.computing_type(V.dtype, None if rounded else dtype))
    return prepared.convolve(V, prepared.plan(Execution(algorithm, threads, memory)), stored=rounded)


def conv2d_transpose(
    G: ArrayLike,
    K: ArrayLike | Kernel,
    bias: ArrayLike | None = None,
    *,
    output_shape: Numbers | None = None,
    output_padding: Numbers | None = None,
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
    """Compute the transposed convolution of G with K: the input's gradient dV of the convolution with K, plus a bias.

    The options are those of the convolution, which turns an array of the result's shape into one of G's shape. The
    result equals torch's ``conv_transpose2d(G, K, bias, stride, padding, output_padding, groups, dilation)``.

    It is linear too. For an upstream gradient U with the result's shape, the gradient of G is ``conv2d(U, K, ...)``,
    and that of K is ``conv2d_grad(U, K, G, ..., wrt="kernel").kernel``; ``TransposedConvolution`` computes all three.

    Parameters
    ----------
    G
        Input ``(..., C_out, OH, OW)`` of any real type; ``(OH, OW)`` is enough for a 2-D kernel.
    K
        Kernel of the convolution: ``(kh, kw)`` transposes every channel alone, and ``(C_out, C_in/groups, kh, kw)`` is
        a bank. In torch's words that is ``(in_channels, out_channels/groups, kh, kw)``. A ``Kernel`` brings its bias
        and groups.
    bias
        A number; for a bank also ``(C_in,)``, or ``(C_in, H, W)`` with one per output unit.
    output_shape
        The rows and columns of the result: N or (H, W). They must be a size that the convolution turns into G's; by
        default they are the least such size, and ``stride`` times G's size if ``padding`` is ``same``.
    output_padding
        The rows and columns beyond the least size, instead of ``output_shape``: N or (rows, columns), less than the
        stride, or if that is larger, less than the dilation.
    stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``. A constant ``edge`` is the same as ``zero``.
    dtype
        As in ``conv2d``, except that 16-bit G with whole K always gives float64.

    Returns
    -------
    Array
        dV + b ``(..., C_in, H, W)``, in G's units times K's.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or the result cannot have the requested size; the error lists the
        possible sizes.
    OptionError
        An option has no such value, or the algorithm refuses.

    Examples
    --------
    >>> conv2d_transpose([[1, 2]], [[1, 1], [1, 10]], stride=2)
    array([[ 1.,  1.,  2.,  2.],
           [ 1., 10.,  2., 20.]])
    """
    G = real_array("input G", G)
    convolution = TransposedConvolution.of(
        K,
        bias,
        output_shape=output_shape,
        output_padding=output_padding,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        edge=edge,
        flip=flip,
    )
    rounded = rounded_type(dtype)
    prepared = convolution.at(G.shape, convolution.computing_type(G.dtype, None if rounded else dtype))
    return prepared.convolve(G, prepared.plan(Execution(algorithm, threads, memory)), stored=rounded)


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
    wrt: Iterable[str] = WRT,
) -> Gradients:
    """Compute the gradients of J with respect to the kernel, the input and the bias, from G = dJ/dZ.

        dK[i,l,m,n]  = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]
        dV'[l,a,c]   = sum over i, j,m with j*sy + m*dy = a, and k,n with k*sx + n*dx = c of G[i,j,k] * K[i,l,m,n]
        db[i]        = sum over j,k of G[i,j,k]

    V' is V after padding; dV adds the gradient of each padded pixel to the pixel that it copies. The first two are
    equations 9.11 and 9.13 of Goodfellow, Bengio and Courville, *Deep Learning*, MIT Press 2016.

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
        The gradients to compute: some of ``kernel``, ``input`` and ``bias``, or in letters: ``("dK", "dV")`` or any
        other iterable, or ``"dK,dV"`` or ``"K,V"``.

    Returns
    -------
    Gradients
        ``kernel``, ``input`` and ``bias``, each with the shape of its parameter, or None if ``wrt`` omits it. Their
        units are G's times V's, G's times K's, and G's.

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
    prepared = convolution.at(V.shape, convolution.computing_type(V.dtype, dtype))
    return prepared.gradients(V, G, prepared.plan_gradients(wrt, Execution(algorithm, threads, memory)))


def conv2d_plan(
    input_shape: Numbers,
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
) -> Forecast:
    """Plan a convolution and its gradients from shapes alone, without computing them.

    Parameters
    ----------
    input_shape
        The shape of V: ``(..., C_in, H, W)``, or text such as ``"3,224,224"``.
    K, bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``. A requested algorithm computes Z; those of the gradients are chosen automatically.
    dtype
        The type that Z is computed in: float32 (the default) or float64.

    Returns
    -------
    Forecast
        Geometry, plans, cost and untouched pixels.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        An option has no such value, or the algorithm refuses.

    Examples
    --------
    >>> conv2d_plan("3,224,224", np.ones((64, 3, 7, 7)), stride=2, padding=3).prepared.geometry.output_shape
    (64, 112, 112)
    """
    from convcli.convolution.forecast import forecast

    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    computed = convolution.computing_type(np.dtype(np.float32), dtype)
    return forecast(convolution, parse_shape(input_shape), computed, Execution(algorithm, threads, memory))


def conv2d_explain(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    at: Iterable[SupportsIndex],
    *,
    of: str = "output",
    G: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> Explanation:
    """Return the exact sum behind one number of Z, dK, dV or db, term by term.

    Parameters
    ----------
    V
        Input ``(..., C_in, H, W)`` or ``(H, W)``.
    K, bias, stride, padding, dilation, groups, edge, flip
        As in ``conv2d``.
    at
        The index of the number in its tensor; axes of length 1 may be left out: the first ones, or all.
    of
        The tensor: ``Z``, ``dK``, ``dV`` or ``db``, or ``output``, ``kernel``, ``input`` or ``bias``.
    G
        Upstream gradient, with the shape of Z; ones by default. It does not matter for Z.

    Returns
    -------
    Explanation
        The formula, the terms and the total.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or the tensor has no such index.
    OptionError
        ``of`` is not the name of a tensor.

    Examples
    --------
    >>> conv2d_explain([[[1, 2], [3, 4]]], [[1, 0], [0, 1]], (0, 0, 0)).total
    5.0
    """
    from convcli.explain.explanation import explain

    V, at = real_array("input V", V), _parse_index(at)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    upstream = np.ones(prepared.geometry.output_shape) if G is None else real_array("upstream gradient G", G)
    return explain(prepared, V, upstream, of, at)


def conv2d_walk(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    *,
    of: str = "output",
    G: ArrayLike | None = None,
    steps: str = "",
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> Walk:
    """Return how Z, dK, dV or db is made, window by window; a notebook shows it as an animation.

    Parameters
    ----------
    V
        Input ``(..., C_in, H, W)`` or ``(H, W)``, of at most 32 rows and columns with their padding.
    K, bias, stride, padding, dilation, groups, edge, flip
        As in ``conv2d``.
    of
        The tensor: ``Z``, ``dK``, ``dV`` or ``db``, or ``output``, ``kernel``, ``input`` or ``bias``.
    G
        Upstream gradient, with the shape of Z; ones by default. It does not matter for Z.
    steps
        The windows to show, counted from 1, as in ``5``, ``3-7``, ``3-`` or ``-7``; all by default.

    Returns
    -------
    Walk
        The steps; ``.save("walk.gif")`` and ``.save("walk.svg")`` write them.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or the input is too large to draw.
    OptionError
        ``of`` is not the name of a tensor, or there are no such steps, or too many.

    Examples
    --------
    >>> conv2d_walk([[1, 2], [3, 4]], [[1, 0]], steps="2").story.scenes[0].captions
    ('Z[1,0] = 3 + 0 = 3',)
    """
    from convcli.explain.walk import walk
    from convcli.explain.walk_files import Walk

    V = real_array("input V", V)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    require_type("steps", steps, str, "text such as 3-7")
    name = parse_tensor("of", of)
    if name == "output":
        upstream = None
    else:
        upstream = np.ones(prepared.output_shape) if G is None else real_array("upstream gradient G", G)
    return Walk(walk(prepared, V, upstream, name, steps))


def _parse_index(at: Iterable[SupportsIndex]) -> tuple[int, ...]:
    try:
        if isinstance(at, bytes | Set | Mapping):
            raise TypeError
        return tuple(operator_index(each) for each in at)
    except TypeError:
        raise GeometryError(f"at: expected integers as in (i, j, k), given {quoted(at)}") from None


def conv2d_check(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    G: ArrayLike | None = None,
    *,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
    every: bool = False,
) -> list[Check]:
    """Check the gradients of a convolution against central differences and the adjoint identities, in float64.

    Parameters
    ----------
    V
        Input ``(C_in, H, W)``.
    K, bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``.
    G
        Upstream gradient, with the shape of Z; by default numbers drawn from a normal distribution.
    every
        Check every entry instead of a sample; each entry takes two convolutions.

    Returns
    -------
    list of Check
        One per tensor and kind of check. ``check.holds`` says whether the error is only rounding.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        V or G is not finite, or the algorithm is unknown or refuses.

    Examples
    --------
    >>> all(check.holds for check in conv2d_check(np.ones((1, 4, 4)), np.eye(2)))
    True
    """
    from convcli.check.gradcheck import check_gradients

    every = true_or_false("every", every)
    V = real_array("input V", V)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    shape = prepared.geometry.output_shape
    upstream = np.random.default_rng(0).standard_normal(shape) if G is None else real_array("upstream gradient G", G)
    return check_gradients(prepared, V, upstream, every=every, execution=Execution(algorithm, threads, memory))


def conv2d_compare(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    theirs: Mapping[str, ArrayLike],
    G: ArrayLike | None = None,
    *,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
    tolerance: float = 1e-5,
) -> list[Comparison]:
    """Compare tensors that another program computed with convcli's, and name the confusion that explains a difference.

    Parameters
    ----------
    V
        Input ``(..., C_in, H, W)``.
    K, bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``.
    theirs
        Tensors by name: ``Z``, ``dK``, ``dV``, ``db``, or ``output``, ``kernel``, ``input``, ``bias``.
    G
        Upstream gradient, with the shape of Z; ones by default.
    tolerance
        The largest difference of an entry between tensors that count as equal, relative to the magnitudes of the terms
        that the entry is the sum of.

    Returns
    -------
    list of Comparison
        One per tensor, in the order given. ``confusion`` says what explains a difference, and ``cure`` names the
        options of ``convcli check`` that make it hold, if there are any.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        A name, an option or the tolerance is invalid, or the algorithm refuses.

    Examples
    --------
    >>> V, K = np.arange(9.0).reshape(1, 3, 3), np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> found = conv2d_compare(V, K, {"output": conv2d(V, K, flip=True)})[0]
    >>> found.confusion, found.cure
    ('is that of the flipped kernel', '`flip`')
    """
    from convcli.check.comparison import Origin, compare, require_tolerance

    require_type("theirs", theirs, Mapping, "tensors by name")
    require_tolerance(tolerance)
    V = real_array("input V", V)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    upstream = np.ones(prepared.geometry.output_shape) if G is None else real_array("upstream gradient G", G)
    execution = Execution(algorithm, threads, memory)
    given = {parse_tensor("theirs", name): tensor for name, tensor in theirs.items()}
    origin = Origin(fixed=Options._fields if isinstance(K, Kernel) and K.options is not None else ())
    return [compare(prepared, V, upstream, name, each, tolerance, execution, origin) for name, each in given.items()]


def conv2d_matrix(
    K: ArrayLike | Kernel,
    input_shape: Numbers,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> ConvolutionMatrix:
    """Return the matrix M of a convolution with K: ``vec(Z) = M vec(V) + offset``, and so ``vec(dV) = M^T vec(G)``.

    Parameters
    ----------
    K, bias, stride, padding, dilation, groups, edge, flip
        As in ``conv2d``.
    input_shape
        The shape of V: ``(..., C_in, H, W)``; ``(H, W)`` is enough for a 2-D kernel. M has a diagonal block for each
        image of a batch, and for a 2-D kernel one for each channel.

    Returns
    -------
    ConvolutionMatrix
        M in compressed sparse rows. For scipy it is ``csr_array((M.data, M.indices, M.indptr), M.shape)``.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or M does not fit into memory.

    Examples
    --------
    >>> conv2d_matrix([[1, 2]], (1, 3)).data
    array([1., 2., 1., 2.])
    """
    from convcli.matrix.assembly import assemble

    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    return assemble(convolution.at(parse_shape(input_shape), np.float64))


def filter_image(
    image: SourceLike | ArrayLike,
    kernel: str | os.PathLike[str] | Kernel | ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "same",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "replicate",
    flip: bool = False,
    gray: bool = False,
    unit: bool = False,
    linear: bool = False,
    alpha: str = "auto",
    range: str = "auto",
    white: float | None = None,
    format: str = "png",
    max_pixels: int | None = None,
    dtype: DTypeLike | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
) -> FilteredImage:
    """Filter a picture with a kernel, as ``convcli apply`` does.

    Parameters
    ----------
    image
        A file's name, the bytes of a file, or an array ``(C, H, W)`` or ``(H, W)``; with more leading axes for the
        formats ``npy`` and ``json``.
    kernel
        A preset ``name:params``, a kernel's file or JSON, a ``Kernel``, or an array of weights.
    bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``, except that by default ``padding`` is ``same`` and ``edge`` is ``replicate``.
    gray
        Convert colours to gray first.
    unit
        Scale pixel values to 0..1 first.
    linear
        Filter in linear light: undo sRGB's curve first, and apply it to the maps.
    alpha
        The treatment of transparency: ``keep``, ``premultiply``, ``filter`` or ``drop``. ``auto`` is ``premultiply``
        for kernels without negative weights, and ``keep`` for others, with visible colours in place of hidden ones.
    range
        How maps become pixels: ``clip``, ``abs``, ``offset``, ``minmax``, or ``raw`` for floats. ``auto`` is ``raw``
        for ``npy`` and for floats in TIFF; ``abs``, at the gain of a Sobel kernel, for kernels whose weights sum to 0;
        and otherwise ``clip``.
    white
        The pixel value that stands for white; by default the largest level of integers. Floats are judged by their
        largest magnitude: up to 1.5, white is 1; from 16 on, it is 255.
    format
        The file format of ``save``, such as ``png``, ``tiff`` or ``npy``. It determines the depth of the pixels, and
        whether they have alpha.
    dtype
        The type to compute in: float32 or float64; by default as in ``conv2d``.
    max_pixels
        The most pixels that a picture's file may have; 0 is no limit, None is Pillow's limit.

    Returns
    -------
    FilteredImage
        ``maps.values`` holds the pixels ``(C_out, OH, OW)``, for ``npy`` and ``json`` with the axes of Z; ``alpha`` the
        transparency or None, ``warnings`` the losses. ``save(path)`` writes the file.

    Raises
    ------
    FileError
        The image, or the kernel's file, cannot be read.
    KernelError
        The kernel cannot be used.
    GeometryError
        Shapes or options do not fit together.
    OptionError
        An option has no such value, or does not fit the kernel or the format; or ``white`` is needed.

    Examples
    --------
    >>> filter_image(np.full((1, 4, 4), 100, np.uint8), "box").maps.values[0, 0]
    array([100, 100, 100, 100], dtype=uint8)
    """
    from convcli.apply.appearance import Appearance
    from convcli.apply.filtering import apply_filter, plan_filter
    from convcli.convolution.request import Request
    from convcli.kernels.loading import load_kernel
    from convcli.pictures.formats import format_of

    appearance = Appearance(gray=gray, unit=unit, alpha=alpha, range=range, linear=linear, white=white)
    K = load_kernel(kernel) if isinstance(kernel, str | os.PathLike) else kernel
    if isinstance(K, Kernel) and K.options is not None:
        # The defaults of pictures give way to the layer of a model; only other values have to agree.
        padding, edge = ("valid" if padding == "same" else padding), ("zero" if edge == "replicate" else edge)
    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    name = K.name if isinstance(K, Kernel) else "kernel"
    request = Request(name, convolution, Execution(algorithm, threads, memory), dtype)
    given = _image_of(image, max_pixels)
    filtered = apply_filter(plan_filter(request, given.header, appearance, format_of(format)), given)
    losses, notes = (*given.warnings, *filtered.losses), (*given.notes, *filtered.notes)
    return filtered._replace(losses=losses, notes=notes)


def _image_of(image: SourceLike | ArrayLike, max_pixels: int | None) -> Image:
    from convcli.files.source import Source
    from convcli.pictures.image import Image
    from convcli.pictures.reading import read_image

    if isinstance(image, Source | str | bytes | os.PathLike):
        return read_image(replace(Source.of(image), max_pixels=max_pixels))
    pixels = real_array("image", image)
    if pixels.ndim < 2 or pixels.size == 0:
        raise GeometryError(
            f"image: expected an array (H, W) or (..., C, H, W) that is not empty, given {pixels.shape}"
        )
    return Image(pixels, is_picture=False)
