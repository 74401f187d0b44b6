"""Kernels by name: ``sobel-x``, ``gaussian:2``, ``motion:9,45``.

A kernel of low rank is defined by its 1-D factors, from which its weights follow; any other kernel by its weights. The
weights are for cross-correlation, which does not flip them. ``x`` runs to the right and ``y`` downwards.

To add a preset: write the function that builds it, list it in ``_ALL``, and add its rows to the tests.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import KernelError
from convcli.kernels.kernel import Kernel
from convcli.text import did_you_mean, real

WIDEST_SUPPORT = 4095
DIRECTIONS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")


class Domain(NamedTuple):
    """The values that a parameter may have.

    description: describes the values in errors.  convert: returns the value of a text, or raises ValueError.
    """

    description: str
    convert: Callable[[str], Any]


class Parameter(NamedTuple):
    """One parameter of a preset.

    default: the text of its default value.
    is_derived: whether the default is a formula of the other parameters; the builder then receives None.
    """

    name: str
    default: str
    domain: Domain
    is_derived: bool = False


class Structure(NamedTuple):
    """Weights ``(kh, kw)``, and factors ``(u, v)`` whose outer products add up to them; no factors for full rank."""

    weights: FloatArray
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()


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
        arguments = _arguments(family.signature, parameters.split(",") if colon else [])
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


def _arguments(signature: tuple[Parameter, ...], given: list[str]) -> list[Any]:
    if len(given) > len(signature):
        raise KernelError(f"expected at most {len(signature)} parameters, given {len(given)}")
    missing = signature[len(given) :]
    return [
        *map(_convert, signature, given),
        *(None if parameter.is_derived else _convert(parameter, parameter.default) for parameter in missing),
    ]


def _convert(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.domain.convert(text)
    except ValueError:
        expected = f"{parameter.name} to be {parameter.domain.description}"
        raise KernelError(f"expected {expected}, given {text!r}") from None


def _build(family: Preset, arguments: list[Any]) -> Structure:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        structure = family.build(*arguments)
    if first_non_finite(structure.weights) is not None or not structure.weights.any():
        raise KernelError("expected parameters that give finite weights, not all of them 0")
    return structure


def _low_rank(*factors: tuple[ArrayLike, ArrayLike]) -> Structure:
    """Return the sum of the outer products of columns and rows."""
    pairs = tuple((np.array(u, np.float64), np.array(v, np.float64)) for u, v in factors)
    extent = (len(pairs[0][0]), len(pairs[0][1]))
    return Structure(sum((np.outer(u, v) for u, v in pairs), start=np.zeros(extent)), pairs)


def _full_rank(rows: ArrayLike) -> Structure:
    return Structure(np.array(rows, np.float64))


def _identity(size: float) -> Structure:
    impulse = _impulse(_offsets((size - 1) / 2))
    return _low_rank((impulse, impulse))


def _box(size: float) -> Structure:
    """Return the mean of a square. Only one factor is divided, so that each weight is exactly ``1 / size**2``."""
    ones = np.ones(_support(size))
    return _low_rank((ones, ones / ones.size**2))


def _gaussian(sigma: float, radius: float | None) -> Structure:
    """Return samples of ``exp(-(x**2 + y**2) / (2 sigma**2))`` up to ``radius``, normalised to the sum 1."""
    row = _gaussian_row(sigma, _gaussian_offsets(sigma, radius))
    return _low_rank((row, row))


def _binomial(size: float) -> Structure:
    """Return a row of Pascal's triangle, normalised: boxes of two pixels convolved with each other."""
    order = _support(size) - 1
    row = [math.comb(order, k) / 2**order for k in range(order + 1)]
    return _low_rank((row, row))


def _disk(radius: float) -> Structure:
    """Return the mean of the pixels whose centres are at most ``radius`` away."""
    offsets = _offsets(radius)
    inside = np.hypot(offsets, offsets[:, np.newaxis]) <= radius
    return _full_rank(inside / inside.sum())


def _motion(length: float, angle: float) -> Structure:
    """Return a line ``length`` pixels long: 1 on it, falling to 0 at a distance of 1, normalised to the sum 1.

    The definition is that of MATLAB's fspecial("motion"), except that every distance is to the segment.
    """
    cosine, sine = _cosine_and_sine(angle)
    half = (length - 1) / 2
    x = _offsets(math.ceil(half * abs(cosine)))
    upwards = -_offsets(math.ceil(half * abs(sine)))[:, np.newaxis]
    past_the_end = np.maximum(np.abs(x * cosine + upwards * sine) - half, 0)
    line = np.maximum(1 - np.hypot(upwards * cosine - x * sine, past_the_end), 0)
    return _full_rank(line / line.sum())


def _compass(north: Sequence[int], steps: int) -> Structure:
    """Return a 3x3 mask whose ring, clockwise from the top left, is ``north`` rotated ``steps`` times by 45 degrees."""
    weights = np.zeros((3, 3))
    weights[[0, 0, 0, 1, 2, 2, 2, 1], [0, 1, 2, 2, 2, 1, 0, 0]] = np.roll(north, steps)
    return _full_rank(weights)


def _laplacian_of_gaussian(sigma: float, radius: float | None) -> Structure:
    """Return ``g''(y) g(x) + g(y) g''(x)`` (Marr and Hildreth, 1980): negative at the centre, with the sum 0.

    The samples of ``g''`` within the radius have a small sum; that multiple of ``g`` is subtracted from them.
    """
    offsets = _gaussian_offsets(sigma, radius)
    row = _gaussian_row(sigma, offsets)
    sampled = ((offsets / sigma) ** 2 - 1) * row / sigma / sigma
    second = sampled - sampled.sum() * row
    return _low_rank((second, row), (row, second))


def _difference_of_gaussians(sigma: float, ratio: float) -> Structure:
    """Return the narrow Gaussian minus the wide one, on the wide one's support, with the sum 0.

    Source: Marr and Hildreth, 1980.
    """
    offsets = _gaussian_offsets(sigma * ratio, None)
    narrow, wide = _gaussian_row(sigma, offsets), _gaussian_row(sigma * ratio, offsets)
    return _low_rank((narrow, narrow), (-wide, wide))


def _unsharp(sigma: float, amount: float) -> Structure:
    """Return ``image + amount * (image - blurred)`` as a kernel: ``(1 + amount) * impulse - amount * gaussian``."""
    offsets = _gaussian_offsets(sigma, None)
    impulse, row = _impulse(offsets), _gaussian_row(sigma, offsets)
    return _low_rank(((1 + amount) * impulse, impulse), (-amount * row, row))


def _gabor(wavelength: float, angle: float, sigma: float | None, aspect: float, phase: float) -> Structure:
    """Return a wave under a Gaussian (Daugman, 1985) with the peak 1, oriented as in OpenCV's getGaborKernel.

    ``exp(-(a**2 + aspect**2 * c**2) / (2 sigma**2)) * cos(2 pi a / wavelength + phase)``, where
    ``a = x cos(angle) + y sin(angle)`` and ``c = -x sin(angle) + y cos(angle)``, with ``x`` and ``y`` counted
    from the centre to the left and upwards: the wave's direction rotates clockwise as the angle grows. The angle
    and the phase are in degrees. The support reaches three standard deviations.
    """
    sigma = wavelength / 2 if sigma is None else sigma
    cosine, sine = _cosine_and_sine(angle)
    x = -_offsets(np.rint(3 * max(abs(sigma * cosine), abs(sigma / aspect * sine))))
    y = -_offsets(np.rint(3 * max(abs(sigma * sine), abs(sigma / aspect * cosine))))
    along_x, along_y = x * cosine, y * sine
    across_x, across_y = aspect * x * sine, aspect * y * cosine
    frequency, shift = 2 * np.pi / wavelength, math.radians(phase)
    if cosine * sine * (1 - aspect) == 0:
        column, row = _bell(along_y, across_y, sigma), _bell(along_x, across_x, sigma)
        # cos(p + q) = cos p cos q - sin p sin q
        cosines = column * np.cos(frequency * along_y), row * np.cos(frequency * along_x + shift)
        sines = -column * np.sin(frequency * along_y), row * np.sin(frequency * along_x + shift)
        return _low_rank(cosines, sines) if np.outer(*sines).any() else _low_rank(cosines)
    along = along_x + along_y[:, np.newaxis]
    across = across_y[:, np.newaxis] - across_x
    return _full_rank(_bell(along, across, sigma) * np.cos(frequency * along + shift))


def _bell(along: FloatArray, across: FloatArray, sigma: float) -> FloatArray:
    bell: FloatArray = np.exp(-((along / sigma) ** 2 + (across / sigma) ** 2) / 2)
    return bell


def _gaussian_offsets(sigma: float, radius: float | None) -> FloatArray:
    """Return the offsets up to ``radius``; by default four standard deviations, as in scipy.ndimage.gaussian_filter."""
    return _offsets(4 * sigma + 0.5 if radius is None else radius)


def _gaussian_row(sigma: float, offsets: FloatArray) -> FloatArray:
    samples = np.exp(-((offsets / sigma) ** 2) / 2)
    row: FloatArray = samples / samples.sum()
    return row


def _impulse(offsets: FloatArray) -> FloatArray:
    return np.where(offsets == 0, 1.0, 0.0)


def _offsets(radius: float) -> FloatArray:
    """Return the distances from the centre, ``-r .. r`` for the whole part ``r`` of ``radius``."""
    width = _support(2 * np.floor(radius) + 1)
    return np.arange(width, dtype=np.float64) - width // 2


def _support(width: float) -> int:
    if not width <= WIDEST_SUPPORT:
        raise KernelError(f"expected a kernel at most {WIDEST_SUPPORT} wide, given {width:.15g}")
    return int(width)


def _cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Return the cosine and the sine, rounded so that a right angle has a cosine of exactly 0."""
    radians = math.radians(degrees)
    return round(math.cos(radians), 15), round(math.sin(radians), 15)


def _number(accepts: Callable[[float], bool]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = real(text)
        if not (math.isfinite(value) and accepts(value)):
            raise ValueError
        return value

    return convert


_FINITE = Domain("a finite number", _number(lambda value: True))
_POSITIVE = Domain("a number above 0", _number(lambda value: value > 0))
_NOT_NEGATIVE = Domain("a number of at least 0", _number(lambda value: value >= 0))
_AT_LEAST_1 = Domain("a number of at least 1", _number(lambda value: value >= 1))
_ABOVE_1 = Domain("a number above 1", _number(lambda value: value > 1))
_WHOLE = Domain("a whole number of at least 0", _number(lambda value: value >= 0 and value % 1 == 0))
_COUNT = Domain("a whole number of at least 1", _number(lambda value: value >= 1 and value % 1 == 0))
_ODD = Domain("an odd number of at least 1", _number(lambda value: value >= 1 and value % 2 == 1))
_DIRECTION = Domain(f"one of {', '.join(DIRECTIONS)}", DIRECTIONS.index)

_SIZE = Parameter("SIZE", "3", _COUNT)
_SIGMA = Parameter("SIGMA", "1", _POSITIVE)
_RADIUS = Parameter(name="RADIUS", default="int(4*SIGMA + 0.5)", domain=_WHOLE, is_derived=True)
_ANGLE = Parameter("ANGLE", "0", _FINITE)
_FACING = Parameter("DIRECTION", "n", _DIRECTION)

_DIFFERENCE = (-1, 0, 1)
_CENTRE = (0, 1, 0)
_CURVATURE = (1, -2, 1)
_ONES = (1, 1, 1)


def _gradient_pair(name: str, smoothing: tuple[int, ...], source: str) -> tuple[Preset, Preset]:
    """Return two presets: a difference along one axis, smoothed along the other."""
    growing_right = partial(_low_rank, (smoothing, _DIFFERENCE))
    growing_down = partial(_low_rank, (_DIFFERENCE, smoothing))
    return (
        Preset(f"{name}-x", f"brightness growing to the right ({source})", growing_right),
        Preset(f"{name}-y", f"brightness growing downwards ({source})", growing_down),
    )


_ALL = (
    Preset(name="identity", summary="the image itself", build=_identity, signature=(Parameter("SIZE", "3", _ODD),)),
    Preset(name="box", summary="the mean of a square", build=_box, signature=(_SIZE,)),
    Preset(name="gaussian", summary="a Gaussian blur", build=_gaussian, signature=(_SIGMA, _RADIUS)),
    Preset(name="binomial", summary="a blur by a row of Pascal's triangle", build=_binomial, signature=(_SIZE,)),
    Preset(
        name="disk",
        summary="the mean of a disk",
        build=_disk,
        signature=(Parameter("RADIUS", "2", _NOT_NEGATIVE),),
    ),
    Preset(
        name="motion",
        summary="a blur along a line, counterclockwise from the x axis in degrees",
        build=_motion,
        signature=(Parameter("LENGTH", "9", _AT_LEAST_1), _ANGLE),
    ),
    *_gradient_pair("sobel", (1, 2, 1), "Sobel and Feldman, 1968"),
    *_gradient_pair("prewitt", _ONES, "Prewitt, 1970"),
    *_gradient_pair("scharr", (3, 10, 3), "Scharr, 2000"),
    Preset(
        name="roberts-x",
        summary="brightness falling to the lower right (Roberts, 1963)",
        build=partial(_full_rank, ((1, 0), (0, -1))),
    ),
    Preset(
        name="roberts-y",
        summary="brightness falling to the lower left (Roberts, 1963)",
        build=partial(_full_rank, ((0, 1), (-1, 0))),
    ),
    Preset(
        name="kirsch",
        summary="brightness growing in a direction (Kirsch, 1971)",
        build=partial(_compass, (5, 5, 5, -3, -3, -3, -3, -3)),
        signature=(_FACING,),
    ),
    Preset(
        name="compass",
        summary="brightness growing in a direction (Robinson, 1977)",
        build=partial(_compass, (1, 2, 1, 0, -1, -2, -1, 0)),
        signature=(_FACING,),
    ),
    Preset(
        name="laplacian",
        summary="second differences along x and y",
        build=partial(_low_rank, (_CURVATURE, _CENTRE), (_CENTRE, _CURVATURE)),
    ),
    Preset(
        name="laplacian8",
        summary="second differences along x, y and both diagonals",
        build=partial(_low_rank, (_ONES, _ONES), (_CENTRE, (0, -9, 0))),
    ),
    Preset(
        name="log", summary="the Laplacian of a Gaussian", build=_laplacian_of_gaussian, signature=(_SIGMA, _RADIUS)
    ),
    Preset(
        name="dog",
        summary="a narrow Gaussian minus a wide one",
        build=_difference_of_gaussians,
        signature=(_SIGMA, Parameter("RATIO", "1.6", _ABOVE_1)),
    ),
    Preset(
        name="sharpen",
        summary="the image minus its Laplacian",
        build=partial(_low_rank, (_CENTRE, (-1, 5, -1)), ((-1, 0, -1), _CENTRE)),
    ),
    Preset(
        name="unsharp",
        summary="the image plus AMOUNT times its difference from a Gaussian blur",
        build=_unsharp,
        signature=(_SIGMA, Parameter("AMOUNT", "1", _FINITE)),
    ),
    Preset(
        name="emboss",
        summary="relief lit from the upper left, added to the image",
        build=partial(_full_rank, ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
    ),
    Preset(
        name="outline",
        summary="the difference from the eight neighbours",
        build=partial(_low_rank, (_CENTRE, (0, 9, 0)), ((-1, -1, -1), _ONES)),
    ),
    Preset(
        name="gabor",
        summary="a wave under a Gaussian, its direction clockwise from the x axis in degrees",
        build=_gabor,
        signature=(
            Parameter("WAVELENGTH", "8", _POSITIVE),
            _ANGLE,
            Parameter(name="SIGMA", default="WAVELENGTH/2", domain=_POSITIVE, is_derived=True),
            Parameter("ASPECT", "1", _POSITIVE),
            Parameter("PHASE", "0", _FINITE),
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({one.name: one for one in _ALL})
