"""Kernels by name: ``sobel-x``, ``gaussian:2``, ``motion:9,45``.

To add a preset: write the function that builds it in ``structures.py``, list it in ``_ALL``, and add its rows to the
tests.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import first_non_finite
from convcli.errors import KernelError
from convcli.kernels import structures
from convcli.kernels.kernel import Kernel
from convcli.kernels.parameters import (
    ABOVE_1,
    AT_LEAST_1,
    COUNT,
    DIRECTION,
    FINITE,
    NOT_NEGATIVE,
    ODD,
    POSITIVE,
    WHOLE,
    Parameter,
    arguments_of,
)
from convcli.kernels.structures import Structure
from convcli.text import did_you_mean


class Preset(NamedTuple):
    """A named family of kernels. build: takes a value for each parameter of the signature, in order."""

    name: str
    summary: str
    build: Callable[..., Structure]
    signature: tuple[Parameter, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The name and the default of each parameter, in order."""
        return {parameter.name: parameter.default for parameter in self.signature}

    @property
    def usage(self) -> str:
        """The name with all parameters and their defaults: ``gaussian:SIGMA=1,RADIUS=int(4*SIGMA + 0.5)``."""
        parameters = ",".join(f"{name}={default}" for name, default in self.parameters.items())
        return f"{self.name}:{parameters}" if parameters else self.name


def preset(text: str) -> Kernel:
    """Return the 2-D kernel of a preset.

    Parameters
    ----------
    text
        ``name`` or ``name:p1,p2,...``. Missing parameters have their defaults; ``convcli kernels`` lists them.

    Returns
    -------
    Kernel
        Its name is ``text``, its weights are float64 ``(kh, kw)``, and its factors are set if its rank is low.

    Raises
    ------
    KernelError
        There is no such preset, or it does not accept these parameters.

    Examples
    --------
    >>> preset("sobel-x").weights
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    >>> preset("gaussian:2,3").weights.shape
    (7, 7)
    """
    name, colon, parameters = text.partition(":")
    family = _find(name)
    try:
        arguments = arguments_of(family.signature, parameters.split(",") if colon else [])
        structure = _build(family, arguments)
    except KernelError as error:
        raise KernelError(f"{name}: {error}; usage: {family.usage}") from None
    return Kernel(text, structure.weights, factors=structure.factors)


def presets_to_json(presets: Iterable[Preset]) -> dict[str, Any]:
    """Return the members of a JSON document: the name, parameters and summary of each preset."""
    return {"presets": [{"name": one.name, "parameters": one.parameters, "summary": one.summary} for one in presets]}


def _find(name: str) -> Preset:
    if name in PRESETS:
        return PRESETS[name]
    hint = did_you_mean(name, PRESETS)
    raise KernelError(f"expected the name of a preset, given {name!r} (`convcli kernels` lists all){hint}")


def _build(family: Preset, arguments: list[Any]) -> Structure:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        structure = family.build(*arguments)
    if first_non_finite(structure.weights) is not None or not structure.weights.any():
        raise KernelError("expected parameters that give finite weights, not all of them 0")
    return structure


_SIZE = Parameter("SIZE", "3", COUNT)
_SIGMA = Parameter("SIGMA", "1", POSITIVE)
_RADIUS = Parameter(name="RADIUS", default="int(4*SIGMA + 0.5)", domain=WHOLE, is_derived=True)
_ANGLE = Parameter("ANGLE", "0", FINITE)
_FACING = Parameter("DIRECTION", "n", DIRECTION)

_DIFFERENCE = (-1, 0, 1)
_CENTRE = (0, 1, 0)
_CURVATURE = (1, -2, 1)
_ONES = (1, 1, 1)


def _gradient_pair(name: str, smoothing: tuple[int, ...], source: str) -> tuple[Preset, Preset]:
    """Return two presets: a difference along one axis, smoothed along the other."""
    growing_right = partial(structures.low_rank, (smoothing, _DIFFERENCE))
    growing_down = partial(structures.low_rank, (_DIFFERENCE, smoothing))
    return (
        Preset(f"{name}-x", f"brightness growing to the right ({source})", growing_right),
        Preset(f"{name}-y", f"brightness growing downwards ({source})", growing_down),
    )


_ALL = (
    Preset(
        name="identity", summary="the image itself", build=structures.identity, signature=(Parameter("SIZE", "3", ODD),)
    ),
    Preset(name="box", summary="the mean of a square", build=structures.box, signature=(_SIZE,)),
    Preset(name="gaussian", summary="a Gaussian blur", build=structures.gaussian, signature=(_SIGMA, _RADIUS)),
    Preset(
        name="binomial", summary="a blur by a row of Pascal's triangle", build=structures.binomial, signature=(_SIZE,)
    ),
    Preset(
        name="disk",
        summary="the mean of a disk",
        build=structures.disk,
        signature=(Parameter("RADIUS", "2", NOT_NEGATIVE),),
    ),
    Preset(
        name="motion",
        summary="a blur along a line, counterclockwise from the x axis in degrees",
        build=structures.motion,
        signature=(Parameter("LENGTH", "9", AT_LEAST_1), _ANGLE),
    ),
    *_gradient_pair("sobel", (1, 2, 1), "Sobel and Feldman, 1968"),
    *_gradient_pair("prewitt", _ONES, "Prewitt, 1970"),
    *_gradient_pair("scharr", (3, 10, 3), "Scharr, 2000"),
    Preset(
        name="roberts-x",
        summary="brightness falling to the lower right (Roberts, 1963)",
        build=partial(structures.full_rank, ((1, 0), (0, -1))),
    ),
    Preset(
        name="roberts-y",
        summary="brightness falling to the lower left (Roberts, 1963)",
        build=partial(structures.full_rank, ((0, 1), (-1, 0))),
    ),
    Preset(
        name="kirsch",
        summary="brightness growing in a direction (Kirsch, 1971)",
        build=partial(structures.compass, (5, 5, 5, -3, -3, -3, -3, -3)),
        signature=(_FACING,),
    ),
    Preset(
        name="compass",
        summary="brightness growing in a direction (Robinson, 1977)",
        build=partial(structures.compass, (1, 2, 1, 0, -1, -2, -1, 0)),
        signature=(_FACING,),
    ),
    Preset(
        name="laplacian",
        summary="second differences along x and y",
        build=partial(structures.low_rank, (_CURVATURE, _CENTRE), (_CENTRE, _CURVATURE)),
    ),
    Preset(
        name="laplacian8",
        summary="second differences along x, y and both diagonals",
        build=partial(structures.low_rank, (_ONES, _ONES), (_CENTRE, (0, -9, 0))),
    ),
    Preset(
        name="log",
        summary="the Laplacian of a Gaussian",
        build=structures.laplacian_of_gaussian,
        signature=(_SIGMA, _RADIUS),
    ),
    Preset(
        name="dog",
        summary="a narrow Gaussian minus a wide one",
        build=structures.difference_of_gaussians,
        signature=(_SIGMA, Parameter("RATIO", "1.6", ABOVE_1)),
    ),
    Preset(
        name="sharpen",
        summary="the image minus its Laplacian",
        build=partial(structures.low_rank, (_CENTRE, (-1, 5, -1)), ((-1, 0, -1), _CENTRE)),
    ),
    Preset(
        name="unsharp",
        summary="the image plus AMOUNT times its difference from a Gaussian blur",
        build=structures.unsharp,
        signature=(_SIGMA, Parameter("AMOUNT", "1", FINITE)),
    ),
    Preset(
        name="emboss",
        summary="relief lit from the upper left, added to the image",
        build=partial(structures.full_rank, ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
    ),
    Preset(
        name="outline",
        summary="the difference from the eight neighbours",
        build=partial(structures.low_rank, (_CENTRE, (0, 9, 0)), ((-1, -1, -1), _ONES)),
    ),
    Preset(
        name="gabor",
        summary="a wave under a Gaussian, its direction clockwise from the x axis in degrees",
        build=structures.gabor,
        signature=(
            Parameter("WAVELENGTH", "8", POSITIVE),
            _ANGLE,
            Parameter(name="SIGMA", default="WAVELENGTH/2", domain=POSITIVE, is_derived=True),
            Parameter("ASPECT", "1", POSITIVE),
            Parameter("PHASE", "0", FINITE),
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({one.name: one for one in _ALL})
