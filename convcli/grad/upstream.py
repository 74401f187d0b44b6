"""The upstream gradient G = dJ/dZ, from the text of an option, which means dJ/dA if A = max(Z, 0) follows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, fit
from convcli.convolution.formulas import output_letters
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.places import parse_place, whole_place
from convcli.convolution.relu import relu, relu_adjoint
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import ConvcliError, GeometryError, OptionError
from convcli.files.large_arrays import large_empty, large_zeros
from convcli.layouts import CHANNEL_MAJOR, Layout
from convcli.text import integer

EXPECTED = "expected ones, at:I,J,K, normal:SEED, mse:TARGET, a file, inline JSON or -"


class Upstream(NamedTuple):
    """G, and the loss J; None if the text does not define a loss.

    A, dA: if a ReLU follows the convolution, its output and the upstream gradient dJ/dA, from which G is computed.
    """

    G: Array
    loss: float | None = None
    A: FloatArray | None = None
    dA: Array | None = None


class Readers(NamedTuple):
    """Functions that read the tensor a text names: ``tensor`` unchanged, ``input`` with the same conversions as V.

    layout: the order of the user's axes, for the indices of ``at`` and for shapes in errors; tensors are channel-major.
    """

    tensor: Callable[[str], Array]
    input: Callable[[str], Array]
    layout: Layout = CHANNEL_MAJOR


def upstream_gradient(
    text: str,
    prepared: PreparedLayer,
    V: Array,
    readers: Readers,
    execution: Execution = AUTOMATIC,
) -> Upstream:
    """Return G for the Z of V.

    text: ``ones``; ``at:I,J,K``, which is 1 in this place of Z and 0 elsewhere; ``normal:SEED``; ``mse:TARGET``; or the
    source of a tensor. ``mse:TARGET`` means the loss J = 1/2 sum (Z - T)^2, whose G is Z - T. The tensor may
    have more or fewer axes of length 1 than Z, such as the channel axis of a gray picture.
    Raises OptionError for a seed that is not a whole number, GeometryError for a place that Z does not have, and for a
    tensor of another shape than Z.
    """
    return _upstream(text, prepared, readers, lambda: _output(prepared, V, execution))


def upstream_through_relu(
    text: str, prepared: PreparedLayer, V: Array, readers: Readers, execution: Execution = AUTOMATIC
) -> Upstream:
    """Return G if A = max(Z, 0) follows: the text means dJ/dA, as it means dJ/dZ for ``upstream_gradient``."""
    A = relu(_output(prepared, V, execution))
    given = _upstream(text, prepared, readers, lambda: A)
    return Upstream(relu_adjoint(given.G, A), given.loss, A, given.G)


def _output(prepared: PreparedLayer, V: Array, execution: Execution) -> FloatArray:
    return prepared.convolve(V, prepared.plan(execution), empty=large_empty)


def _upstream(text: str, prepared: PreparedLayer, readers: Readers, output: Callable[[], FloatArray]) -> Upstream:
    """Return the gradient of J by the output, which ``output`` computes if it is needed."""
    name, colon, rest = text.partition(":")
    shape = prepared.output_shape
    if text == "ones":
        return Upstream(np.broadcast_to(1.0, shape))
    if name == "at" and colon:
        return Upstream(_one_at(rest, prepared, readers.layout))
    if name == "normal":
        return Upstream(_normal(text, rest, shape))
    if name == "mse" and colon:
        target = _read(rest, readers.input, shape, text)
        _require_shape("target of mse", target, shape, readers.layout)
        return _squared_error(output(), target)
    G = _read(text, readers.tensor, shape, text)
    _require_shape("upstream gradient G", G, shape, readers.layout)
    return Upstream(G)


def _one_at(place: str, prepared: PreparedLayer, layout: Layout) -> FloatArray:
    shape = prepared.output_shape
    letters = output_letters(len(shape), prepared.convolution.weights.ndim)
    at = parse_place(place, "upstream")
    stored = whole_place("Z", at, layout.order(shape), layout.order(letters), "upstream")
    G = large_zeros(shape, np.float64)
    G[layout.channel_major_order(stored)] = 1
    return G


def _normal(text: str, seed: str, shape: tuple[int, ...]) -> FloatArray:
    try:
        generator = np.random.default_rng(integer(seed))
    except ValueError:
        expected = "expected normal:SEED with a whole number"
        raise OptionError(f"{expected}, given {text!r}", option="upstream") from None
    return generator.standard_normal(out=large_empty(shape, np.float64))


@np.errstate(over="ignore", invalid="ignore")
def _squared_error(Z: FloatArray, target: Array) -> Upstream:
    G = np.subtract(Z, target, out=large_empty(Z.shape, Z.dtype))
    return Upstream(G, 0.5 * float(np.vdot(G, G)))


def _read(source: str, read: Callable[[str], Array], shape: tuple[int, ...], text: str) -> Array:
    try:
        G = read(source)
    except ConvcliError as error:
        raise type(error)(f"{EXPECTED}, given {text!r}: {error}", option="upstream") from None
    fitted = fit(G, shape)
    return G if fitted is None else fitted


def _require_shape(name: str, tensor: Array, shape: tuple[int, ...], layout: Layout) -> None:
    if tensor.shape != shape:
        expected, given = layout.order(shape), layout.order(tensor.shape)
        raise GeometryError(f"{name}: expected the output's shape {expected}, given {given}")
