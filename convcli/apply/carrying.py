"""Carry the metadata of an image to an output: what changes with the pixels, and what the format cannot hold."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convcli.apply.combining import Filter, PlannedFilter
from convcli.convolution.layers import Layer
from convcli.convolution.request import Request
from convcli.pictures.formats import Format
from convcli.pictures.georeference import Grid
from convcli.pictures.image import Metadata
from convcli.pictures.profiles import is_like_srgb


class Carried(NamedTuple):
    """The metadata of an output. warnings: what is lost with the meaning of the picture.  notes: other changes."""

    metadata: Metadata
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def carried_metadata(
    metadata: Metadata, planned: PlannedFilter, format: Format, channels: int, *, same_units: bool, same_bands: bool
) -> Carried:
    """Return the metadata of an output of this format, whose files have so many channels.

    same_units: whether its numbers stand for what those of the input stand for.
    same_bands: whether its channels are those of the input.
    """
    changed = Carried(metadata)
    if metadata.geo and "geo" in format.metadata:
        changed = _on_grid(changed, planned)
    if metadata.gdal and "gdal" in format.metadata:
        changed = _of_output(changed, same_units=same_units, same_bands=same_bands)
    losses = format.metadata_losses(changed.metadata, channels)
    lost = [*_meanings(metadata, losses, format)]
    warnings = (*changed.warnings, *(losses[field] for field in lost))
    notes = (*changed.notes, *(loss for field, loss in losses.items() if field not in lost))
    return Carried(changed.metadata, warnings, notes)


def _on_grid(carried: Carried, planned: PlannedFilter) -> Carried:
    assert carried.metadata.geo
    first, *others = _grids(planned)
    if others:
        loss = "the georeference is dropped: the maps of the combined kernels lie on different pixels"
        return Carried(carried.metadata._replace(geo=None), (loss,))
    if first == Grid():
        return carried
    note = (
        f"the georeference is adjusted: pixels are {first.down:g} x {first.across:g} pixels of the image apart, "
        f"the first at row {first.top:g}, column {first.left:g}"
    )
    return Carried(carried.metadata._replace(geo=carried.metadata.geo.on(first)), notes=(note,))


def _grids(planned: PlannedFilter) -> set[Grid]:
    return {Grid(rows.first, columns.first, rows.step, columns.step) for rows, columns in planned.places}


def _of_output(carried: Carried, *, same_units: bool, same_bands: bool) -> Carried:
    gdal = carried.metadata.gdal
    assert gdal
    kept = gdal.of_output(same_units=same_units, same_bands=same_bands)
    is_lost = (kept.units if kept else 0) < gdal.units
    return Carried(carried.metadata._replace(gdal=kept), (*carried.warnings, *[_UNITS] * is_lost), carried.notes)


_UNITS = "GDAL's nodata value, scale, offset and unit are dropped: the numbers of the output stand for something else"


def _meanings(metadata: Metadata, losses: dict[str, str], format: Format) -> Iterator[str]:
    """Yield the fields without which the picture has another meaning.

    Gray levels have the same meaning without a profile for colours, if its curve is about that of sRGB. An array is no
    picture.
    """
    if format.is_array:
        return
    if "icc" in losses and ("icc" not in format.metadata or not is_like_srgb(metadata.icc)):
        yield "icc"
    if "geo" in losses:
        yield "geo"


def keeps_units(request: Filter) -> bool:
    """Return whether each number of the maps is a mean of numbers of the image, by weights that sum to 1."""
    is_mean = isinstance(request, Request) or bool(np.isclose(request.gain, 1))
    return is_mean and all(_averages(one.convolution) for one in request.requests)


def _averages(layer: Layer) -> bool:
    return layer.bias is None and bool(np.allclose(layer.weights.sum(layer.window_axes), layer.spread))
