"""The gradients of a convolution, given G = dJ/dZ.

    kernel   dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]
    input    dV'[l,a,c]  = sum over i, over j,m with j*sy + m*dy = a, over k,n with k*sx + n*dx = c,
                           of G[i,j,k] * K[i,l,m,n];   dV = (adjoint of the padding)(dV')
    bias     db[i] = sum over j,k of G[i,j,k]

The input's gradient is itself a convolution, of G. Along one axis, take the padded pixels a = p + s*q of one
phase p. The taps that reach them have m*d = p (mod s): m = m0 + t*s/g with g = gcd(s, d), and then

    j = q - offset - t*d/g,   offset = (m0*d - p)/s

so that dV' at stride s from p is G correlated with those taps in reverse, at stride 1 and dilation d/g, under
offset + (T-1)*d/g pads. No zeros are stuffed between G's pixels, and no tap is multiplied that meets none.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli import engine
from convcli.arrays import Array, FloatArray, computing_type, real_array
from convcli.convolution.operands import bias_blocks, bias_shape, flipped, kernel_blocks, upstream_blocks
from convcli.engine import AUTOMATIC, MEMORY, Execution
from convcli.errors import OptionError
from convcli.files.large_arrays import Empty
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import EdgeFill, pad_adjoint
from convcli.geometry.options import Numbers, Settings, parse_settings

WRT = ("kernel", "input", "bias")


@dataclass(frozen=True)
class Gradients:
    """dJ/dK, dJ/dV and dJ/db, each shaped like its parameter; None where not asked for."""

    kernel: FloatArray | None = None
    input: FloatArray | None = None
    bias: FloatArray | None = None


def conv2d_grad(
    V: ArrayLike,
    K: ArrayLike,
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
    memory: int = MEMORY,
    wrt: Collection[str] | str = WRT,
) -> Gradients:
    """The gradients of J with respect to the kernel as given, the input and the bias, from G = dJ/dZ.

    G: shaped like Z, ``(..., C_out, OH, OW)``. ``wrt`` names the gradients to compute.
    bias: only its shape matters; without one, db is a number for a 2-D kernel, ``(C_out,)`` for a bank.
    dtype: float64, or float32 for speed. The rest as in ``conv2d``. Leading axes of V are summed over in dK, db.

    Raises GeometryError where shapes or options do not fit together, OptionError for other words.
    """
    settings = parse_settings(stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge)
    execution = Execution(algorithm, threads, memory)
    return differentiate(V, K, G, bias, settings, flip=flip, dtype=dtype, execution=execution, wrt=wrt)


@np.errstate(over="ignore", invalid="ignore")
def differentiate(
    V: ArrayLike,
    K: ArrayLike,
    G: ArrayLike,
    bias: ArrayLike | None,
    settings: Settings,
    *,
    flip: bool,
    dtype: DTypeLike | None = np.float64,
    execution: Execution = AUTOMATIC,
    wrt: Collection[str] | str = WRT,
    zeros: Empty = np.zeros,
) -> Gradients:
    """``conv2d_grad``, its options parsed; ``zeros`` gives the array for dV."""
    V, K = real_array("input V", V), real_array("kernel K", K)
    geometry = settings.geometry(V.shape, K.shape)
    computed = computing_type(V.dtype, dtype)
    weights = kernel_blocks(K, geometry, flip=flip)
    upstream = upstream_blocks(G, geometry)
    names = parse_wrt(wrt)
    kernel = input_ = bias_ = None
    if "kernel" in names:
        blocks = _kernel_gradient(V.reshape(geometry.input_blocks), upstream, geometry, computed, execution)
        kernel = flipped(blocks.reshape(K.shape), flip=flip)
    if "input" in names:
        dV = zeros(geometry.input_blocks, computed)
        _input_gradient(upstream, weights, geometry, dV, execution)
        input_ = dV.reshape(V.shape)
    if "bias" in names:
        bias_ = _bias_gradient(upstream, bias, K, geometry, computed)
    return Gradients(kernel, input_, bias_)


def parse_wrt(wrt: Collection[str] | str) -> tuple[str, ...]:
    """The names of gradients, each once; OptionError for names that are not in WRT. Text is cut at commas."""
    names = [name.strip() for name in wrt.split(",")] if isinstance(wrt, str) else wrt
    for name in names:
        if name not in WRT:
            raise OptionError(f"wrt: expected some of {', '.join(WRT)}, given {name!r}")
    return tuple(dict.fromkeys(names))


def _kernel_gradient(
    V: Array, G: Array, geometry: Geometry, dtype: np.dtype[np.floating], execution: Execution
) -> FloatArray:
    # The sum over tiles is long: in float32 it would round more than the products do.
    dK = np.zeros(geometry.kernel_blocks, np.float64)
    engine.kernel_gradient(V, G, geometry, dtype, dK, execution)
    return dK.astype(dtype, copy=False)


def _input_gradient(G: Array, K: Array, geometry: Geometry, dV: FloatArray, execution: Execution) -> None:
    """Fill ``dV``, which holds zeros: add dV' over the image, then fold dV' over each strip of pads back onto V."""
    y, x = geometry.rows, geometry.columns
    if not geometry.shares_weights:
        engine.input_gradient(G, K, geometry, dV, execution)
        return
    _padded_input_gradient(G, K, geometry, _inside(y), _inside(x), dV, execution)
    for rows, columns in _pad_strips(geometry):
        strip = np.zeros((*dV.shape[:3], len(rows), len(columns)), dV.dtype)
        _padded_input_gradient(G, K, geometry, rows, columns, strip, execution)
        pad_adjoint(strip, y.runs(rows, geometry.edge), x.runs(columns, geometry.edge), dV)


def _inside(axis: Axis) -> range:
    return range(axis.before, axis.before + axis.size)


def _pad_strips(geometry: Geometry) -> list[tuple[range, range]]:
    """The padded pixels around the image, as rectangles; none where the fill copies nothing."""
    if not geometry.edge.copies:
        return []
    y, x = geometry.rows, geometry.columns
    above, below = range(y.before), range(y.before + y.size, y.padded)
    left, right = range(x.before), range(x.before + x.size, x.padded)
    across = range(x.padded)
    strips = [(above, across), (below, across), (_inside(y), left), (_inside(y), right)]
    return [(rows, columns) for rows, columns in strips if rows and columns]


def _padded_input_gradient(
    G: Array, K: Array, geometry: Geometry, rows: range, columns: range, out: FloatArray, execution: Execution
) -> None:
    """Fill ``out``, zeros before, with dV' over these padded rows and columns."""
    for part in _convolutions(K, geometry, rows, columns):
        engine.convolve(G, part.weights, part.geometry, out[..., *part.place], execution=execution)


class Part(NamedTuple):
    """One of the convolutions of G that make up dV': its kernel, its geometry, and where its outputs stand in dV'."""

    weights: Array
    geometry: Geometry
    place: tuple[slice, slice]


def input_gradient_parts(K: Array, geometry: Geometry) -> Iterator[Part]:
    """The convolutions that give dV' over the image itself; K as the engine takes it."""
    return _convolutions(K, geometry, _inside(geometry.rows), _inside(geometry.columns))


def _convolutions(K: Array, geometry: Geometry, rows: range, columns: range) -> Iterator[Part]:
    transposed = K.swapaxes(1, 2)
    for y in _phases(geometry.rows, rows):
        for x in _phases(geometry.columns, columns):
            phase = Geometry(
                geometry.images,
                geometry.groups,
                in_channels=geometry.out_channels,
                out_channels=geometry.in_channels,
                rows=y.axis,
                columns=x.axis,
                edge=EdgeFill("constant"),
            )
            yield Part(transposed[..., y.taps, x.taps][..., ::-1, ::-1], phase, (y.place, x.place))


class _Phase(NamedTuple):
    """The padded pixels at one phase of the stride: their place in a span, their taps, and G's geometry."""

    place: slice
    taps: slice
    axis: Axis


def _phases(axis: Axis, span: range) -> Iterator[_Phase]:
    """The phases that some tap reaches, as the module's derivation counts them."""
    common = gcd(axis.stride, axis.dilation)
    step, dilation = axis.stride // common, axis.dilation // common
    for first_tap in range(min(step, axis.taps)):
        offset, residue = divmod(first_tap * axis.dilation, axis.stride)
        first, last = (-((residue - end) // axis.stride) for end in (span.start, span.stop))
        if first == last:
            continue
        taps = len(range(first_tap, axis.taps, step))
        before = offset + dilation * (taps - 1) - first
        after = last - first + dilation * (taps - 1) - axis.output - before
        place = slice(residue + axis.stride * first - span.start, len(span), axis.stride)
        upstream = Axis(axis.output, taps, dilation=dilation, before=before, after=after)
        yield _Phase(place, slice(first_tap, None, step), upstream)


def _bias_gradient(
    G: Array, bias: ArrayLike | None, K: Array, geometry: Geometry, dtype: np.dtype[np.floating]
) -> FloatArray:
    """G summed over every axis along which the bias was repeated."""
    given = np.zeros(bias_shape(None, K.shape)) if bias is None else real_array("bias b", bias)
    blocks = bias_blocks(given, K, geometry, dtype)
    repeated = tuple(axis for axis in range(G.ndim) if axis < G.ndim - blocks.ndim or blocks.shape[axis - G.ndim] == 1)
    return np.asarray(G.sum(axis=repeated, dtype=dtype)).reshape(given.shape)
