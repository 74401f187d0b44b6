"""A georeference and GDAL's tags follow the pixels of an output."""

import json
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from support.pictures import FULL_METADATA, random_pixels

from convcli.apply.appearance import Appearance
from convcli.apply.carrying import keeps_units
from convcli.apply.combining import Combination
from convcli.apply.filtering import FilteredImage, apply_filter, plan_filter
from convcli.arrays import Array, FloatArray
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.convolution.transposed import TransposedConvolution
from convcli.pictures.formats import format_of
from convcli.pictures.gdal import GdalTags
from convcli.pictures.georeference import Grid, georeference_of
from convcli.pictures.image import Image, Metadata
from convcli.pictures.reading import read_image
from convcli.pictures.writing import encode_image

HEIGHT, WIDTH = 60, 90
# The ground's X and Y, times 64, of a point of the raster.
MATRIX = np.array([[4.0, 2.0, 0.0, 640.0], [1.0, -8.0, 0.0, 320.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
AREA, CENTRE = ((1, 1, 0, 1, 1025, 0, 1, kind) for kind in (1, 2))
RPC = tuple(float(number) for number in range(92))
# Points of the raster, as (I, J), that are not at its origin.
POINTS = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 16.0], [8.0, 16.0]])


def tags_of(kind: str) -> dict[int, Any]:
    """Return tags that place the pixels by MATRIX, or, as ``scale``, by its diagonal."""
    if kind == "scale":
        # The tiepoint (2, 3) lies at X = 640 + 2 * 4, Y = 320 - 3 * 8.
        return {33550: (4.0, 8.0, 0.0), 33922: (2.0, 3.0, 0.0, 648.0, 296.0, 0.0)}
    if kind == "points":
        ground = POINTS @ MATRIX[:2, :2].T + MATRIX[:2, 3]
        return {33922: tuple(np.insert(np.hstack([POINTS, ground]), [2, 4], 0, axis=1).ravel().tolist())}
    return {{"matrix": 34264, "intergraph": 33920}[kind]: tuple(MATRIX.ravel().tolist())}


def placement(tags: dict[int, Any]) -> FloatArray:
    """Return the matrix (2, 3) that maps (I, J, 1) to X, Y by the tags, from their specification."""
    if 33550 in tags:
        (across, down, _), (i, j, _, x, y, _) = tags[33550], tags[33922]
        return np.array([[across, 0, x - i * across], [0, -down, y + j * down]])
    if 33922 in tags:
        points = np.array(tags[33922]).reshape(-1, 6)
        raster = np.column_stack([points[:, :2], np.ones(len(points))])
        return np.asarray(np.linalg.lstsq(raster, points[:, 3:5], rcond=None)[0].T)
    return np.array(tags.get(34264, tags.get(33920))).reshape(4, 4)[:2, [0, 1, 3]]


def ground(tags: dict[int, Any], shape: tuple[int, int]) -> Array:
    """Return X and Y ``(2, H, W)`` of the centres of all pixels."""
    anchor = 0.0 if tags.get(34735) == CENTRE else 0.5
    rows, columns = (np.arange(size) + anchor for size in shape)
    i, j = np.meshgrid(columns, rows)
    return np.tensordot(placement(tags), np.stack([i, j, np.ones(shape)]), axes=1)


def filtered(pixels: Array, metadata: Metadata, kernel: Any, name: str = "tiff", **options: Any) -> FilteredImage:
    appearance = options.pop("appearance", Appearance())
    request = kernel if isinstance(kernel, Combination) else request_of(kernel, **options)
    image = Image(pixels, metadata=metadata)
    return apply_filter(plan_filter(request, image.header, appearance, format_of(name)), image)


def request_of(kernel: Any, **options: Any) -> Request:
    return Request("kernel", Convolution.of(kernel, **options))


def mean(height: int, width: int) -> FloatArray:
    return np.full((height, width), 1 / (height * width))


@pytest.mark.parametrize("keys", [AREA, CENTRE], ids=["area", "centre"])
@pytest.mark.parametrize("kind", ["scale", "points", "matrix", "intergraph"])
@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((2, 4), {"padding": "valid"}),
        ((2, 4), {"padding": "same"}),
        ((1, 1), {"stride": (2, 4)}),
        ((2, 2), {"stride": (4, 2), "padding": "same"}),
        ((4, 2), {"stride": (2, 1), "padding": "full", "dilation": (1, 3)}),
        ((2, 2), {"padding": (5, 0, 1, 2), "dilation": 2}),
    ],
)  # fmt: skip
def test_a_ramp_on_the_ground_stays_where_it_is(
    kernel: tuple[int, int], options: dict[str, Any], kind: str, keys: tuple[int, ...]
) -> None:
    """A mean keeps a ramp, so that each output must be the X, or the Y, of its own place, away from the edges."""
    tags = tags_of(kind) | {34735: keys}
    ramps = ground(tags, (HEIGHT, WIDTH))
    for ramp, axis in zip(ramps, (0, 1), strict=True):
        output = filtered(ramp[np.newaxis], Metadata(geo=georeference_of(tags)), mean(*kernel), **options)
        assert output.metadata.geo is not None
        (Z,) = output.maps.values
        expected = ground(dict(output.metadata.geo.tags), Z.shape)[axis]
        inside = (slice(6, -6), slice(6, -6))
        assert Z[inside].size > 0
        assert Z[inside] == pytest.approx(expected[inside], abs=1e-3)  # Z is float32


@pytest.mark.parametrize(("total", "kept"), [(4, True), (1, False)])
def test_enlarging_keeps_units_if_the_weights_sum_to_the_square_of_the_stride(total: float, kept: bool) -> None:
    assert keeps_units(Request("k", TransposedConvolution.of(total * mean(2, 2), stride=2))) is kept


@pytest.mark.parametrize("weights", [[0.25, 0.75, 0.75, 0.25], [0.5, 1, 0.5]], ids=["even", "odd"])
@pytest.mark.parametrize("keys", [AREA, CENTRE], ids=["area", "centre"])
def test_a_ramp_stays_where_it_is_when_it_is_enlarged(keys: tuple[int, ...], weights: list[float]) -> None:
    """These transposed convolutions interpolate, and so keep a ramp."""
    tags = tags_of("scale") | {34735: keys}
    ramps = ground(tags, (HEIGHT, WIDTH))
    request = Request("k", TransposedConvolution.of(np.outer(weights, weights), stride=2, padding=(1, 1, 0, 1)))
    image = Image(ramps[:1], metadata=Metadata(geo=georeference_of(tags)))
    output = apply_filter(plan_filter(request, image.header, Appearance(), format_of("tiff")), image)
    assert output.metadata.geo is not None
    (Z,) = output.maps.values
    inside = (slice(6, -6), slice(6, -6))
    expected = ground(dict(output.metadata.geo.tags), Z.shape)[0]
    assert Z[inside] == pytest.approx(expected[inside], abs=1e-3)
    assert "pixels are 0.5 x 0.5 pixels of the image apart" in " ".join(output.notes)


def test_rpc_follows_the_centres_of_pixels() -> None:
    geo = georeference_of({50844: RPC})
    assert geo is not None
    ((_, changed),) = geo.on(Grid(top=3.0, left=-0.5, down=2, across=4)).tags
    for row, column in ((0, 0), (5, 9)):
        stored = ((2 * row + 3.0) - RPC[2]) / RPC[7], ((4 * column - 0.5) - RPC[3]) / RPC[8]
        assert ((row - changed[2]) / changed[7], (column - changed[3]) / changed[8]) == pytest.approx(stored)  # type: ignore[operator]
    assert [at for at in range(92) if changed[at] != RPC[at]] == [2, 3, 7, 8]


def test_pixels_that_stay_in_place_keep_their_tags() -> None:
    output = filtered(random_pixels(3), FULL_METADATA, mean(3, 5), padding="same")
    assert (output.metadata.geo, output.metadata.gdal) == (FULL_METADATA.geo, FULL_METADATA.gdal)
    assert not any("georeference" in note for note in output.notes)


def test_a_changed_georeference_is_a_note() -> None:
    output = filtered(random_pixels(3), FULL_METADATA, mean(3, 2), padding="valid", stride=(2, 1))
    note = "the georeference is adjusted: pixels are 2 x 1 pixels of the image apart, the first at row 1, column 0.5"
    assert note in output.notes
    assert output.warnings == ()


def test_a_georeference_that_a_format_cannot_hold_is_a_warning() -> None:
    output = filtered(random_pixels(3), Metadata(geo=FULL_METADATA.geo), mean(1, 1), "png")
    assert output.warnings == ("the georeference is dropped: png cannot store it",)
    array = filtered(random_pixels(3), Metadata(geo=FULL_METADATA.geo), mean(1, 1), "npy")
    assert array.warnings == ()
    assert "the georeference is dropped: npy cannot store it" in array.notes


def test_combined_maps_on_different_pixels_have_no_place() -> None:
    def combined(*kernels: FloatArray) -> FilteredImage:
        requests = [request_of(kernel, padding="same") for kernel in kernels]
        return filtered(random_pixels(3), Metadata(geo=FULL_METADATA.geo), Combination(requests, "mean"))

    assert combined(mean(3, 3), mean(1, 5)).metadata.geo == FULL_METADATA.geo
    different = combined(mean(3, 3), mean(2, 3))
    assert different.metadata.geo is None
    assert different.warnings == (
        "the georeference is dropped: the maps of the combined kernels lie on different pixels",
    )


def geotiff(pixels: Array, *extra: tuple[int, str, int, Any, bool]) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, pixels, photometric="minisblack", extratags=extra, metadata=None, software=False)
    return stream.getvalue()


@pytest.mark.parametrize("code", [33550, 33922, 34264, 34735])
def test_a_damaged_georeference_is_dropped_with_a_warning(code: int) -> None:
    kind = "H" if code == 34735 else "d"
    image = read_image(geotiff(np.zeros((4, 5), np.uint8), (code, kind, 5, (1,) * 5, True)))
    assert image.metadata == Metadata()
    (warning,) = image.warnings
    damaged = "the georeference is dropped, because it is damaged: expected"
    assert warning.startswith(damaged)
    text = read_image(geotiff(np.zeros((4, 5), np.uint8), (code, "s", 5, "text", True)))
    assert text.warnings == (f"{damaged} numbers in tag {code}, given 'text'",)


def test_a_georeference_of_a_turned_picture_is_dropped_with_a_warning() -> None:
    scale = (33550, "d", 3, (1.0, 1.0, 0.0), True)
    image = read_image(geotiff(np.zeros((4, 5), np.uint8), scale, (274, "H", 1, 6, True)))
    assert image.pixels.shape == (1, 5, 4)
    assert image.metadata.geo is None
    assert image.warnings == ("the georeference is dropped: it is for the stored pixels, and orientation 6 turns them",)


ITEMS = (
    '<GDALMetadata><Item name="DATE">today</Item><Item name="STATISTICS_MEAN" sample="0">3</Item>'
    '<Item name="SCALE" sample="0" role="scale">0.1</Item><Item name="BAND" sample="0">red</Item></GDALMetadata>'
)


@pytest.mark.parametrize(
    ("same_units", "same_bands", "names", "nodata"),
    [
        (True, True, ["DATE", "SCALE", "BAND"], "-1"),
        (False, True, ["DATE", "BAND"], None),
        (True, False, ["DATE"], "-1"),
    ],
)  # fmt: skip
def test_gdal_items_of_the_output(same_units: bool, same_bands: bool, names: list[str], nodata: str | None) -> None:
    tags = GdalTags(ITEMS, "-1").of_output(same_units=same_units, same_bands=same_bands)
    assert tags is not None
    assert [name for name in ("DATE", "STATISTICS_MEAN", "SCALE", "BAND") if f'"{name}"' in (tags.items or "")] == names
    assert tags.nodata == nodata


UNITS = "GDAL's nodata value, scale, offset and unit are dropped: the numbers of the output stand for something else"


@pytest.mark.parametrize(
    ("kernel", "dtype", "range", "kept"),
    [
        ([[0.25, 0.5, 0.25]], np.uint8, "auto", True),
        ([[0.25, 0.5, 0.25]], np.float32, "auto", True),
        ([[0.25, 0.5, 0.25]], np.float32, "clip", False),
        ([[0.25, 0.5, 0.25]], np.uint8, "minmax", False),
        ([[1, 2, 1]], np.float32, "auto", False),
        ([[-1, 0, 1]], np.uint8, "auto", False),
        ([[[[0.5, 0.5]]], [[[1, 0]]]], np.float32, "auto", True),
        ([[[[0.5, 0.5]]], [[[1, 1]]]], np.float32, "auto", False),
    ],
)  # fmt: skip
def test_nodata_is_kept_if_numbers_keep_their_meaning(kernel: Any, dtype: type, range: str, kept: bool) -> None:
    pixels = np.zeros((1, 6, 7), dtype)
    output = filtered(pixels, Metadata(gdal=GdalTags(None, "-1")), kernel, appearance=Appearance(range=range))
    assert output.metadata.gdal == (GdalTags(None, "-1") if kept else None)
    assert (UNITS in output.warnings) != kept


BLUR = [[0.25, 0.5, 0.25]]


@pytest.mark.parametrize(
    ("kernel", "dtype", "nodata", "value", "warned"),
    [
        (BLUR, np.float32, "-9999", -9999, True),
        (BLUR, np.int16, "-9999", -9999, True),
        (BLUR, np.float32, "-3.4028234663852886e+38", np.finfo(np.float32).min, True),
        (BLUR, np.float32, "0.1", 0.1, True),
        (BLUR, np.float32, "1e300", 5, False),
        (BLUR, np.float32, "nan", np.nan, True),
        (BLUR, np.uint8, "255", 255, True),
        (BLUR, np.uint8, "-9999", 5, False),
        (BLUR, np.float32, "-9999", 5, False),
        (BLUR, np.float32, "none", 5, False),
        ([[2]], np.float32, "-9999", -9999, False),
    ],
)  # fmt: skip
def test_a_nodata_value_that_is_mixed_with_others_is_a_warning(
    kernel: Any, dtype: type, nodata: str, value: float, warned: bool
) -> None:
    pixels = np.ones((1, 6, 7), dtype)
    pixels[0, 2, 3:5] = value
    output = filtered(pixels, Metadata(gdal=GdalTags(None, nodata)), kernel)
    mixed = f"2 values are the nodata value {nodata}, which is mixed with the values around: fill the gaps first"
    assert (mixed in output.warnings) == warned
    assert any("nodata value " + nodata in each for each in output.warnings) == warned


@pytest.mark.parametrize("items", ["<GDALMetadata>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text"])
def test_damaged_items_are_dropped_with_a_warning(items: str) -> None:
    image = read_image(geotiff(np.zeros((4, 5), np.uint8), (42112, "s", 0, items, True)))
    assert image.metadata.gdal is None
    assert image.warnings[0].startswith("GDAL's metadata is dropped, because it is damaged: ")


@pytest.mark.parametrize("tag", [42112, 42113])
def test_a_number_in_place_of_a_text_of_gdal_is_dropped_with_a_warning(tag: int) -> None:
    image = read_image(geotiff(np.zeros((4, 5), np.uint8), (tag, "H", 1, 7, True)))
    assert image.metadata.gdal is None
    assert image.warnings == ("GDAL's metadata is dropped, because it is damaged: expected text, given 7",)


@pytest.mark.conformance
@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="GDAL is not installed")
@pytest.mark.parametrize("keys", [AREA, CENTRE], ids=["area", "centre"])
@pytest.mark.parametrize("kind", ["scale", "matrix", "points"])
def test_gdal_finds_the_place_of_the_output(kind: str, keys: tuple[int, ...], tmp_path: Path) -> None:
    tags = tags_of(kind) | {34735: keys}
    output = filtered(np.zeros((1, 40, 60), np.uint8), Metadata(geo=georeference_of(tags)), mean(2, 3), stride=(2, 3))
    path = tmp_path / "a.tif"
    path.write_bytes(encode_image(output.maps.values, None, format_of("tiff"), output.metadata))
    command = ["gdalinfo", "-json", "--config", "GTIFF_POINT_GEO_IGNORE", "FALSE", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    first = ground(tags, (40, 60))[:, 0:2, 0:3].mean(axis=(1, 2))
    if kind == "points":
        points = found["gcps"]["gcpList"]
        raster = np.array([[point["pixel"] - 0.5, point["line"] - 0.5, 1] for point in points])
        matrix = np.linalg.lstsq(raster, np.array([[point["x"], point["y"]] for point in points]), rcond=None)[0].T
        assert matrix[:, 2] == pytest.approx(first)
    else:
        x, across, skew, y, turn, down = found["geoTransform"]
        assert (x + across / 2 + skew / 2, y + turn / 2 + down / 2) == pytest.approx(first)
