"""Pictures in and out, from files that the tests make."""

import os
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageSequence
import pytest
from PIL import ImageCms
from PIL.ExifTags import IFD, Base

from convcli.arrays import Array
from convcli.cli.options import MOST_PIXELS
from convcli.errors import FileError, OptionError
from convcli.files.source import Source
from convcli.pictures.formats import FORMATS, Format, format_of
from convcli.pictures.gray import to_gray
from convcli.pictures.image import Image, Metadata
from convcli.pictures.orientation import upright_array, upright_picture
from convcli.pictures.pixel_limit import limited_pixels
from convcli.pictures.reading import iter_frames, read_header, read_image, read_tensor
from convcli.pictures.writing import encode_image

HEIGHT, WIDTH = 5, 7
SAMPLES = Path(__file__).parent.parent / "sample_images"
PNG = format_of("png")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def random_pixels(channels: int, dtype: type = np.uint8, seed: int = 3) -> Array:
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1000
    return np.random.default_rng(seed).integers(0, top, (channels, HEIGHT, WIDTH), endpoint=True).astype(dtype)


def picture(mode: str) -> PIL.Image.Image:
    bands = [PIL.Image.fromarray(band) for band in random_pixels(len(PIL.Image.new(mode, (1, 1)).getbands()))]
    return PIL.Image.merge(mode, bands)


def encoded(image: PIL.Image.Image, format: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def planes(image: PIL.Image.Image) -> Array:
    return np.stack([np.asarray(band) for band in image.split()])


def saved(array: Array, allow_pickle: bool = False) -> bytes:
    stream = BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def assert_plain(image: Image) -> None:
    assert (image.alpha, image.notes, image.warnings) == (None, (), ())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_plain_pictures_are_read_as_they_are(mode: str) -> None:
    source = picture(mode)
    image = read_image(encoded(source, "PNG"))
    assert np.array_equal(image.pixels, planes(source))
    assert image.pixels.dtype == np.uint8
    assert image.metadata == Metadata()
    assert_plain(image)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_apart(mode: str) -> None:
    source = picture(mode)
    image = read_image(encoded(source, "PNG"))
    assert image.alpha is not None
    assert np.array_equal(np.stack([*image.pixels, image.alpha]), planes(source))
    assert (image.notes, image.warnings) == ((), ())


def test_palette_with_transparency() -> None:
    source = picture("RGB").quantize(16)
    image = read_image(encoded(source, "GIF", transparency=3))
    assert image.alpha is not None
    assert np.array_equal(image.alpha == 0, np.asarray(source) == 3)
    assert np.array_equal(image.pixels, planes(source.convert("RGB")))
    assert image.notes == ("palette converted to RGBA",)


@pytest.mark.parametrize(
    ("mode", "transparent", "note"),
    [("L", 7, "L with a transparent level converted to LA"),
     ("RGB", (1, 2, 3), "RGB with a transparent colour converted to RGBA")],
)  # fmt: skip
def test_a_transparent_colour(mode: str, transparent: Any, note: str) -> None:
    source = picture(mode)
    source.putpixel((2, 1), transparent)
    image = read_image(encoded(source, "PNG", transparency=transparent))
    assert image.alpha is not None
    assert np.argwhere(image.alpha == 0).tolist() == [[1, 2]]
    assert image.notes == (note,)


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_gray_is_exact(format: str, byte_order: str) -> None:
    pixels = random_pixels(1, np.uint16)
    image = read_image(encoded(PIL.Image.fromarray(pixels[0].astype(byte_order)), format))
    assert np.array_equal(image.pixels, pixels)
    assert image.pixels.dtype == np.dtype("=u2")
    assert_plain(image)


def test_16_bit_pgm_is_uint16() -> None:
    pixels = random_pixels(1, np.uint16)
    image = read_image(encoded(PIL.Image.fromarray(pixels[0]), "PPM"))
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_tiff_keeps_its_type(dtype: type) -> None:
    pixels = random_pixels(1, dtype) - np.array(9, dtype)
    image = read_image(encoded(PIL.Image.fromarray(pixels[0]), "TIFF"))
    assert image.pixels.dtype == dtype
    assert np.array_equal(image.pixels, pixels)
    assert_plain(image)


def test_8_bit_ppm_is_not_warned_about() -> None:
    assert_plain(read_image(encoded(picture("RGB"), "PPM")))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_frames(format: str) -> None:
    frames = [picture("RGB"), PIL.Image.new("RGB", (WIDTH, HEIGHT)), PIL.Image.new("RGB", (WIDTH, HEIGHT), "red")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    image = read_image(data)
    assert np.array_equal(image.pixels, planes(PIL.Image.open(BytesIO(data)).convert("RGB")))
    assert image.warnings == ("3 frames: only the first is read (apply with `all_frames` reads each)",)
    header = read_header(data)
    assert (header.shape, header.dtype, header.frames) == (image.pixels.shape, image.pixels.dtype, 3)


def frames_of(data: bytes) -> list[Array]:
    """What Pillow makes of each, in RGB."""
    with PIL.Image.open(BytesIO(data)) as picture:
        return [planes(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(picture)]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_frame(tmp_path: Path, format: str) -> None:
    gray = PIL.Image.new("RGB", (WIDTH, HEIGHT), "gray")
    patched = gray.copy()
    patched.paste("red", (1, 1, 3, 3))
    data = encoded(gray, format, save_all=True, append_images=[patched, gray, picture("RGB")])
    path = tmp_path / "a.pic"
    path.write_bytes(data)
    for images in (iter_frames(data), iter_frames(path)):
        found = list(images)
        assert [image.warnings for image in found] == [()] * 4
        assert np.array_equal([image.pixels for image in found], frames_of(data))


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF"])
def test_frames_are_read_when_they_are_asked_for(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    genuine = PIL.ImageFile.ImageFile.load

    def load(self: PIL.ImageFile.ImageFile) -> Any:
        read.append(self.tell())
        return genuine(self)

    blank = PIL.Image.new("L", (WIDTH, HEIGHT))
    others = [PIL.Image.new("L", (WIDTH, HEIGHT), level) for level in (1, 2, 3)]
    frames = iter_frames(encoded(blank, format, save_all=True, append_images=others))
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", load)
    assert read == []
    next(frames)
    assert set(read) == {0}
    next(frames)
    assert set(read) <= {0, 1}


def test_pages_have_sizes_modes_and_metadata_of_their_own() -> None:
    pages = [picture("RGB"), PIL.Image.fromarray(random_pixels(1, np.uint16)[0]), picture("RGBA").resize((3, 2))]
    for page, orientation in zip(pages, (1, 6, 3), strict=True):
        page.encoderinfo = {"tiffinfo": {Base.Orientation: orientation, Base.Make: f"Maker {orientation}"}}
    found = list(iter_frames(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])))
    assert [image.pixels.shape for image in found] == [(3, HEIGHT, WIDTH), (1, WIDTH, HEIGHT), (3, 2, 3)]
    assert [image.pixels.dtype for image in found] == [np.uint8, np.uint16, np.uint8]
    assert np.array_equal(found[1].pixels[0], np.rot90(np.asarray(pages[1]), -1))
    assert np.array_equal(found[2].alpha, np.rot90(np.asarray(pages[2])[..., 3], 2))
    makers = [parsed(image.metadata.exif)[Base.Make] for image in found]
    assert makers == ["Maker 1", "Maker 6", "Maker 3"]


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_exif_is_every_frames(format: str) -> None:
    exif = exif_of(orientation=6).tobytes()
    data = encoded(
        picture("RGB"), format, save_all=True, append_images=[PIL.Image.new("RGB", (WIDTH, HEIGHT))], exif=exif
    )
    for image in iter_frames(data):
        assert image.pixels.shape == (3, WIDTH, HEIGHT)
        assert parsed(image.metadata.exif)[Base.Make] == "Maker"


def test_frames_of_an_animated_gif_have_three_channels() -> None:
    """Its first frame is gray, and Pillow composes the others in RGB."""
    frames = [PIL.Image.new("L", (WIDTH, HEIGHT), level) for level in (9, 99, 199)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert [image.pixels[:, 0, 0].tolist() for image in iter_frames(data)] == [[9] * 3, [99] * 3, [199] * 3]
    assert read_header(data).shape == (3, HEIGHT, WIDTH)


def test_what_has_no_frames_is_one(tmp_path: Path) -> None:
    array = random_pixels(3)
    for data in (saved(array), encoded(picture("RGB"), "PNG"), b"[[1, 2, 3]]"):
        (image,) = iter_frames(data)
        assert np.array_equal(image.pixels, read_image(data).pixels)
        assert read_header(data).frames == 1


def test_errors_of_frames(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^cannot read .*absent\.gif: No such file or directory$"):
        next(iter_frames(tmp_path / "absent.gif"))
    noise = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 110, 3), np.uint8))
    data = encoded(noise, "TIFF", save_all=True, append_images=[noise])
    with PIL.Image.open(BytesIO(data)) as tiff:
        tiff.seek(1)
        offset = tiff.tile[0].offset
    frames = iter_frames(data[:offset] + bytes(8))
    with pytest.raises(FileError, match=r"^cannot read (frame 2 of )?<bytes>: \S[^\n]*$"):
        list(frames)


@pytest.mark.parametrize(
    ("mode", "format", "alpha"), [("RGBA", "PNG", True), ("LA", "TIFF", True), ("RGB", "JPEG", False)]
)
def test_headers_tell_of_alpha(mode: str, format: str, alpha: bool) -> None:
    assert read_header(encoded(picture(mode), format)).alpha == alpha


@pytest.mark.parametrize("orientation", range(10))
def test_arrays_are_turned_as_pictures_are(orientation: int) -> None:
    array = random_pixels(1)[0]
    turned = np.asarray(upright_picture(PIL.Image.fromarray(array), orientation))
    assert np.array_equal(upright_array(array, orientation), turned)


def test_previews_inside_a_photograph_are_not_frames() -> None:
    data = encoded(picture("RGB"), "MPO", save_all=True, append_images=[picture("RGB")])
    assert_plain(read_image(data))
    assert len(list(iter_frames(data))) == read_header(data).frames == 1


def exif_of(orientation: int | None = None) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[Base.Make] = "Maker"
    exif[Base.YCbCrPositioning] = 2
    exif.get_ifd(IFD.Exif)[Base.LensModel] = "Lens"
    if orientation is not None:
        exif[Base.Orientation] = orientation
    return exif


def parsed(exif: bytes | None) -> PIL.Image.Exif:
    assert exif is not None
    tags = PIL.Image.Exif()
    tags.load(exif)
    return tags


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_and_reset(format: str) -> None:
    stored = picture("RGB")
    data = encoded(stored, format, exif=exif_of(orientation=6).tobytes())
    image = read_image(data)
    assert read_header(data).shape == image.pixels.shape
    unrotated = read_image(encoded(stored, format))
    assert image.pixels.shape == (3, WIDTH, HEIGHT)
    assert np.array_equal(image.pixels, np.rot90(unrotated.pixels, -1, axes=(1, 2)))
    tags = parsed(image.metadata.exif)
    assert Base.Orientation not in tags
    assert tags[Base.Make] == "Maker"
    assert tags.get_ifd(IFD.Exif)[Base.LensModel] == "Lens"


def test_16_bit_gray_is_turned_upright() -> None:
    pixels = random_pixels(1, np.uint16)
    data = encoded(PIL.Image.fromarray(pixels[0]), "PNG", exif=exif_of(orientation=8))
    assert np.array_equal(read_image(data).pixels, np.rot90(pixels, axes=(1, 2)))


def test_exif_forgets_the_layout_of_the_old_file() -> None:
    exif = exif_of()
    exif[Base.ImageWidth] = 9999
    jpeg = read_image(encoded(picture("RGB"), "JPEG", exif=exif))
    assert set(parsed(jpeg.metadata.exif)) == {Base.Make, Base.ExifOffset}
    tiff = read_image(encoded(picture("RGB"), "TIFF", compression="tiff_lzw"))
    assert tiff.metadata.exif is None


def test_damaged_exif_is_left_out() -> None:
    image = read_image(encoded(picture("RGB"), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09"))
    assert image.pixels.shape == (3, HEIGHT, WIDTH)
    assert image.metadata.exif is None
    assert image.warnings


def test_icc_profile_and_dpi_are_read() -> None:
    image = read_image(encoded(picture("RGB"), "PNG", icc_profile=SRGB, dpi=(300, 150)))
    assert image.metadata.icc == SRGB
    assert image.metadata.dpi == pytest.approx((300, 150), abs=0.02)  # PNG stores whole dots per metre


def test_no_dpi_where_the_file_gives_only_an_aspect_ratio() -> None:
    assert read_image(encoded(picture("RGB"), "JPEG")).metadata.dpi is None


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_pictures_are_errors(format: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 110, 3), np.uint8)
    data = encoded(PIL.Image.fromarray(noise), format)
    with pytest.raises(FileError, match=r"^cannot read <bytes>: \S[^\n]*$"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", "it is neither a picture that Pillow knows, nor an .npy array, nor a JSON tensor"),
        (b"\x89PNG\r\n\x1a\n", "it is neither a picture that Pillow knows, nor an .npy array, nor a JSON tensor"),
    ],
)
def test_what_is_no_picture_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(FileError, match="cannot read") as caught:
        read_image(data)
    assert str(caught.value) == f"cannot read <bytes>: {reason}"


VERBS = (read_image, read_header, read_tensor, lambda given: next(iter_frames(given)))
BEYOND = "cannot read <bytes>: it has 35 pixels, more than the limit of 34: `max_pixels` 35 reads it"


def limited(most: int | None, data: bytes = encoded(picture("RGB"), "PNG")) -> Source:
    """Return a source whose pictures may have so many pixels; by default one with 35."""
    return replace(Source.of_bytes(data), max_pixels=most)


@pytest.mark.parametrize("read", VERBS)
def test_a_picture_beyond_the_limit_of_its_source_is_refused(read: Any) -> None:
    with pytest.raises(FileError) as caught:
        read(limited(34))
    assert str(caught.value) == BEYOND
    for most in (35, 0, None):
        read(limited(most))
        assert read_image(limited(most)).warnings == ()


def test_the_default_limit_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_PIXELS == 2 * PIL.Image.MAX_IMAGE_PIXELS == 178_956_970
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 17)
    with pytest.raises(FileError) as caught:
        read_image(limited(None))
    assert str(caught.value) == BEYOND
    assert read_image(limited(35)).pixels.shape == (3, HEIGHT, WIDTH)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(limited(None)).pixels.shape == (3, HEIGHT, WIDTH)


def test_a_limit_below_0_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^max_pixels: expected a number of at least 0, given -1$"):
        limited(-1)


@pytest.mark.parametrize("pillows", [17, 17.5, None])
def test_every_thread_has_its_own_limit(pillows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", pillows)
    data, together = encoded(picture("RGB"), "PNG"), threading.Barrier(4)

    def is_refused(limit: AbstractContextManager[Any]) -> bool:
        try:
            with limit:
                together.wait(10)
                PIL.Image.open(BytesIO(data))
        except (ValueError, PIL.Image.DecompressionBombError):
            return True
        finally:
            together.wait(10)
        return False

    limits = [limited_pixels(34), limited_pixels(35), limited_pixels(0), nullcontext()]
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        # Pillow warns the thread that has none of our limits.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        assert list(pool.map(is_refused, limits)) == [True, False, False, pillows == 17]
    assert PIL.Image.MAX_IMAGE_PIXELS is pillows


def test_a_limit_that_the_program_sets_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    frames = iter_frames(limited(35))
    next(frames)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100
    with limited_pixels(35):
        PIL.Image.MAX_IMAGE_PIXELS = 50
    assert PIL.Image.MAX_IMAGE_PIXELS == 50


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_gray_of_infinities_and_nan(dtype: str) -> None:
    pixels = np.array([[[np.nan, np.inf, np.finfo(dtype).max]]] * 3, dtype)
    (luma,) = to_gray(Image(pixels)).pixels
    assert np.isnan(luma[0, 0])
    assert luma[0, 1] == np.inf


def test_what_pillow_logs_of_what_it_cannot_read_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(picture("RGB"), "TIFF"))
    at = data.index(struct.pack("<HH", 277, 3))
    data[at + 8 : at + 10] = struct.pack("<H", 255)
    with pytest.raises(FileError):
        read_image(bytes(data))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i8", "f2", "<f4", ">f4", "f8"])
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (4, HEIGHT, WIDTH)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(tmp_path: Path, shape: tuple[int, ...], dtype: str, order: Any) -> None:
    array = np.random.default_rng(2).integers(0, 200, shape).astype(dtype, order=order)
    path = tmp_path / "misleading.png"
    path.write_bytes(saved(array))
    for image in (read_image(path), read_image(path.read_bytes())):
        assert np.array_equal(image.pixels, array.reshape(-1, HEIGHT, WIDTH))
        assert image.pixels.dtype == np.dtype(dtype).newbyteorder("=")
        assert_plain(image)


def test_an_array_file_is_mapped_and_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", random_pixels(3))
    pixels = read_image(tmp_path / "a.npy").pixels
    assert isinstance(pixels.base, np.memmap)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(np.zeros((2, 3), bool)), "expected a .npy of real numbers, given dtype bool"),
        (saved(np.zeros((2, 3), complex)), "expected a .npy of real numbers, given dtype complex128"),
        (saved(np.zeros((2, 3), "f4,f4")), "expected a .npy of real numbers, given dtype"),
        (saved(np.zeros(3)), r"expected an array (H, W) or (C, H, W) that is not empty, and it is (3,)"),
        (saved(np.zeros((1, 1, 2, 3))), "(H, W) or (C, H, W) that is not empty, and it is (1, 1, 2, 3)"),
        (saved(np.zeros((0, 3))), "expected an array (H, W) or (C, H, W) that is not empty, and it is (0, 3)"),
        (saved(np.array([[None, "x"]]), allow_pickle=True), ""),
        (saved(np.zeros((4, 5)))[:-9], ""),
        (saved(np.zeros((4, 5)))[:40], ""),
        (saved(np.zeros((4, 5)))[:7], ""),
    ],
)  # fmt: skip
def test_unusable_arrays_are_errors(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(FileError, match=r"^cannot read <bytes>: [^\n]+$") as caught:
        read_image(data)
    assert reason in str(caught.value)
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"^cannot read .*a\.npy: [^\n]+$") as caught:
        read_image(path)
    assert reason in str(caught.value)


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "really-a-tiff.jpg"
    source = picture("RGB")
    path.write_bytes(encoded(source, "TIFF"))
    assert np.array_equal(read_image(path).pixels, planes(source))


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg"])
def test_sample_images(name: str) -> None:
    image = read_image(SAMPLES / name)
    assert np.array_equal(image.pixels, read_image((SAMPLES / name).read_bytes()).pixels)
    assert_plain(image)


def test_a_fifo_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = picture("RGB")
    writer = threading.Thread(target=fifo.write_bytes, args=(encoded(source, "TIFF"),))
    writer.start()
    image = read_image(fifo)
    writer.join()
    assert np.array_equal(image.pixels, planes(source))


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^cannot read .*absent\.png: No such file or directory$"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(FileError, match=rf"^cannot read {tmp_path}: Is a directory$"):
        read_image(tmp_path)


def test_gray_is_what_pillow_makes_of_8_bits() -> None:
    levels = np.array([0, 1, 100, 128, 254, 255], np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels)).reshape(3, 8, 27)
    alpha = np.full((8, 27), 9, np.uint8)
    metadata = Metadata(SRGB)
    gray = to_gray(Image(pixels, alpha, metadata, ("a note",), ("a warning",)))
    expected = PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2))).convert("L")
    assert np.array_equal(gray.pixels[0], np.asarray(expected))
    assert gray.alpha is alpha
    assert (gray.metadata, gray.notes, gray.warnings) == (metadata, ("a note",), ("a warning",))


def test_gray_of_other_types() -> None:
    pixels = random_pixels(3, np.uint16)
    red, green, blue = pixels.astype(float)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.array_equal(to_gray(Image(pixels)).pixels, np.rint(luma)[np.newaxis].astype(np.uint16))
    assert np.array_equal(to_gray(Image(pixels.astype(float))).pixels[0], luma)
    assert to_gray(Image(pixels.astype(np.float32))).pixels.dtype == np.float32


def test_white_stays_white_in_gray() -> None:
    assert (to_gray(Image(np.full((3, 2, 5), 65535, np.uint16))).pixels == 65535).all()


def test_gray_of_gray_is_itself() -> None:
    image = Image(random_pixels(1))
    assert to_gray(image) is image


@pytest.mark.parametrize("channels", [2, 4])
def test_gray_needs_1_or_3_channels(channels: int) -> None:
    with pytest.raises(OptionError, match=rf"^gray is made of 3 channels .* this image has {channels}$"):
        to_gray(Image(random_pixels(channels)))


@pytest.mark.parametrize(
    ("name", "format"),
    [("png", "png"), (".PNG", "png"), ("jpg", "jpeg"), (".tif", "tiff"), ("pgm", "ppm"), (".jp2", "jpeg2000"),
     ("npy", "npy")],
)  # fmt: skip
def test_format_names(name: str, format: str) -> None:
    assert format_of(name).name == format


@pytest.mark.parametrize("name", ["", ".xyz", "npz", "pn"])
def test_unknown_formats_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^format: expected png, jpeg, .* or npy, given '{name.removeprefix('.')}'"):
        format_of(name)


def test_names_and_extensions_are_distinct() -> None:
    names = [name for format in FORMATS for name in {format.name, *format.extensions}]
    assert len(names) == len(set(names))


def test_only_npy_is_an_array() -> None:
    assert [format.name for format in FORMATS if format.is_array] == ["npy"]


PICTURES = [format for format in FORMATS if not format.is_array]
EXACT = {"png", "tiff", "bmp", "ppm", "jpeg2000", "tga"}


@pytest.mark.parametrize("format", PICTURES, ids=lambda format: format.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_takes_gray_and_rgb(format: Format, channels: int) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 40), (channels, 30, 40)).astype(np.uint8)
    metadata = Metadata(SRGB, exif_of().tobytes(), (300, 300))
    image = read_image(encode_image(smooth, None, format, metadata))
    pixels = np.broadcast_to(image.pixels, (3, 30, 40)).astype(int)
    assert abs(pixels - smooth).max() <= (0 if format.name in EXACT else 16)


@pytest.mark.parametrize("format", PICTURES, ids=lambda format: format.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_in_every_format_that_holds_it(format: Format, channels: int) -> None:
    alpha = np.zeros((30, 40), np.uint8)
    alpha[:, 10:] = 255
    pixels = np.full((channels, 30, 40), 99, np.uint8)
    data = encode_image(pixels, alpha if format.holds_alpha else None, format, Metadata())
    image = read_image(data)
    assert (image.alpha is not None) == format.holds_alpha
    if image.alpha is not None:
        assert np.array_equal(image.alpha, alpha)


@pytest.mark.parametrize("format", PICTURES, ids=lambda format: format.name)
def test_depth_and_floats_of_one_channel(format: Format) -> None:
    if format.max_depth(1) == 16:
        pixels = random_pixels(1, np.uint16)
        assert np.array_equal(read_image(encode_image(pixels, None, format, Metadata())).pixels, pixels)
    if format.holds_float(1):
        pixels = random_pixels(1, np.float32) / np.float32(-7)
        assert np.array_equal(read_image(encode_image(pixels, None, format, Metadata())).pixels, pixels)


def test_formats_of_16_bits_and_floats() -> None:
    assert [format.name for format in PICTURES if format.deep_gray] == ["png", "tiff", "ppm", "jpeg2000"]
    assert [format.name for format in PICTURES if format.floats] == ["tiff"]


@pytest.mark.parametrize("format", PICTURES, ids=lambda format: format.name)
def test_each_format_keeps_what_it_is_said_to_keep(format: Format) -> None:
    metadata = Metadata(SRGB, exif_of().tobytes(), (300.0, 150.0))
    again = read_image(encode_image(random_pixels(3), None, format, metadata)).metadata
    assert tuple(field for field, value in again._asdict().items() if value) == format.metadata
    if again.icc:
        assert again.icc == SRGB
    if again.exif:
        assert parsed(again.exif)[Base.Make] == "Maker"
        assert parsed(again.exif).get_ifd(IFD.Exif)[Base.LensModel] == "Lens"
    if again.dpi:
        assert again.dpi == pytest.approx((300, 150), abs=0.02)  # PNG and BMP store whole dots per metre


@pytest.mark.parametrize("format", [f for f in PICTURES if "exif" in f.metadata], ids=lambda format: format.name)
def test_a_picture_that_was_turned_upright_is_not_turned_again(format: Format) -> None:
    sideways = read_image(encoded(picture("RGB"), "PNG", exif=exif_of(orientation=6)))
    again = read_image(encode_image(sideways.pixels, None, format, sideways.metadata))
    assert again.pixels.shape == sideways.pixels.shape
    assert format.name not in EXACT or np.array_equal(again.pixels, sideways.pixels)


@pytest.mark.parametrize(
    ("metadata", "name", "channels", "losses"),
    [
        (Metadata(SRGB, b"Exif", (300, 300)), "png", 3, ()),
        (Metadata(SRGB), "png", 1, ("the colour profile is left out: it is for RGB, and the output is gray",)),
        (Metadata(SRGB, b"Exif"), "gif", 1, (
            "the colour profile is left out: gif holds none", "EXIF is left out: gif holds none")),
        (Metadata(dpi=(72, 72)), "webp", 3, ("the resolution is left out: webp holds none",)),
        (Metadata(exif=bytes(70_000)), "jpeg", 3,
         ("EXIF is left out: jpeg holds 65,533 bytes of it, and these are 70,000",)),
    ],
)  # fmt: skip
def test_what_metadata_is_lost_is_said(metadata: Metadata, name: str, channels: int, losses: tuple[str, ...]) -> None:
    assert tuple(format_of(name).metadata_losses(metadata, channels).values()) == losses


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_the_resolution_turns_with_the_picture(format: str) -> None:
    data = encoded(picture("RGB"), format, exif=exif_of(orientation=6).tobytes(), dpi=(300, 150))
    assert read_image(data).metadata.dpi == pytest.approx((150, 300), abs=0.02)


def test_what_describes_the_old_layout_is_turned_or_left() -> None:
    exif = PIL.Image.Exif()
    exif[Base.Orientation] = 6
    exif.get_ifd(IFD.Exif).update({Base.ExifImageWidth: WIDTH, Base.ExifImageHeight: HEIGHT, Base.FNumber: 2.0})
    image = read_image(encoded(picture("RGB"), "jpeg", exif=exif, dpi=(300, 150)))
    assert image.metadata.dpi == (150, 300)
    kept = PIL.Image.Exif()
    kept.load(image.metadata.exif or b"")
    assert set(kept.get_ifd(IFD.Exif)) == {Base.FNumber}


def test_a_tiff_that_says_nothing_of_its_resolution_has_none() -> None:
    assert read_image(encoded(picture("RGB"), "tiff")).metadata.dpi is None


def test_exif_of_a_photograph_goes_into_a_tiff() -> None:
    exif = exif_of()
    exif[Base.ImageWidth] = 9999
    source = read_image(encoded(picture("RGB"), "JPEG", exif=exif))
    smaller = np.ascontiguousarray(source.pixels[:1, 1:, 2:])
    image = read_image(encode_image(smaller, None, format_of("tiff"), source.metadata))
    assert np.array_equal(image.pixels, smaller)
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"


def test_exif_of_a_tiff_goes_into_another() -> None:
    source = read_image(encoded(picture("RGB"), "TIFF", exif=exif_of().tobytes()))
    image = read_image(encode_image(source.pixels[:1], None, format_of("tiff"), source.metadata))
    assert np.array_equal(image.pixels, source.pixels[:1])
    assert parsed(image.metadata.exif).get_ifd(IFD.Exif)[Base.LensModel] == "Lens"


def test_a_profile_for_other_channels_is_not_carried() -> None:
    gray_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    for channels, icc, kept in ((1, SRGB, None), (3, gray_profile, None), (1, gray_profile, gray_profile)):
        data = encode_image(random_pixels(channels), None, PNG, Metadata(icc))
        assert PIL.Image.open(BytesIO(data)).info.get("icc_profile") == kept


def test_exif_beyond_a_jpeg_segment_is_left_out() -> None:
    exif = exif_of()
    exif[Base.ImageDescription] = "x" * 70_000
    data = encode_image(random_pixels(3), None, format_of("jpeg"), Metadata(exif=exif.tobytes()))
    assert read_image(data).metadata.exif is None


def test_what_a_format_cannot_hold_is_an_error() -> None:
    wide = np.zeros((1, 1, 16400), np.uint8)
    with pytest.raises(OptionError, match=r"^cannot write the image as webp: .*; choose another format$"):
        encode_image(wide, None, format_of("webp"), Metadata())
