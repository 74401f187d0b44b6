"""Images as one batch, and the gradients of what a kernel makes of it."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from convcli.arrays import Array
from convcli.errors import OptionError
from convcli.filtering import Appearance, network_input, prepared
from convcli.gradient_files import GradientReport
from convcli.images import Image
from convcli.request import Request
from convcli.upstream import Readers, Upstream


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


def readers(read: Callable[[str], Array], appearance: Appearance) -> Readers:
    """Tensors as ``read`` finds them under words; targets with V's appearance."""

    def read_input(words: str) -> Array:
        return network_input(prepared(Image(read(words)), appearance), appearance)

    return Readers(read, read_input)


def gradient_report(request: Request, V: Array, upstream: Upstream, wrt: Collection[str]) -> GradientReport:
    """The gradients named in ``wrt``, in that order."""
    found = request.differentiate(V, upstream.G, wrt)._asdict()
    tensors = {name: found[name] for name in wrt}
    geometry = request.geometry(V.shape)
    return GradientReport(tensors, V.shape, request.kernel.weights.shape, geometry, request.flip, upstream.loss)
