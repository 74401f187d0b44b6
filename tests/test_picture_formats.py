"""Compare what each picture format holds with docs/picture-formats.md, and with its files."""

import re
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from PIL.ExifTags import IFD, Base
from support.pages import page
from support.pictures import FULL_METADATA, SRGB, encoded, exif_of, parsed, picture, random_pixels

from convcli.apply.appearance import Appearance
from convcli.apply.filtering import plan_filter
from convcli.apply.writers import WRITERS
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.errors import FileError, OptionError
from convcli.pictures import heic_extra
from convcli.pictures.formats import PICTURE_FORMATS, Format, format_of
from convcli.pictures.image import Header, Metadata
from convcli.pictures.reading import read_image
from convcli.pictures.writing import encode_image


@pytest.mark.parametrize(
    ("name", "format"),
    [("png", "png"), (".PNG", "png"), ("jpg", "jpeg"), (".tif", "tiff"), ("pgm", "ppm"), (".jp2", "jpeg2000"),
     ("npy", "npy"), (".json", "json")],
)  # fmt: skip
def test_a_format_is_found_by_name_and_extension(name: str, format: str) -> None:
    assert format_of(name).name == format


@pytest.mark.parametrize("name", ["", ".xyz", "npz", "pn"])
def test_unknown_formats_are_refused(name: str) -> None:
    expected = "expected png, jpeg, .* npy or json"
    with pytest.raises(OptionError, match=rf"^format: {expected}, given '{name.removeprefix('.')}'"):
        format_of(name)


def test_names_and_extensions_are_distinct() -> None:
    names = [name for format in PICTURE_FORMATS for name in {format.name, *format.extensions}]
    assert len(names) == len(set(names))


def test_arrays_are_no_pictures() -> None:
    assert [format.name for format in PICTURE_FORMATS if format.is_array] == list(WRITERS)


STORED, _, CARRIED = page("docs/picture-formats.md").partition("## Writing")[2].partition("## Metadata")
PICTURES = [format for format in PICTURE_FORMATS if not format.is_array]
NEEDS_HEIC = pytest.mark.skipif(not heic_extra.is_installed(), reason="pillow-heif is not installed")
EVERY_PICTURE = pytest.mark.parametrize(
    "format",
    [pytest.param(format, id=format.name, marks=[NEEDS_HEIC] * (format.name == "heif")) for format in PICTURES],
)
DEPTHS = {"no": "gray", "extra": "gray; colour with the extra", "yes": "gray, colour"}
# The columns of the table of metadata.
KINDS = {"icc": "profile", "exif": "EXIF", "dpi": "resolution", "xmp": "XMP", "iptc": "IPTC", "comment": "comment",
         "texts": "text", "geo": "georeference", "gdal": "GDAL"}  # fmt: skip


def row_of(name: str, table: str) -> list[str]:
    """Return the cells of the row with this name."""
    (cells,) = re.findall(rf"^\| {name} \| (.*) \|$", table, re.MULTILINE)
    return str(cells).split(" | ")


def is_lossless(format: Format) -> bool:
    return row_of(format.name, STORED)[0] == "yes"


@EVERY_PICTURE
def test_the_page_says_what_every_format_stores(format: Format) -> None:
    depth = DEPTHS[format.deep_colour] if format.deep_gray else "no"
    floats, alpha = ("yes" if holds else "no" for holds in (format.floats, format.holds_alpha))
    assert row_of(format.name, STORED)[1:] == [depth, floats, alpha, format.frames]


@EVERY_PICTURE
def test_the_page_says_which_metadata_every_format_carries(format: Format) -> None:
    carried = dict(zip(row_of("format", CARRIED), row_of(format.name, CARRIED), strict=True))
    assert carried == {KINDS[field]: "yes" if field in format.metadata else "no" for field in Metadata._fields}


def test_the_page_says_where_every_kind_of_metadata_is_kept() -> None:
    assert {kind: len(row_of(kind, CARRIED)) for kind in KINDS.values()} == dict.fromkeys(KINDS.values(), 2)


@EVERY_PICTURE
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_stores_gray_and_rgb(format: Format, channels: int) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 40), (channels, 30, 40)).astype(np.uint8)
    metadata = Metadata(SRGB, exif_of().tobytes(), (300, 300))
    image = read_image(encode_image(smooth, None, format, metadata))
    pixels = np.broadcast_to(image.pixels, (3, 30, 40)).astype(int)
    assert abs(pixels - smooth).max() <= (0 if is_lossless(format) else 16)


@EVERY_PICTURE
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_stores_the_alpha_that_it_claims(format: Format, channels: int) -> None:
    alpha = np.zeros((30, 40), np.uint8)
    alpha[:, 10:] = 255
    pixels = np.full((channels, 30, 40), 99, np.uint8)
    data = encode_image(pixels, alpha if format.holds_alpha else None, format, Metadata())
    image = read_image(data)
    assert (image.alpha is not None) == format.holds_alpha
    if image.alpha is not None:
        # The encoder of HEIC is lossy for alpha too.
        assert abs(image.alpha.astype(int) - alpha).max() <= (format.name == "heif")


@EVERY_PICTURE
def test_every_format_stores_the_depth_and_floats_that_it_claims(format: Format) -> None:
    if format.max_depth(1) == 16:
        pixels = random_pixels(1, np.uint16)
        assert np.array_equal(read_image(encode_image(pixels, None, format, Metadata())).pixels, pixels)
    if format.floats:
        pixels = random_pixels(1, np.float32) / np.float32(-7)
        assert np.array_equal(read_image(encode_image(pixels, None, format, Metadata())).pixels, pixels)


@EVERY_PICTURE
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_stores_the_metadata_that_it_claims(format: Format, kind: str) -> None:
    data = encode_image(random_pixels(3), None, format, Metadata(**{kind: getattr(FULL_METADATA, kind)}))
    again = read_image(data).metadata
    if kind in format.metadata:
        assert_same(kind, again)
    else:
        assert getattr(again, kind) is None


@EVERY_PICTURE
@pytest.mark.parametrize("alpha", [False, True])
def test_every_format_stores_all_metadata_together(format: Format, alpha: bool) -> None:
    levels = random_pixels(4, np.uint16 if format.max_depth(3) == 16 else np.uint8)
    has_alpha = alpha and format.holds_alpha
    data = encode_image(levels[:3], levels[3] if has_alpha else None, format, FULL_METADATA)
    image = read_image(data)
    assert image.warnings == ()
    assert {field for field, value in image.metadata._asdict().items() if value} == {*format.metadata}
    for kind in format.metadata:
        assert_same(kind, image.metadata)


def assert_same(kind: str, again: Metadata) -> None:
    """Assert that a field is that of FULL_METADATA."""
    if kind == "exif":
        assert parsed(again.exif)[Base.Make] == "Maker"
        assert parsed(again.exif).get_ifd(IFD.Exif)[Base.LensModel] == "Lens"
    elif kind == "dpi":
        assert again.dpi == pytest.approx((300, 150), abs=0.02)  # PNG and BMP store whole dots per metre
    else:
        assert getattr(again, kind) == getattr(FULL_METADATA, kind)


@pytest.mark.parametrize(
    "format",
    [f for f in PICTURES if "exif" in f.metadata and (f.name != "heif" or heic_extra.is_installed())],
    ids=lambda format: format.name,
)
def test_an_upright_picture_is_not_turned_again(format: Format) -> None:
    sideways = read_image(encoded(picture("RGB"), "PNG", exif=exif_of(orientation=6)))
    again = read_image(encode_image(sideways.pixels, None, format, sideways.metadata))
    assert again.pixels.shape == sideways.pixels.shape
    assert not is_lossless(format) or np.array_equal(again.pixels, sideways.pixels)


@pytest.mark.parametrize(
    ("metadata", "name", "channels", "losses"),
    [
        (Metadata(SRGB, b"Exif", (300, 300)), "png", 3, ()),
        (Metadata(SRGB), "png", 1, ("the colour profile is dropped: it is for RGB, and the output is gray",)),
        (Metadata(SRGB, b"Exif"), "gif", 1, (
            "the colour profile is dropped: gif cannot store it", "EXIF is dropped: gif cannot store it")),
        (Metadata(dpi=(72, 72)), "webp", 3, ("the resolution is dropped: webp cannot store it",)),
        (Metadata(exif=bytes(70_000)), "jpeg", 3,
         ("EXIF is dropped: jpeg stores at most 65,533 bytes, given 70,000",)),
    ],
)  # fmt: skip
def test_lost_metadata_is_named_with_the_reason(
    metadata: Metadata, name: str, channels: int, losses: tuple[str, ...]
) -> None:
    assert tuple(format_of(name).metadata_losses(metadata, channels).values()) == losses


def test_a_profile_for_other_channels_is_dropped() -> None:
    gray_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    for channels, icc, kept in ((1, SRGB, None), (3, gray_profile, None), (1, gray_profile, gray_profile)):
        data = encode_image(random_pixels(channels), None, format_of("png"), Metadata(icc))
        assert PIL.Image.open(BytesIO(data)).info.get("icc_profile") == kept


def test_exif_beyond_a_jpeg_segment_is_dropped() -> None:
    exif = exif_of()
    exif[Base.ImageDescription] = "x" * 70_000
    data = encode_image(random_pixels(3), None, format_of("jpeg"), Metadata(exif=exif.tobytes()))
    assert read_image(data).metadata.exif is None


def test_a_picture_beyond_the_limits_of_a_format_is_an_error() -> None:
    wide = np.zeros((1, 1, 16400), np.uint8)
    with pytest.raises(OptionError, match=r"^cannot write the image as webp: .*; choose another format$"):
        encode_image(wide, None, format_of("webp"), Metadata())


# AVIF takes a second.
NARROW = [
    pytest.param(format, marks=[pytest.mark.slow] * (format.name == "avif"))
    for format in PICTURES
    if format.most_side < 100_000
]


@pytest.mark.parametrize("format", NARROW, ids=lambda format: format.name)
def test_the_largest_side_is_written_and_read_again_and_a_larger_one_is_not(format: Format) -> None:
    pixels = np.full((1, 1, format.most_side), 200, np.uint8)
    again = read_image(encode_image(pixels, None, format, Metadata()))
    assert again.pixels.shape[1:] == pixels.shape[1:]
    assert abs(again.pixels.astype(int) - 200).max() <= (0 if is_lossless(format) else 2)
    with pytest.raises((OptionError, FileError), match=r"cannot (write|read)"):
        read_image(encode_image(np.repeat(pixels, 2, axis=2), None, format, Metadata()))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("jpeg", (2, 65501), "jpeg holds at most 65,500 pixels per side, and the output has 65,501 x 2"),
        ("webp", (16384, 2), "webp holds at most 16,383 pixels per side, and the output has 2 x 16,384"),
        ("avif", (32769, 2), "avif holds at most 32,768 pixels per side, and the output has 2 x 32,769"),
        ("avif", (16384, 16385), "avif holds at most 268,435,456 pixels, and the output has 16,385 x 16,384"),
        ("gif", (2, 65536), "gif holds at most 65,535 pixels per side, and the output has 65,536 x 2"),
        ("tga", (2, 65536), "tga holds at most 65,535 pixels per side, and the output has 65,536 x 2"),
        ("bmp", (40_000, 40_000), "bmp holds at most 1,431,000,000 pixels, and the output has 40,000 x 40,000"),
    ],
)  # fmt: skip
def test_an_output_beyond_the_size_of_its_format_is_refused_before_any_work(
    name: str, shape: tuple[int, int], message: str
) -> None:
    header = Header((1, *shape), np.dtype(np.uint8))
    request = Request("identity", Convolution.of([[1.0]]))
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        plan_filter(request, header, Appearance(), format_of(name))
    plan_filter(request, header, Appearance(), format_of("tif"))
