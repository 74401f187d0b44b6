"""Kernels by name: ``sobel-x``, ``gaussian:2``, ``motion:9,45``.

To add a preset: write the function that builds it in ``structures.py``, add it to a group in ``catalogue.py``, and add
its rows to the tests.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from convcli.arrays import first_non_finite
from convcli.errors import KernelError
from convcli.kernels.catalogue import PRESETS, Preset
from convcli.kernels.kernel import Kernel
from convcli.kernels.magnitudes import MAGNITUDES, refuse_magnitudes
from convcli.kernels.parameters import arguments_of
from convcli.kernels.structures import Structure
from convcli.text import did_you_mean, quoted

# The names that other programs have for a preset.
OTHER_NAMES = {
    "mean": "box",
    "average": "box",
    "smooth": "gaussian",
    "contour": "outline",
    "find-edges": "edges",
    "edge-detect": "edges",
}


def preset(text: str) -> Kernel:
    """Return the 2-D kernel of a preset.

    Parameters
    ----------
    text
        ``name``, or with parameters ``name:value,value,...`` by position or ``name:parameter=value,...`` by name, in
        upper or lower case. Missing parameters have their defaults; ``convcli kernels`` lists them.

    Returns
    -------
    Kernel
        Its name is ``text``, its weights are float64 ``(kh, kw)``, and its factors are set if its rank is low. It has a
        bias only if the preset has one.

    Raises
    ------
    KernelError
        There is no such preset, it does not accept these parameters, or it is no single kernel.

    Examples
    --------
    >>> preset("sobel-x").weights
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    >>> preset("gaussian:2,3").weights.shape
    (7, 7)
    >>> preset("gaussian:sigma_y=0,sigma_x=2").weights.shape
    (1, 17)
    """
    if not isinstance(text, str):
        raise KernelError(f"expected the name of a preset, given {quoted(text)}")
    name, colon, parameters = text.partition(":")
    refuse_magnitudes(text)
    family = _find(name)
    try:
        arguments = arguments_of(family.signature, parameters.split(",") if colon else [])
        structure = _build(family, arguments)
    except KernelError as error:
        raise KernelError(f"{family.name}: {error}; usage: {family.usage}") from None
    bias = np.array(structure.bias) if structure.bias else None
    return Kernel(text, structure.weights, bias, factors=structure.factors)


def presets_to_json(presets: Iterable[Preset]) -> dict[str, Any]:
    """Return the members of a JSON document: the name, parameters and summary of each preset."""
    return {"presets": [{"name": one.name, "parameters": one.parameters, "summary": one.summary} for one in presets]}


def _find(name: str) -> Preset:
    if name.lower() in PRESETS:
        return PRESETS[name.lower()]
    hint = did_you_mean(name, [*PRESETS, *MAGNITUDES], OTHER_NAMES)
    raise KernelError(f"expected the name of a preset, given {quoted(name)} (`convcli kernels` lists all){hint}")


def _build(family: Preset, arguments: list[Any]) -> Structure:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        structure = family.build(*arguments)
    if first_non_finite(structure.weights) is not None or not structure.weights.any():
        raise KernelError("expected parameters that give finite weights, not all of them 0")
    return structure
