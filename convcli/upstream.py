"""The upstream gradient G = dJ/dZ, from the word that asks for it."""

from collections.abc import Callable

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.errors import ConvcliError, OptionError


def upstream_gradient(words: str, shape: tuple[int, ...], read: Callable[[str], Array]) -> Array:
    """G for an output of ``shape``: ``ones``, ``normal:SEED``, or whatever else ``read`` finds under the words.

    A tensor without leading axes of length 1 that Z has, as a gray picture's, is given them.
    Raises OptionError for a seed that is not a whole number. Whether the shape fits is the convolution's to say.
    """
    name, _, seed = words.partition(":")
    if words == "ones":
        return np.ones(shape)
    if name == "normal":
        return _normal(words, seed, shape)
    try:
        return _with_leading_axes(read(words), shape)
    except ConvcliError as error:
        expected = "expected ones, normal:SEED, a file, inline JSON or -"
        raise type(error)(f"upstream gradient G: {expected}, given {words!r}: {error}") from None


def _normal(words: str, seed: str, shape: tuple[int, ...]) -> FloatArray:
    if not seed.isdecimal():
        raise OptionError(f"upstream gradient: expected normal:SEED with a whole number, given {words!r}")
    return np.random.default_rng(int(seed)).standard_normal(shape)


def _with_leading_axes(G: Array, shape: tuple[int, ...]) -> Array:
    missing = shape[: max(0, len(shape) - G.ndim)]
    return G.reshape(shape) if set(missing) <= {1} and shape[len(missing) :] == G.shape else G
