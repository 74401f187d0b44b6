"""Overlap-save: convolve tile by tile as a product of spectra, for large kernels.

A tile of F x F padded pixels gives (F - reach + 1)^2 outputs at stride 1, those whose windows lie within it.

    Z_tile = first outputs of  IDFT( sum over l of DFT(V'_l - c) conj(DFT(K_il)) )  +  c sum K_i

A mean c of the tile is subtracted first, so that rounding errors depend on the variation of the image, not on its
brightness. What remains is the error of the transforms: about the float's epsilon times log2(F^2) times
|V'_tile - c| |K|, in the Euclidean norm. It does not become smaller where Z is small.

What a tile adds to dK is the convolution of the tile with its part of G
(``convcli.engine.tiles.gradient_as_convolution``). So it is computed in the same way, with the same rounding.
"""

from math import log2
from typing import Final

import numpy as np

from convcli.arrays import Array, ComplexArray, FloatArray
from convcli.engine.calibration import TRANSFORM
from convcli.engine.costs import calls_seconds, elementwise_seconds
from convcli.engine.interface import Estimate, Fill, Refusal, TileGradient, Weights, Workload
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, gradient_as_convolution
from convcli.geometry.axes import Axis, Geometry

# One of so many rows and columns gives the mean of a tile.
SAMPLED = 8
SIDES = (64, 96, 128, 192, 256, 320, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
# With its default norm, NumPy scales by the integer 1, and so transforms float32 in double precision. The norm that
# divides by the square root in both directions stays in float32, and is five times as fast.
NORM: Final = "ortho"


def estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost with the fastest tile size; refuse small kernels, which other algorithms compute exactly."""
    return _fastest(work, transforms=work.geometry.in_channels + work.geometry.out_channels)


def kernel_gradient_estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost with the fastest tile size: V, G and every pair of their channels are transformed."""
    inputs, outputs = work.geometry.in_channels, work.geometry.out_channels
    return _fastest(work, transforms=inputs + outputs + inputs * outputs)


def _fastest(work: Workload, transforms: int) -> Estimate | Refusal:
    """Return the estimate with the fastest tile size, for so many transforms per tile and group."""
    geometry = work.geometry
    taps = geometry.rows.taps * geometry.columns.taps
    least = work.limits.transform_taps
    if taps < least:
        return Refusal(f"{taps} tap{'s' * (taps != 1)}, below {least}: a product of spectra would only add rounding")
    sides = [side for side in SIDES if side >= max(geometry.rows.reach, geometry.columns.reach)]
    estimates = [_estimate(work, side, transforms) for side in sides]
    fitting = [found for found in estimates if found.workspace <= work.memory]
    if not fitting:
        return Refusal(f"no tile of at most {SIDES[-1]} pixels a side holds its kernel within {work.memory:,} bytes")
    return min(fitting, key=lambda found: found.seconds)


def _estimate(work: Workload, side: int, transforms: int) -> Estimate:
    geometry, transforms = work.geometry, transforms * work.geometry.groups
    rows, columns = _outputs(geometry.rows, side), _outputs(geometry.columns, side)
    size = TileSize(1, min(rows, geometry.rows.output), min(columns, geometry.columns.output))
    tiles = size.number(geometry)
    spectra = geometry.groups * geometry.in_channels * geometry.out_channels
    moved = 3 * tiles * spectra * side**2 * work.itemsize
    seconds = (
        tiles * transforms * side**2 * log2(side**2) * TRANSFORM * work.itemsize / 4
        + elementwise_seconds(moved)
        + calls_seconds(tiles * (12 + spectra))
    )
    # The tile, the tile without its mean or the result, a spectrum, and a copy of that which the transform makes. All
    # threads use one copy of the spectra of weights.
    workspace = (3 * transforms + spectra) * side**2 * work.itemsize
    return Estimate(
        size,
        seconds,
        int(tiles * spectra * side**2),
        moved,
        workspace,
        {"side": side},
        exact=False,
        spreads=True,
        mixes=True,
    )


def _outputs(axis: Axis, side: int) -> int:
    return (side - axis.reach) // axis.stride + 1


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    geometry, side = work.geometry, chosen.blocks["side"]
    K = _dilated(weights.K.astype(work.dtype, copy=False), geometry)
    spectra = np.fft.rfft2(K, s=(side, side), norm=NORM)
    spectra *= side
    np.conjugate(spectra, out=spectra)
    sums = weights.K.sum(axis=(-1, -2), dtype=np.float64).astype(work.dtype)
    y, x = geometry.rows.stride, geometry.columns.stride

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        # The mean of a few pixels does. Row by row, because the order of a sum over both axes depends on how the tile
        # lies in memory.
        sample = tile[..., ::SAMPLED, ::SAMPLED]
        means = sample.mean(axis=-1, keepdims=True).mean(axis=-2, keepdims=True)
        centred = np.subtract(tile, means, out=scratch.array(tile.shape, tile.dtype))
        everything = _inverse(_multiply(_transform(centred, side, scratch), spectra, scratch), scratch)
        kept = everything[..., : (out.shape[-2] - 1) * y + 1 : y, : (out.shape[-1] - 1) * x + 1 : x]
        np.add(kept, np.matmul(sums, means[..., 0])[..., None], out=out)

    return run


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Return the function that computes what a padded tile and its part of G add to dK."""

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        convolution = gradient_as_convolution(work.geometry, tile, upstream)
        fill = runner(Weights(convolution.K), work._replace(geometry=convolution.geometry), chosen)
        fill(convolution.V, convolution.Z, scratch)
        return convolution.dK

    return run


def _transform(tile: FloatArray, side: int, scratch: Scratch) -> ComplexArray:
    """Return the real Fourier transform of a tile that is extended by zeros."""
    spectrum = scratch.array((*tile.shape[:3], side, side // 2 + 1), np.result_type(tile, np.complex64))
    height = tile.shape[-2]
    np.fft.rfft(tile, side, axis=-1, norm=NORM, out=spectrum[..., :height, :])
    spectrum[..., height:, :] = 0
    return np.fft.fft(spectrum, axis=-2, norm=NORM, out=spectrum)


def _multiply(spectrum: ComplexArray, spectra: ComplexArray, scratch: Scratch) -> ComplexArray:
    """Return spectra (groups, C_out, C_in, ...) times those of images (images, groups, C_in, ...), summed over C_in."""
    out_channels, in_channels = spectra.shape[1:3]
    if in_channels == out_channels == 1:
        return np.multiply(spectrum, spectra[:, 0], out=spectrum)
    shape = (*spectrum.shape[:2], out_channels, *spectrum.shape[3:])
    return np.einsum("nglac,gilac->ngiac", spectrum, spectra, out=scratch.array(shape, spectrum.dtype))


def _inverse(spectrum: ComplexArray, scratch: Scratch) -> FloatArray:
    """Return the inverse transform of a spectrum, a real tile. The spectrum is overwritten."""
    side = spectrum.shape[-2]
    back: Array = scratch.array((*spectrum.shape[:3], side, side), spectrum.real.dtype)
    np.fft.ifft(spectrum, axis=-2, norm=NORM, out=spectrum)
    return np.fft.irfft(spectrum, side, norm=NORM, out=back)


def _dilated(weights: FloatArray, geometry: Geometry) -> FloatArray:
    """Return the weights with zeros between their taps."""
    spread = np.zeros((*weights.shape[:3], geometry.rows.reach, geometry.columns.reach), weights.dtype)
    spread[..., :: geometry.rows.dilation, :: geometry.columns.dilation] = weights
    return spread
