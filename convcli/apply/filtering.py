"""Filter a picture with a kernel: plan the output, then filter the pixels.

A ``FilterPlan`` is made from an image's header alone. It holds everything but the pixels: the convolution with its
geometry and algorithm, and the shape, type and range of the output.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import isclose, prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.apply.appearance import (
    Appearance,
    brightest_level,
    depth_of,
    input_type,
    network_input,
    prepare_header,
    prepare_image,
    white_doubts,
    white_of,
)
from convcli.apply.carrying import Carried, carried_metadata, keeps_units
from convcli.apply.combining import Filter, PlannedFilter
from convcli.apply.defaults import alpha_rule, mixes_pixels, range_and_gain
from convcli.apply.hidden_colours import spread_visible_colours
from convcli.apply.pixels import Clipping, Produce, all_warnings, clipping_of, to_floats, to_pixels
from convcli.apply.transparency import filter_with_alpha, require_fit
from convcli.apply.writers import WRITERS, NamedMaps
from convcli.arrays import Array, channels_of
from convcli.convolution.layers import Layer
from convcli.convolution.relu import storing_relu
from convcli.engine import Store, Tally
from convcli.engine.levels import MapStatistics
from convcli.errors import GeometryError, OptionError
from convcli.files.large_arrays import Empty, interleaved, large_empty
from convcli.files.whole_files import IfExists, write_atomically
from convcli.geometry.axes import Geometry
from convcli.layouts import CHANNEL_MAJOR, Layout, Layouts
from convcli.pictures.formats import Coding, Format
from convcli.pictures.image import Header, Image, Metadata
from convcli.pictures.light import to_codes
from convcli.pictures.profiles import is_like_srgb
from convcli.pictures.writing import DEFAULT_CODING, FrameWriter, write_image
from convcli.text import any_of
from convcli.values import frozen_value

# A kernel whose weights add up to more makes an image visibly brighter.
MOST_GAIN = 1.01


class OutputSpec(NamedTuple):
    """An output that will be written: maps of a type, with or without alpha.

    shape: ``(C_out, OH, OW)``; in an array, the shape of Z.
    mode: how numbers become levels (``convcli.apply.pixels``), or ``raw`` for floats.
    gain: the factor that numbers are multiplied by before they become levels.
    layout: the order of the axes in the file of an array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    mode: str
    alpha: bool
    gain: float = 1.0
    layout: Layout = CHANNEL_MAJOR

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        return self.layout.order(self.shape)

    @property
    def maps(self) -> int:
        """The number of maps."""
        return prod(self.shape[:-2])


class FilterPlan(NamedTuple):
    """The plan of filtering an image of known shape and type with a kernel, or with several combined.

    alpha: the rule for alpha, if the image has it.
    """

    request: Filter
    planned: PlannedFilter
    appearance: Appearance
    alpha: str
    format: Format
    output: OutputSpec

    @property
    def geometry(self) -> Geometry:
        """The geometry of the convolution."""
        return self.planned.geometry

    @property
    def spreads_colours(self) -> bool:
        """Return whether hidden colours are replaced first. A format without alpha shows them."""
        chosen = self.appearance.alpha == "auto" and self.alpha == "keep"
        return chosen and self.output.alpha and mixes_pixels(self.request)


def plan_filter(request: Filter, header: Header, appearance: Appearance, format: Format) -> FilterPlan:
    """Plan the filtering of an image with this header, for a file of this format.

    Raises GeometryError if the kernel does not fit the image, OptionError if the format or the rule for alpha does not
    fit the kernel, or if the image has no gray.
    """
    computed = request.computing_type(input_type(header, appearance))
    header = prepare_header(header, appearance)
    request = request.each(lambda one: one.suited_to(header.shape, picture=header.is_picture))
    planned = request.at(header.shape, computed)
    alpha = alpha_rule(appearance.alpha, request)
    require_fit(alpha, request, alpha=header.alpha)
    mode, gain = range_and_gain(appearance.range, request, header, format)
    output = _output_spec(header, planned.output_shape, computed, format, mode, gain)
    if format.is_array:
        output = output._replace(layout=appearance.layout)
    return FilterPlan(request, planned, appearance, alpha, format, output)


def _output_spec(
    header: Header, output_shape: tuple[int, ...], computed: np.dtype[Any], format: Format, mode: str, gain: float
) -> OutputSpec:
    count, (rows, columns) = prod(output_shape[:-2]), output_shape[-2:]
    format.require_writable()
    format.require_size(rows, columns)
    if format.is_array:
        shape = output_shape
    elif len(header.shape) > 3:
        raise GeometryError(f"a {format.name} holds one image, given a batch {header.shape}: use npy, or one image")
    else:
        shape = (count, rows, columns)
    if mode != "raw":
        alpha = header.alpha and format.holds_alpha
        depth = depth_of(header.dtype)
        most = depth if format.is_array else format.max_depth(format.maps_per_file(count), alpha=alpha)
        return OutputSpec(shape, np.dtype(np.uint16 if min(depth, most) == 16 else np.uint8), mode, alpha, gain)
    if format.is_array:
        return OutputSpec(shape, computed, mode, False)
    if format.floats:
        return OutputSpec(shape, np.dtype(np.float32), mode, False)
    raise OptionError(
        f"raw writes floats, which {format.name} cannot hold for {_count(count)}: use .npy", option="range"
    )


def _count(maps: int) -> str:
    return f"{maps} map{'s' * (maps != 1)}"


@frozen_value(shown=("values",))
class Maps(NamedTuple):
    """Maps in the type and shape of ``OutputSpec``, and the statistics of each map before it became pixels."""

    values: Array
    statistics: tuple[MapStatistics, ...]


@frozen_value(shown=("maps", "alpha", "warnings"))
class FilteredImage(NamedTuple):
    """The maps of an image, and their alpha ``(OH, OW)`` or None.

    tally: how many tiles each algorithm computed, and how many of them took each fallback of the plan.
    losses: the warnings, but for that of ``clipping``, which counts clipped numbers; None if numbers stay floats.
    notes: metadata that the format cannot hold, and what ``auto`` stands for.  remarks: those among them that users see
    without asking.
    metadata: the metadata of the output.
    """

    plan: FilterPlan
    image: Image
    maps: Maps
    alpha: Array | None
    tally: Tally
    losses: tuple[str, ...]
    notes: tuple[str, ...]
    clipping: Clipping | None = None
    remarks: tuple[str, ...] = ()
    metadata: Metadata = Metadata()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The losses, and how many numbers were clipped."""
        return all_warnings(self.losses, self.clipping)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the maps as one file, in the format of the plan.

        Raises FileError if the file exists and ``overwrite`` is False, or if it cannot be written; OptionError if the
        extension belongs to another format, or a picture cannot hold that many maps.
        """
        _require_extension(Path(path), self.plan.format)
        maps = self.plan.output.maps
        if maps != self.plan.format.maps_per_file(maps):
            raise OptionError(
                f"a picture holds 1 or 3 maps, given {_count(maps)}: use `format` npy, which holds any number"
            )
        with write_atomically(Path(path), IfExists.REPLACE if overwrite else IfExists.FAIL) as stream:
            (self.write_array if self.plan.format.is_array else self.write_picture)(stream)

    def write_array(self, stream: BinaryIO) -> None:
        """Write all maps as an array."""
        layout = self.plan.output.layout
        values, edge = layout.stored(self.maps.values), str(self.plan.geometry.edge)
        maps = NamedMaps(values, self.plan.request.name, edge, Layouts(layout))
        WRITERS[self.plan.format.name](maps, stream)

    def write_picture(self, stream: BinaryIO, maps: slice = slice(None), coding: Coding = DEFAULT_CODING) -> None:
        """Write some of the maps as a picture, encoded as the image is if the format is the same."""
        pixels, format = self.maps.values[maps], self.plan.format
        write_image(stream, pixels, self.alpha, format, self.metadata, self._coding(coding))

    def add_frame(self, writer: FrameWriter, maps: slice = slice(None), coding: Coding = DEFAULT_CODING) -> None:
        """Write some of the maps as the next frame of a file."""
        image, pixels = self.image, self.maps.values[maps]
        writer.add(pixels, self.alpha, self.metadata, self._coding(coding), image.duration)

    def _coding(self, coding: Coding) -> Coding:
        return coding._replace(stored=self.image.stored)


def _require_extension(path: Path, format: Format) -> None:
    if path.suffix[1:].lower() not in format.extensions:
        endings = any_of([f".{extension}" for extension in format.extensions])
        raise OptionError(
            f"expected a name that ends in {endings}, given {str(path)!r}: use another `format` for other names",
            option="path",
        )


def apply_filter(plan: FilterPlan, image: Image, empty: Empty = large_empty) -> FilteredImage:
    """Filter an image; ``empty`` makes the array for its maps.

    Raises OptionError if the image holds floats and it is not known which of them is white.
    """
    appearance, image = plan.appearance, prepare_image(image, plan.appearance)
    if image.alpha is not None and plan.spreads_colours:
        image = image._replace(pixels=spread_visible_colours(image.pixels, image.alpha))
    if plan.output.mode != "raw" or appearance.linear:
        appearance = replace(appearance, white=white_of(image.pixels, appearance))
    V = network_input(image, appearance)
    filtering = filter_with_alpha(plan.alpha, plan.request, plan.planned, V, image.alpha)
    is_interleaved = not plan.format.is_array and filtering.finish is None and plan.planned.interleaves(V)
    values = (interleaved(empty) if is_interleaved else empty)(plan.output.shape, plan.output.dtype)
    tally = Tally()
    blocks = values.reshape(plan.planned.output_blocks)

    def produce(store: Store) -> None:
        tally.update(filtering.store(storing_relu(store) if appearance.relu else store))

    statistics, clipping = _fill(blocks, produce, plan.output, appearance)
    carried = _carried(image, plan)
    remarks = (*_guesses(image, plan, appearance.white), *_undone_options(plan), *_order_doubts(image, plan))
    alpha = filtering.alpha if plan.output.alpha else None
    is_guess = plan.appearance.white is None and plan.output.mode != "minmax"
    # Each map is a file, unless one holds all of them.
    first = values[: plan.format.maps_per_file(len(values))]
    return FilteredImage(
        plan=plan,
        image=image,
        maps=Maps(values, statistics),
        alpha=alpha,
        tally=tally,
        losses=(
            *_light_doubts(image, plan.appearance),
            *_losses(image, plan),
            *plan.format.alpha_losses(alpha),
            *_missing_numbers(image, plan),
            *carried.warnings,
            *(white_doubts(image, appearance.white) if is_guess and appearance.white else ()),
            *_dimming(plan),
            *_brightening(plan, clipping),
        ),
        clipping=clipping,
        notes=(*remarks, *_auto_notes(image, plan), *plan.format.pixel_notes(first, alpha), *carried.notes),
        metadata=carried.metadata,
        remarks=remarks,
    )


def _fill(
    values: Array, produce: Produce, output: OutputSpec, appearance: Appearance
) -> tuple[tuple[MapStatistics, ...], Clipping | None]:
    """Fill the maps ``(..., OH, OW)``; return the statistics of each, and what was clipped."""
    if output.mode == "raw" or appearance.white is None:
        return to_floats(produce, values), None
    full = int(np.iinfo(values.dtype).max)
    scale = full / brightest_level(appearance.white, appearance)
    encode = partial(to_codes, white=full) if appearance.linear else None
    statistics = to_pixels(produce, values, output.mode, scale * output.gain, encode)
    return statistics, clipping_of(statistics, values, output.mode, scale, output.gain)


def _guesses(image: Image, plan: FilterPlan, white: float | None) -> Iterator[str]:
    given = plan.appearance.white is not None or plan.appearance.unit or image.pixels.dtype.kind != "f"
    if white is not None and not given:
        yield f"white is taken to be {white:g}, by the largest magnitude: `white` sets it"


def _undone_options(plan: FilterPlan) -> Iterator[str]:
    rescaled = {one.rescaled_by: None for one in plan.request.requests if one.rescaled_by}
    if plan.appearance.range == "auto" and plan.output.mode == "abs":
        for option in rescaled:
            yield f"`range` auto shows all edges at one gain, which undoes `{option}`: use `range` abs"


def _order_doubts(image: Image, plan: FilterPlan) -> Iterator[str]:
    shape, picture = image.pixels.shape, image.is_picture
    doubts = [request.order_doubt(shape, picture=picture) for request in plan.request.requests]
    yield from dict.fromkeys(doubt for doubt in doubts if doubt)


def _auto_notes(image: Image, plan: FilterPlan) -> Iterator[str]:
    if image.alpha is not None and plan.appearance.alpha == "auto":
        reason = ", because no weight is negative" if plan.alpha == "premultiply" else ""
        spread = ", with colours of visible pixels in place of hidden ones" if plan.spreads_colours else ""
        yield f"`alpha` auto is {plan.alpha}{reason}{spread}"
    if plan.appearance.range == "auto":
        gain = f", times {plan.output.gain:.3g}, because the weights sum to 0" if plan.output.mode == "abs" else ""
        yield f"`range` auto is {plan.output.mode}{gain}"
    yield from plan.format.coding_notes(image.stored)


def _carried(image: Image, plan: FilterPlan) -> Carried:
    output, appearance = plan.output, plan.appearance
    channels = plan.format.maps_per_file(output.maps)
    is_same_scale = output.mode == "raw" or (output.mode == "clip" and output.dtype == image.pixels.dtype)
    return carried_metadata(
        image.metadata,
        plan.planned,
        plan.format,
        channels,
        same_units=is_same_scale and not (appearance.unit or appearance.linear) and keeps_units(plan.request),
        same_bands=channels == channels_of(image.pixels.shape),
    )


def _missing_numbers(image: Image, plan: FilterPlan) -> Iterator[str]:
    """Yield a warning if pixels have GDAL's nodata value, and the kernel mixes it with the numbers around it."""
    gdal = image.metadata.gdal
    if gdal is None or gdal.nodata is None or not mixes_pixels(plan.request):
        return
    if count := gdal.count_missing(image.pixels):
        yield (
            f"{count:,} value{'s are' if count > 1 else ' is'} the nodata value {gdal.shown_nodata}, which is mixed "
            "with the values around: fill the gaps first"
        )


def _light_doubts(image: Image, appearance: Appearance) -> Iterator[str]:
    if appearance.linear and not is_like_srgb(image.metadata.icc):
        yield "its colour profile has another curve than sRGB, but `linear` assumes sRGB: convert it to sRGB first"


def _dimming(plan: FilterPlan) -> Iterator[str]:
    """Yield a warning if blurs lose brightness, because the stride of their transposes spreads their weights."""
    layers = [request.convolution for request in plan.request.requests]
    if plan.output.mode == "clip" and all(_is_blur_that_spreads(layer) for layer in layers):
        kept = layers[0].gain
        yield (
            f"its maps have {kept:.3g} of the image's brightness, because the stride spreads weights that sum to 1 "
            f"over {layers[0].spread} pixels: `divisor` {kept:.3g} restores it"
        )


def _brightening(plan: FilterPlan, clipping: Clipping | None) -> Iterator[str]:
    """Yield a warning if numbers were clipped, and a sum of pixels has weights that add up to more than 1."""
    if clipping is None or not clipping.statistics.clipped:
        return
    requests = [request for request in plan.request.requests if _adds_pixels(request.convolution)]
    brightest = max(requests, key=lambda request: request.gain, default=None)
    if brightest and brightest.gain > MOST_GAIN:
        yield (
            f"the weights of {brightest.name} add up to {brightest.gain:.4g}, which makes the image so many times "
            "brighter: `normalize` divides them by their sum"
        )


def _adds_pixels(layer: Layer) -> bool:
    return layer.weights.ndim == 2 and int(np.count_nonzero(layer.weights)) > 1


def _is_blur_that_spreads(layer: Layer) -> bool:
    return layer.weights.ndim == 2 and layer.spread > 1 and isclose(layer.forward.gain, 1, rel_tol=1e-3)


def _losses(image: Image, plan: FilterPlan) -> Iterator[str]:
    format, output = plan.format, plan.output
    if image.alpha is not None and not output.alpha:
        yield f"alpha is dropped: {format.name}{' of floats' * format.holds_alpha} cannot store it"
    depth, stored = depth_of(image.pixels.dtype), 8 * output.dtype.itemsize
    if stored < depth:
        content = _count(output.maps) + " and alpha" * output.alpha
        yield f"{depth} bits reduced to {stored}: {format.name} stores no more for {content}"
    is_narrowed = output.dtype == np.float32 and not np.can_cast(image.pixels.dtype, np.float32)
    is_requested = all(one.dtype is not None and np.dtype(one.dtype) == np.float32 for one in plan.request.requests)
    # An array has the type that was computed in, which loses digits only if it was requested.
    if is_narrowed and not is_requested and not format.is_array:
        yield (
            f"{image.pixels.dtype} is rounded to float32, because {format.name} is written with at most float32: "
            "use .npy to keep it"
        )
