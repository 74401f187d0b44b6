"""Images as one batch, and the gradients of what a kernel makes of it."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.errors import OptionError
from convcli.filtering import Appearance, network_input, prepared
from convcli.gradient_files import GradientReport, Operands
from convcli.gradients import Gradients, differentiate
from convcli.images import Image
from convcli.request import Request
from convcli.upstream import upstream_gradient


def stacked(images: Sequence[tuple[str, Image]], appearance: Appearance) -> Array:
    """V: one image as ``(C_in, H, W)``, or several of one shape as ``(batch, C_in, H, W)``.

    images: each with the name that errors call it by. Raises OptionError where shapes differ.
    """
    arrays = [network_input(prepared(image, appearance), appearance) for _, image in images]
    for (name, _), array in zip(images, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first = f"{images[0][0]} is {arrays[0].shape}"
            raise OptionError(f"a batch needs images of one shape: {first}, {name} is {array.shape}")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def gradient_report(
    request: Request, V: Array, upstream: str, wrt: Collection[str], read: Callable[[str], Array]
) -> GradientReport:
    """The gradients named in ``wrt``, in that order, for the G that ``upstream`` asks for.

    read: a tensor from words that are no rule for making one (``convcli.upstream``).
    """
    geometry = request.geometry(V.shape)
    G = upstream_gradient(upstream, geometry.output_shape, read)
    tensors = _by_name(_gradients(request, V, G, wrt), wrt)
    return GradientReport(tensors, Operands(V, request.kernel.weights, G), geometry, request.flip)


def _gradients(request: Request, V: Array, G: Array, wrt: Collection[str]) -> Gradients:
    """In float64."""
    kernel, execution = request.kernel, request.execution
    return differentiate(
        V, kernel.weights, G, kernel.bias, request.settings, flip=request.flip, wrt=wrt, execution=execution
    )


def _by_name(gradients: Gradients, wrt: Collection[str]) -> dict[str, FloatArray]:
    found = {"kernel": gradients.kernel, "input": gradients.input, "bias": gradients.bias}
    return {name: tensor for name in wrt if (tensor := found[name]) is not None}
