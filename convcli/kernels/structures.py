"""The weights of presets, from their definitions.

A kernel of low rank is defined by its 1-D factors, from which its weights follow; any other kernel by its weights. The
weights are for cross-correlation, which does not flip them. ``x`` runs to the right and ``y`` downwards.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import FloatArray
from convcli.errors import KernelError
from convcli.kernels.pillow_filters import PILLOW_FILTERS

WIDEST_SUPPORT = 4095


class Structure(NamedTuple):
    """Weights ``(kh, kw)`` and a bias.

    factors: pairs ``(u, v)`` whose outer products add up to the weights; none for full rank.
    """

    weights: FloatArray
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()
    bias: float = 0


def low_rank(*factors: tuple[ArrayLike, ArrayLike]) -> Structure:
    """Return the sum of the outer products of columns and rows."""
    pairs = tuple((np.array(u, np.float64), np.array(v, np.float64)) for u, v in factors)
    extent = (len(pairs[0][0]), len(pairs[0][1]))
    return Structure(sum((np.outer(u, v) for u, v in pairs), start=np.zeros(extent)), pairs)


def outer(column: ArrayLike, row: ArrayLike) -> Structure:
    """Return the outer product of a column and a row."""
    return low_rank((column, row))


def full_rank(rows: ArrayLike) -> Structure:
    """Return a kernel of these weights."""
    return Structure(np.array(rows, np.float64))


def identity(size: float) -> Structure:
    """Return a square whose centre is 1."""
    impulse = _impulse(_offsets((size - 1) / 2))
    return low_rank((impulse, impulse))


def box(height: float, width: float | None) -> Structure:
    """Return the mean of a rectangle. Only one factor is divided: each weight is exactly ``1 / (height * width)``."""
    column, row = np.ones(_support(height)), np.ones(_support(height if width is None else width))
    return low_rank((column, row / (column.size * row.size)))


def gaussian(
    sigma: float, radius: float | None, sigma_y: float | None, sigma_x: float | None, angle: float
) -> Structure:
    """Return samples of ``exp(-(x/sigma_x)**2/2 - (y/sigma_y)**2/2)``, normalised to the sum 1.

    The angle rotates the axes ``x`` and ``y`` counterclockwise, in degrees.
    """
    along_y, along_x = (sigma if own is None else own for own in (sigma_y, sigma_x))
    cosine, sine = _cosine_and_sine(angle)
    if along_y == along_x or cosine * sine == 0:
        column, row = (along_y, along_x) if sine == 0 else (along_x, along_y)
        return low_rank((_blur(column, radius), _blur(row, radius)))
    return full_rank(_rotated_gaussian(along_y, along_x, cosine, sine, radius))


def _blur(sigma: float, radius: float | None) -> FloatArray:
    """Return a Gaussian row; one without width is an impulse."""
    return _gaussian_row(sigma, _gaussian_offsets(sigma, radius)) if sigma else np.ones(1)


def _rotated_gaussian(sigma_y: float, sigma_x: float, cosine: float, sine: float, radius: float | None) -> FloatArray:
    if min(sigma_y, sigma_x) == 0:
        raise KernelError("expected sigma_y and sigma_x above 0 for an angle between the axes, given 0")
    right = _gaussian_offsets(math.hypot(sigma_x * cosine, sigma_y * sine), radius)
    up = -_gaussian_offsets(math.hypot(sigma_x * sine, sigma_y * cosine), radius)[:, np.newaxis]
    samples = np.exp(
        -(((right * cosine + up * sine) / sigma_x) ** 2 + ((up * cosine - right * sine) / sigma_y) ** 2) / 2
    )
    weights: FloatArray = samples / samples.sum()
    return weights


def gaussian_derivative(sigma: float, order_y: float, order_x: float, radius: float | None) -> Structure:
    """Return samples of a derivative of a Gaussian. A positive first order responds to growing brightness."""
    offsets = _gaussian_offsets(sigma, radius)
    return low_rank((_derivative_row(sigma, offsets, int(order_y)), _derivative_row(sigma, offsets, int(order_x))))


def binomial(size: float) -> Structure:
    """Return a row of Pascal's triangle, normalised: boxes of two pixels convolved with each other."""
    order = _support(size) - 1
    row = [math.comb(order, k) / 2**order for k in range(order + 1)]
    return low_rank((row, row))


def disk(radius: float) -> Structure:
    """Return the mean of the pixels whose centres are at most ``radius`` away."""
    offsets = _offsets(radius)
    inside = np.hypot(offsets, offsets[:, np.newaxis]) <= radius
    return full_rank(inside / inside.sum())


def pillbox(radius: float) -> Structure:
    """Return the mean of a disk, where each pixel counts by the area of it that lies in the disk."""
    ends = np.append(_offsets(math.ceil(radius - 0.5)) - 0.5, math.ceil(radius - 0.5) + 0.5)
    areas = np.diff(np.diff(_area_in_disk(ends[:, np.newaxis], ends, radius), axis=0), axis=1)
    return full_rank(np.maximum(areas, 0) / areas.sum())


def _area_in_disk(y: FloatArray, x: FloatArray, radius: float) -> FloatArray:
    """Return the area, negative for one negative coordinate, in which the disk meets the rectangle from 0 to (y, x)."""
    height, width = np.minimum(np.abs(y), radius), np.minimum(np.abs(x), radius)
    # To the left of here, the disk is higher than the rectangle.
    corner = np.minimum(np.sqrt(radius**2 - height**2), width)
    area: FloatArray = (
        np.sign(y) * np.sign(x) * (height * corner + _area_below_arc(width, radius) - _area_below_arc(corner, radius))
    )
    return area


def _area_below_arc(x: FloatArray, radius: float) -> FloatArray:
    """Return the integral of ``sqrt(radius**2 - t**2)`` from 0 to x."""
    area: FloatArray = (x * np.sqrt(radius**2 - x**2) + radius**2 * np.arcsin(x / radius)) / 2
    return area


def motion(length: float, angle: float) -> Structure:
    """Return a line ``length`` pixels long: 1 on it, falling to 0 at a distance of 1, normalised to the sum 1.

    The definition is that of MATLAB's fspecial("motion"), except that every distance is to the segment.
    """
    cosine, sine = _cosine_and_sine(angle)
    half = (length - 1) / 2
    x = _offsets(math.ceil(half * abs(cosine)))
    upwards = -_offsets(math.ceil(half * abs(sine)))[:, np.newaxis]
    past_the_end = np.maximum(np.abs(x * cosine + upwards * sine) - half, 0)
    line = np.maximum(1 - np.hypot(upwards * cosine - x * sine, past_the_end), 0)
    return full_rank(line / line.sum())


def comet(sigma: float, angle: float) -> Structure:
    """Return half a Gaussian along a line: a trail behind a motion in the direction of the angle, with the sum 1.

    The weight falls to 0 at a distance of 1 from the line.
    """
    cosine, sine = _cosine_and_sine(angle)
    length = _gaussian_offsets(sigma, None)[-1]
    right = _offsets(math.ceil(length * abs(cosine)))
    up = -_offsets(math.ceil(length * abs(sine)))[:, np.newaxis]
    along = right * cosine + up * sine
    past_the_ends = np.maximum(-along, 0) + np.maximum(along - length, 0)
    near = np.maximum(1 - np.hypot(up * cosine - right * sine, past_the_ends), 0)
    weights = near * np.exp(-((along / sigma) ** 2) / 2)
    return full_rank(weights / weights.sum())


def compass(north: Sequence[int], steps: int) -> Structure:
    """Return a 3x3 mask whose ring, clockwise from the top left, is ``north`` rotated ``steps`` times by 45 degrees."""
    weights = np.zeros((3, 3))
    weights[[0, 0, 0, 1, 2, 2, 2, 1], [0, 1, 2, 2, 2, 1, 0, 0]] = np.roll(north, steps)
    return full_rank(weights)


def sobel(column: Sequence[int], row: Sequence[int], size: float) -> Structure:
    """Return the outer product of a column and a row of three taps, each widened by a binomial to ``size`` taps."""
    binomial = [math.comb(int(size) - 3, k) for k in range(int(size) - 2)]
    return low_rank((np.convolve(column, binomial), np.convolve(row, binomial)))


def laplacian(alpha: float) -> Structure:
    """Return ``(1 - alpha)`` times the Laplacian along the axes plus ``alpha`` times the one along the diagonals.

    Its scale is that of MATLAB's fspecial("laplacian"): 4 divided by ``1 + alpha`` at the centre.
    """
    corner, side, centre = alpha / (1 + alpha), (1 - alpha) / (1 + alpha), -4 / (1 + alpha)
    return low_rank(((1, 0, 1), (corner, side, corner)), ((0, 1, 0), (side, centre, side)))


def sharpen(amount: float) -> Structure:
    """Return the image minus ``amount`` times its Laplacian."""
    return low_rank(((0, 1, 0), (-amount, 1 + 4 * amount, -amount)), ((-amount, 0, -amount), (0, 1, 0)))


def emboss(strength: float) -> Structure:
    """Return the image plus ``strength`` times a relief that is lit from the upper left."""
    return full_rank(strength * np.array([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]]) + np.diag([0, 1, 0]))


def laplacian_of_gaussian(sigma: float, radius: float | None) -> Structure:
    """Return ``g''(y) g(x) + g(y) g''(x)`` (Marr and Hildreth, 1980): negative at the centre, with the sum 0."""
    offsets = _gaussian_offsets(sigma, radius)
    row, second = _gaussian_row(sigma, offsets), _derivative_row(sigma, offsets, 2)
    return low_rank((second, row), (row, second))


def difference_of_gaussians(sigma: float, ratio: float) -> Structure:
    """Return the narrow Gaussian minus the wide one, on the wide one's support, with the sum 0.

    Source: Marr and Hildreth, 1980.
    """
    offsets = _gaussian_offsets(sigma * ratio, None)
    narrow, wide = _gaussian_row(sigma, offsets), _gaussian_row(sigma * ratio, offsets)
    return low_rank((narrow, narrow), (-wide, wide))


def unsharp(sigma: float, amount: float) -> Structure:
    """Return ``image + amount * (image - blurred)`` as a kernel: ``(1 + amount) * impulse - amount * gaussian``."""
    offsets = _gaussian_offsets(sigma, None)
    impulse, row = _impulse(offsets), _gaussian_row(sigma, offsets)
    return low_rank(((1 + amount) * impulse, impulse), (-amount * row, row))


def gabor(wavelength: float, angle: float, sigma: float | None, aspect: float, phase: float) -> Structure:
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
        return low_rank(cosines, sines) if np.outer(*sines).any() else low_rank(cosines)
    along = along_x + along_y[:, np.newaxis]
    across = across_y[:, np.newaxis] - across_x
    return full_rank(_bell(along, across, sigma) * np.cos(frequency * along + shift))


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


def _derivative_row(sigma: float, offsets: FloatArray, order: int) -> FloatArray:
    """Return the derivative of a Gaussian, reversed, because cross-correlation does not flip it.

    The samples of an even derivative within the radius have a small sum; that multiple of the Gaussian is subtracted.
    """
    row = _gaussian_row(sigma, offsets)
    # The derivative is the Gaussian times (-1)**order times a Hermite polynomial, which is odd for odd orders.
    before, hermite = np.zeros_like(row), np.ones_like(row)
    for k in range(order):
        before, hermite = hermite, offsets / sigma * hermite - k * before
    sampled = hermite * row / sigma**order
    surplus = sampled.sum() if order and order % 2 == 0 else 0.0
    derivative: FloatArray = sampled - surplus * row
    return derivative


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


def pillow(name: str) -> Structure:
    """Return a filter of Pillow's ImageFilter."""
    rows, divisor, bias = PILLOW_FILTERS[name]
    return full_rank(np.array(rows) / divisor)._replace(bias=bias)
