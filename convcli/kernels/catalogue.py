"""The presets by name and by group, with their parameters, and without their weights, which need NumPy."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from convcli.kernels.magnitudes import MAGNITUDES
from convcli.kernels.parameters import (
    ABOVE_1,
    AT_LEAST_1,
    COUNT,
    DIRECTION,
    DIRECTIONS,
    FINITE,
    NOT_NEGATIVE,
    ODD,
    ODD_FROM_3,
    ORDER,
    POSITIVE,
    SHARE,
    WHOLE,
    Parameter,
    word_among,
)
from convcli.kernels.pillow_filters import PILLOW_FILTERS
from convcli.text import any_of

if TYPE_CHECKING:
    from convcli.kernels import structures
    from convcli.kernels.structures import Structure
else:

    class _LateStructures:
        """The functions of ``structures``, which is imported when one is called, so that names are listed quickly."""

        def __getattr__(self, name):
            return partial(_call_structure, name)

    def _call_structure(name, *arguments):
        from convcli.kernels import structures

        return getattr(structures, name)(*arguments)

    structures = _LateStructures()


class Preset(NamedTuple):
    """A named family of kernels. build: takes a value for each parameter of the signature, in order."""

    name: str
    summary: str
    build: "Callable[..., Structure]"
    signature: tuple[Parameter, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The name and the default of each parameter, in order."""
        return {parameter.name: parameter.default for parameter in self.signature}

    @property
    def usage(self) -> str:
        """The name with all parameters and their defaults: ``gaussian:sigma=1,radius=int(4*sigma+0.5)``."""
        parameters = ",".join(f"{name}={default}" for name, default in self.parameters.items())
        return f"{self.name}:{parameters}" if parameters else self.name


_SIZE = Parameter("size", "3", COUNT)
_SIGMA = Parameter("sigma", "1", POSITIVE)
_RADIUS = Parameter(name="radius", default="int(4*sigma+0.5)", domain=WHOLE, is_derived=True)
_ANGLE = Parameter("angle", "0", FINITE)
_FACING = Parameter("direction", "n", DIRECTION)
_GAUSSIAN = (
    _SIGMA,
    _RADIUS,
    Parameter(name="sigma_y", default="sigma", domain=NOT_NEGATIVE, is_derived=True),
    Parameter(name="sigma_x", default="sigma", domain=NOT_NEGATIVE, is_derived=True),
    _ANGLE,
)

_DIFFERENCE = (-1, 0, 1)
_CENTRE = (0, 1, 0)
_ONES = (1, 1, 1)
_FARID = (0.0376593171958126, 0.249153396177344, 0.426374573253687, 0.249153396177344, 0.0376593171958126)
_FARID_DIFFERENCE = (-0.109603762960254, -0.276690988455557, 0, 0.276690988455557, 0.109603762960254)


def _gradient_pair(
    name: str,
    source: str,
    smoothing: Sequence[float],
    difference: Sequence[float] = _DIFFERENCE,
    *,
    build: "Callable[..., Structure]" = structures.outer,
    signature: tuple[Parameter, ...] = (),
) -> tuple[Preset, Preset]:
    """Return two presets: a difference along one axis, smoothed along the other."""
    growing_right = partial(build, smoothing, difference)
    growing_down = partial(build, difference, smoothing)
    return (
        Preset(f"{name}-x", f"brightness growing to the right ({source})", growing_right, signature),
        Preset(f"{name}-y", f"brightness growing downwards ({source})", growing_down, signature),
    )


GROUPS: Mapping[str, tuple[Preset, ...]] = {
    "Blur": (
        Preset(
            name="gaussian",
            summary="a Gaussian blur; the angle rotates its axes counterclockwise, in degrees",
            build=structures.gaussian,
            signature=_GAUSSIAN,
        ),
        Preset(name="blur", summary="another name of gaussian", build=structures.gaussian, signature=_GAUSSIAN),
        Preset(
            name="box",
            summary="the mean of a rectangle",
            build=structures.box,
            signature=(
                Parameter("height", "3", COUNT),
                Parameter(name="width", default="height", domain=COUNT, is_derived=True),
            ),
        ),
        Preset(
            name="binomial",
            summary="a blur by a row of Pascal's triangle",
            build=structures.binomial,
            signature=(_SIZE,),
        ),
        Preset(
            name="disk",
            summary="the mean of a disk",
            build=structures.disk,
            signature=(Parameter("radius", "2", NOT_NEGATIVE),),
        ),
        Preset(
            name="pillbox",
            summary="the mean of a disk, each pixel weighted by its area in the disk",
            build=structures.pillbox,
            signature=(Parameter("radius", "2", POSITIVE),),
        ),
        Preset(
            name="motion",
            summary="a blur along a line, counterclockwise from the x axis in degrees",
            build=structures.motion,
            signature=(Parameter("length", "9", AT_LEAST_1), _ANGLE),
        ),
        Preset(
            name="comet",
            summary="a trail behind a motion, counterclockwise from the x axis in degrees",
            build=structures.comet,
            signature=(Parameter("sigma", "2", POSITIVE), _ANGLE),
        ),
    ),
    "Sharpen and stylise": (
        Preset(
            name="sharpen",
            summary="the image minus amount times its Laplacian",
            build=structures.sharpen,
            signature=(Parameter("amount", "1", FINITE),),
        ),
        Preset(
            name="unsharp",
            summary="the image plus amount times its difference from a Gaussian blur",
            build=structures.unsharp,
            signature=(_SIGMA, Parameter("amount", "1", FINITE)),
        ),
        Preset(
            name="emboss",
            summary="relief lit from the upper left, strength times, added to the image",
            build=structures.emboss,
            signature=(Parameter("strength", "1", FINITE),),
        ),
        Preset(
            name="outline",
            summary="the difference from the eight neighbours",
            build=partial(structures.low_rank, (_CENTRE, (0, 9, 0)), ((-1, -1, -1), _ONES)),
        ),
    ),
    "Brightness that grows in a direction": (
        *_gradient_pair(
            "sobel",
            "Sobel and Feldman, 1968",
            (1, 2, 1),
            build=structures.sobel,
            signature=(Parameter("size", "3", ODD_FROM_3),),
        ),
        *_gradient_pair("prewitt", "Prewitt, 1970", _ONES),
        *_gradient_pair("scharr", "Scharr, 2000", (3, 10, 3)),
        *_gradient_pair("frei-chen", "Frei and Chen, 1977", (1, sqrt(2), 1)),
        *_gradient_pair("farid", "Farid and Simoncelli, 2004", _FARID, _FARID_DIFFERENCE),
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
            summary=f"brightness growing towards {any_of(DIRECTIONS)} (Kirsch, 1971)",
            build=partial(structures.compass, (5, 5, 5, -3, -3, -3, -3, -3)),
            signature=(_FACING,),
        ),
        Preset(
            name="compass",
            summary=f"brightness growing towards {any_of(DIRECTIONS)} (Robinson, 1977)",
            build=partial(structures.compass, (1, 2, 1, 0, -1, -2, -1, 0)),
            signature=(_FACING,),
        ),
        Preset(
            name="gaussian-derivative",
            summary="a derivative of a Gaussian, for growing brightness",
            build=structures.gaussian_derivative,
            signature=(_SIGMA, Parameter("order_y", "0", ORDER), Parameter("order_x", "1", ORDER), _RADIUS),
        ),
    ),
    "Lines, spots and waves": (
        Preset(
            name="laplacian",
            summary="second differences along x and y, weighted with those along the diagonals by alpha",
            build=structures.laplacian,
            signature=(Parameter("alpha", "0", SHARE),),
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
            signature=(_SIGMA, Parameter("ratio", "1.6", ABOVE_1)),
        ),
        Preset(
            name="gabor",
            summary="a wave under a Gaussian, its direction clockwise from the x axis in degrees",
            build=structures.gabor,
            signature=(
                Parameter("wavelength", "8", POSITIVE),
                _ANGLE,
                Parameter(name="sigma", default="wavelength/2", domain=POSITIVE, is_derived=True),
                Parameter("aspect", "1", POSITIVE),
                Parameter("phase", "0", FINITE),
            ),
        ),
    ),
    "Others": (
        Preset(
            name="identity",
            summary="the image itself",
            build=structures.identity,
            signature=(Parameter("size", "3", ODD),),
        ),
        Preset(
            name="pillow",
            summary=f"a filter of Pillow's ImageFilter: {any_of(tuple(PILLOW_FILTERS))}",
            build=structures.pillow,
            signature=(Parameter("filter", "blur", word_among(tuple(PILLOW_FILTERS))),),
        ),
    ),
}

PRESETS: Mapping[str, Preset] = MappingProxyType({one.name: one for group in GROUPS.values() for one in group})


def names_preset(text: str) -> bool:
    """Return whether a text begins with the name of a preset, in upper or lower case; magnitudes count."""
    return text.partition(":")[0].lower() in (*PRESETS, *MAGNITUDES)
