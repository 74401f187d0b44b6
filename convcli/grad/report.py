"""Images as one batch, and the gradients of what a kernel makes of it."""

from collections.abc import Collection, Sequence

import numpy as np

from convcli.arrays import Array
from convcli.convolution.request import Request
from convcli.errors import OptionError
from convcli.grad.upstream import Upstream
from convcli.grad.writers import GradientReport, Operands


def stacked(arrays: Sequence[Array], names: Sequence[str]) -> Array:
    """V: one image's ``(C_in, H, W)``, or several of one shape as ``(batch, C_in, H, W)``.

    names: what errors call the images. Raises OptionError where shapes differ.
    """
    for name, array in zip(names, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first = f"{names[0]} is {arrays[0].shape}"
            raise OptionError(f"a batch needs images of one shape: {first}, {name} is {array.shape}")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def gradient_report(request: Request, V: Array, upstream: Upstream, wrt: Collection[str]) -> GradientReport:
    """The gradients named in ``wrt``, in that order."""
    found = vars(request.differentiate(V, upstream.G, wrt))
    tensors = {name: found[name] for name in wrt}
    geometry = request.geometry(V.shape)
    operands = Operands(V, request.kernel.weights, upstream.G)
    return GradientReport(tensors, operands, geometry, request.flip, upstream.loss)
