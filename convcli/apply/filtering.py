"""Filter a picture with a kernel: plan the output, then filter the pixels.

A ``FilterPlan`` is made from an image's header alone. It holds everything but the pixels: the convolution with its
geometry and algorithm, and the shape, type and range of the output.
"""

import os
from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.apply.appearance import Appearance, brightest_level, depth_of, input_type, network_input
from convcli.apply.combining import Filter, PlannedFilter
from convcli.apply.pixels import MapStatistics, Produce, clipping_warning, to_floats, to_pixels
from convcli.apply.transparency import filter_with_alpha, require_fit
from convcli.arrays import Array
from convcli.engine import Tally
from convcli.errors import OptionError
from convcli.files.large_arrays import Empty, large_empty
from convcli.files.npy_files import save_npy
from convcli.files.whole_files import IfExists, write_atomically
from convcli.geometry.axes import Geometry
from convcli.pictures.formats import Format
from convcli.pictures.image import Header, Image
from convcli.pictures.light import to_codes
from convcli.pictures.profiles import is_like_srgb
from convcli.pictures.writing import write_image
from convcli.text import any_of


class OutputSpec(NamedTuple):
    """An output that will be written: maps ``(C_out, OH, OW)`` of a type, with or without alpha.

    mode: how numbers become levels (``convcli.apply.pixels``), or ``raw`` for floats.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    mode: str
    alpha: bool


class FilterPlan(NamedTuple):
    """The plan of filtering an image of known shape and type with a kernel, or with several combined."""

    request: Filter
    planned: PlannedFilter
    appearance: Appearance
    format: Format
    output: OutputSpec

    @property
    def geometry(self) -> Geometry:
        """The geometry of the convolution."""
        return self.planned.geometry


def plan_filter(request: Filter, header: Header, appearance: Appearance, format: Format) -> FilterPlan:
    """Plan the filtering of a prepared image with this header, for a file of this format.

    Raises GeometryError if the kernel does not fit the image, OptionError if the format or the rule for alpha does not
    fit the kernel.
    """
    computed = request.computing_type(input_type(header.dtype, appearance))
    planned = request.at(header.shape, computed)
    require_fit(appearance.alpha, request, alpha=header.alpha)
    output = _output_spec(header, planned.geometry, appearance, format, computed)
    return FilterPlan(request, planned, appearance, format, output)


def _output_spec(
    header: Header, geometry: Geometry, appearance: Appearance, format: Format, computed: np.dtype[Any]
) -> OutputSpec:
    count = prod(geometry.output_shape[:-2])
    rows, columns = geometry.output_shape[-2:]
    format.require_size(rows, columns)
    shape = (count, rows, columns)
    mode = appearance.range or ("raw" if format.is_array else "clip")
    if mode != "raw":
        alpha = header.alpha and format.holds_alpha
        depth = depth_of(header.dtype)
        most = depth if format.is_array else format.max_depth(format.maps_per_file(count), alpha=alpha)
        return OutputSpec(shape, np.dtype(np.uint16 if min(depth, most) == 16 else np.uint8), mode, alpha)
    if format.is_array:
        return OutputSpec(shape, computed, mode, False)
    if format.floats:
        return OutputSpec(shape, np.dtype(np.float32), mode, False)
    raise OptionError(
        f"raw writes floats, which {format.name} cannot hold for {_count(count)}: use .npy", option="range"
    )


def _count(maps: int) -> str:
    return f"{maps} map{'s' * (maps != 1)}"


class Maps(NamedTuple):
    """Maps ``(C_out, OH, OW)`` in the type of the file, and the statistics of each map before it became pixels."""

    values: Array
    statistics: tuple[MapStatistics, ...]


class FilteredImage(NamedTuple):
    """The maps of an image, and their alpha ``(OH, OW)`` or None.

    tally: how many tiles each algorithm computed, and how many of them took each fallback of the plan.
    warnings: the losses.  notes: metadata that the format cannot hold.
    """

    plan: FilterPlan
    image: Image
    maps: Maps
    alpha: Array | None
    tally: Tally
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the maps as one file, in the format of the plan.

        Raises FileError if the file exists and ``overwrite`` is False, or if it cannot be written; OptionError if the
        extension belongs to another format, or a picture cannot hold that many maps.
        """
        _require_extension(Path(path), self.plan.format)
        maps = len(self.maps.values)
        if maps != self.plan.format.maps_per_file(maps):
            raise OptionError(
                f"a picture holds 1 or 3 maps, given {_count(maps)}: use `format` npy, which holds any number"
            )
        with write_atomically(Path(path), IfExists.REPLACE if overwrite else IfExists.FAIL) as stream:
            if self.plan.format.is_array:
                save_npy(stream, self.maps.values)
            else:
                self.write_picture(stream)

    def write_picture(self, stream: BinaryIO, maps: slice = slice(None), compression: int | None = None) -> None:
        """Write some of the maps as a picture."""
        pixels, metadata = self.maps.values[maps], self.image.metadata
        write_image(stream, pixels, self.alpha, self.plan.format, metadata, compression)


def _require_extension(path: Path, format: Format) -> None:
    if path.suffix[1:].lower() not in format.extensions:
        endings = any_of([f".{extension}" for extension in format.extensions])
        raise OptionError(
            f"expected a name that ends in {endings}, given {str(path)!r}: use another `format` for other names",
            option="path",
        )


def apply_filter(plan: FilterPlan, image: Image, empty: Empty = large_empty) -> FilteredImage:
    """Filter a prepared image; ``empty`` makes the array for its maps."""
    V = network_input(image, plan.appearance)
    filtering = filter_with_alpha(plan.appearance.alpha, plan.request, plan.planned, V, image.alpha)
    values = empty(plan.output.shape, plan.output.dtype)
    tally = Tally()
    blocks = values.reshape(plan.geometry.output_blocks)
    statistics, clipping = _fill(blocks, lambda store: tally.update(filtering.store(store)), image, plan)
    lost_metadata = _lost_metadata(image, plan)
    # Without its profile a picture's colours change. It is no loss if the output is gray, which the profile is not for.
    profile = [lost_metadata.pop("icc")] if "icc" in lost_metadata and "icc" not in plan.format.metadata else []
    return FilteredImage(
        plan=plan,
        image=image,
        maps=Maps(values, statistics),
        alpha=filtering.alpha if plan.output.alpha else None,
        tally=tally,
        warnings=(*_light_doubts(image, plan.appearance), *_losses(image, plan), *profile, *clipping),
        notes=tuple(lost_metadata.values()),
    )


def _fill(
    values: Array, produce: Produce, image: Image, plan: FilterPlan
) -> tuple[tuple[MapStatistics, ...], list[str]]:
    """Fill the maps ``(..., OH, OW)``; return the statistics of each, and a warning if numbers were clipped."""
    appearance, mode = plan.appearance, plan.output.mode
    if mode == "raw":
        return to_floats(produce, values), []
    white = int(np.iinfo(values.dtype).max)
    scale = white / brightest_level(image.pixels.dtype, appearance)
    encode = partial(to_codes, white=white) if appearance.linear else None
    statistics = to_pixels(produce, values, mode, scale, encode)
    clipping = clipping_warning(statistics, values, mode, scale)
    return statistics, [clipping] if clipping else []


def _lost_metadata(image: Image, plan: FilterPlan) -> dict[str, str]:
    if plan.format.is_array:
        return {}
    return plan.format.metadata_losses(image.metadata, plan.format.maps_per_file(plan.output.shape[0]))


def _light_doubts(image: Image, appearance: Appearance) -> Iterator[str]:
    if appearance.linear and not is_like_srgb(image.metadata.icc):
        yield "its colour profile has another curve than sRGB, but `linear` assumes sRGB: convert it to sRGB first"


def _losses(image: Image, plan: FilterPlan) -> Iterator[str]:
    format, output = plan.format, plan.output
    if image.alpha is not None and not output.alpha:
        yield f"alpha is dropped: {format.name}{' of floats' * format.holds_alpha} cannot store it"
    depth, stored = depth_of(image.pixels.dtype), 8 * output.dtype.itemsize
    if stored < depth:
        content = _count(output.shape[0]) + " and alpha" * output.alpha
        yield f"{depth} bits reduced to {stored}: {format.name} stores no more for {content}"
