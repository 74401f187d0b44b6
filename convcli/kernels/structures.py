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

WIDEST_SUPPORT = 4095


class Structure(NamedTuple):
    """Weights ``(kh, kw)``, and factors ``(u, v)`` whose outer products add up to them; no factors for full rank."""

    weights: FloatArray
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()


def low_rank(*factors: tuple[ArrayLike, ArrayLike]) -> Structure:
    """Return the sum of the outer products of columns and rows."""
    pairs = tuple((np.array(u, np.float64), np.array(v, np.float64)) for u, v in factors)
    extent = (len(pairs[0][0]), len(pairs[0][1]))
    return Structure(sum((np.outer(u, v) for u, v in pairs), start=np.zeros(extent)), pairs)


def full_rank(rows: ArrayLike) -> Structure:
    """Return a kernel of these weights."""
    return Structure(np.array(rows, np.float64))


def identity(size: float) -> Structure:
    """Return a square whose centre is 1."""
    impulse = _impulse(_offsets((size - 1) / 2))
    return low_rank((impulse, impulse))


def box(size: float) -> Structure:
    """Return the mean of a square. Only one factor is divided, so that each weight is exactly ``1 / size**2``."""
    ones = np.ones(_support(size))
    return low_rank((ones, ones / ones.size**2))


def gaussian(sigma: float, radius: float | None) -> Structure:
    """Return samples of ``exp(-(x**2 + y**2) / (2 sigma**2))`` up to ``radius``, normalised to the sum 1."""
    row = _gaussian_row(sigma, _gaussian_offsets(sigma, radius))
    return low_rank((row, row))


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


def compass(north: Sequence[int], steps: int) -> Structure:
    """Return a 3x3 mask whose ring, clockwise from the top left, is ``north`` rotated ``steps`` times by 45 degrees."""
    weights = np.zeros((3, 3))
    weights[[0, 0, 0, 1, 2, 2, 2, 1], [0, 1, 2, 2, 2, 1, 0, 0]] = np.roll(north, steps)
    return full_rank(weights)


def laplacian_of_gaussian(sigma: float, radius: float | None) -> Structure:
    """Return ``g''(y) g(x) + g(y) g''(x)`` (Marr and Hildreth, 1980): negative at the centre, with the sum 0.

    The samples of ``g''`` within the radius have a small sum; that multiple of ``g`` is subtracted from them.
    """
    offsets = _gaussian_offsets(sigma, radius)
    row = _gaussian_row(sigma, offsets)
    sampled = ((offsets / sigma) ** 2 - 1) * row / sigma / sigma
    second = sampled - sampled.sum() * row
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
