"""Images, frames and headers from files that the tests make."""

import os
import struct
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageSequence
import pytest
from PIL.ExifTags import IFD, Base
from support.pictures import HEIGHT, SRGB, WIDTH, encoded, exif_of, parsed, picture, planes, random_pixels

from convcli.arrays import Array
from convcli.errors import FileError, reason_of
from convcli.pictures.formats import format_of
from convcli.pictures.image import Image, Metadata
from convcli.pictures.orientation import upright_array, upright_picture
from convcli.pictures.reading import iter_frames, read_header, read_image
from convcli.pictures.writing import encode_image

SAMPLES = Path(__file__).parent.parent / "sample_images"
PNG = format_of("png")


def saved(array: Array, allow_pickle: bool = False) -> bytes:
    stream = BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def assert_plain(image: Image) -> None:
    assert (image.alpha, image.notes, image.warnings) == (None, (), ())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_plain_pictures_are_read_unchanged(mode: str) -> None:
    source = picture(mode)
    image = read_image(encoded(source, "PNG"))
    assert np.array_equal(image.pixels, planes(source))
    assert image.pixels.dtype == np.uint8
    assert image.metadata == Metadata()
    assert_plain(image)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_separate_from_the_channels(mode: str) -> None:
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
def test_a_transparent_colour_becomes_alpha(mode: str, transparent: Any, note: str) -> None:
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
def test_of_several_frames_the_first_is_read_with_a_warning(format: str) -> None:
    frames = [picture("RGB"), PIL.Image.new("RGB", (WIDTH, HEIGHT)), PIL.Image.new("RGB", (WIDTH, HEIGHT), "red")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    image = read_image(data)
    assert np.array_equal(image.pixels, planes(PIL.Image.open(BytesIO(data)).convert("RGB")))
    assert image.warnings == ("of its frames only the first is read (apply with `all_frames` reads each)",)
    header = read_header(data)
    assert (header.shape, header.dtype, header.frames) == (image.pixels.shape, image.pixels.dtype, 3)


def frames_of(data: bytes) -> list[Array]:
    """Return the frames as Pillow decodes them, in RGB."""
    with PIL.Image.open(BytesIO(data)) as picture:
        return [planes(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(picture)]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_iter_frames_yields_every_frame(tmp_path: Path, format: str) -> None:
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


@pytest.mark.parametrize("format", ["GIF", "PNG"])
def test_frames_are_decoded_one_by_one(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_each_page_has_its_own_size_mode_and_metadata() -> None:
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
def test_every_frame_has_the_exif(format: str) -> None:
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


def test_an_input_without_frames_is_one_frame(tmp_path: Path) -> None:
    array = random_pixels(3)
    for data in (saved(array), encoded(picture("RGB"), "PNG"), b"[[1, 2, 3]]"):
        (image,) = iter_frames(data)
        assert np.array_equal(image.pixels, read_image(data).pixels)
        assert read_header(data).frames == 1


def test_errors_of_frames_name_the_source(tmp_path: Path) -> None:
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
def test_the_header_says_whether_there_is_alpha(mode: str, format: str, alpha: bool) -> None:
    assert read_header(encoded(picture(mode), format)).alpha == alpha


@pytest.mark.parametrize("orientation", range(10))
def test_arrays_and_pictures_are_turned_alike(orientation: int) -> None:
    array = random_pixels(1)[0]
    turned = np.asarray(upright_picture(PIL.Image.fromarray(array), orientation))
    assert np.array_equal(upright_array(array, orientation), turned)


def test_previews_inside_a_photograph_are_not_frames() -> None:
    data = encoded(picture("RGB"), "MPO", save_all=True, append_images=[picture("RGB")])
    image = read_image(data)
    assert image.notes == ("segments of other programs are dropped: APP2 MPF",)
    assert_plain(image._replace(notes=()))
    assert len(list(iter_frames(data))) == read_header(data).frames == 1


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


def test_exif_of_the_old_layout_is_dropped() -> None:
    exif = exif_of()
    exif[Base.ImageWidth] = 9999
    jpeg = read_image(encoded(picture("RGB"), "JPEG", exif=exif))
    assert set(parsed(jpeg.metadata.exif)) == {Base.Make, Base.ExifOffset, Base.GPSInfo}
    tiff = read_image(encoded(picture("RGB"), "TIFF", compression="tiff_lzw"))
    assert tiff.metadata.exif is None


def test_damaged_exif_is_dropped_with_a_warning() -> None:
    image = read_image(encoded(picture("RGB"), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09"))
    assert image.pixels.shape == (3, HEIGHT, WIDTH)
    assert image.metadata.exif is None
    assert image.warnings


def test_icc_profile_and_dpi_are_read() -> None:
    image = read_image(encoded(picture("RGB"), "PNG", icc_profile=SRGB, dpi=(300, 150)))
    assert image.metadata.icc == SRGB
    assert image.metadata.dpi == pytest.approx((300, 150), abs=0.02)  # PNG stores whole dots per metre


def test_an_aspect_ratio_is_no_resolution() -> None:
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
        (b"hello", "expected a picture that Pillow can read, an .npy array or a JSON tensor, given text"),
        (b"\1\2\3", "expected a picture that Pillow can read, an .npy array or a JSON tensor"),
        (b"\x89PNG\r\n\x1a\n", "it is a PNG picture, but damaged or of a kind that is not read"),
    ],
)
def test_other_files_are_errors(data: bytes, reason: str) -> None:
    with pytest.raises(FileError, match="cannot read") as caught:
        read_image(data)
    assert str(caught.value) == f"cannot read <bytes>: {reason}"


def test_what_libraries_quote_from_a_file_is_cut() -> None:
    assert reason_of(ValueError("x" * 1000)) == "x" * 300 + "..."
    assert reason_of(ValueError("x" * 300)) == "x" * 300


def test_what_pillow_logs_about_a_damaged_picture_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(picture("RGB"), "TIFF"))
    at = data.index(struct.pack("<HH", 277, 3))
    data[at + 8 : at + 10] = struct.pack("<H", 255)
    with pytest.raises(FileError):
        read_image(bytes(data))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i8", "f2", "<f4", ">f4", "f8"])
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (4, HEIGHT, WIDTH), (2, 3, HEIGHT, WIDTH)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_images(tmp_path: Path, shape: tuple[int, ...], dtype: str, order: Any) -> None:
    array = np.random.default_rng(2).integers(0, 200, shape).astype(dtype, order=order)
    path = tmp_path / "misleading.png"
    path.write_bytes(saved(array))
    for image in (read_image(path), read_image(path.read_bytes())):
        assert np.array_equal(image.pixels, array)
        assert image.pixels.dtype == np.dtype(dtype).newbyteorder("=")
        assert_plain(image)


def test_an_array_file_is_memory_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", random_pixels(3))
    pixels = read_image(tmp_path / "a.npy").pixels
    assert isinstance(pixels.base, np.memmap)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(np.zeros((2, 3), bool)), "expected a .npy of real numbers, given dtype bool"),
        (saved(np.zeros((2, 3), complex)), "expected a .npy of real numbers, given dtype complex128"),
        (saved(np.zeros((2, 3), "f4,f4")), "expected a .npy of real numbers, given dtype"),
        (saved(np.zeros(3)), r"expected an array (H, W) or (..., C, H, W) that is not empty, given shape (3,)"),
        (saved(np.zeros((0, 3))), "expected an array (H, W) or (..., C, H, W) that is not empty, given shape (0, 3)"),
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


def test_a_picture_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "really-a-tiff.jpg"
    source = picture("RGB")
    path.write_bytes(encoded(source, "TIFF"))
    assert np.array_equal(read_image(path).pixels, planes(source))


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg"])
def test_the_sample_images_are_read_from_paths_and_bytes(name: str) -> None:
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


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_the_resolution_turns_with_the_picture(format: str) -> None:
    data = encoded(picture("RGB"), format, exif=exif_of(orientation=6).tobytes(), dpi=(300, 150))
    assert read_image(data).metadata.dpi == pytest.approx((150, 300), abs=0.02)


def test_metadata_of_the_old_layout_is_turned_or_dropped() -> None:
    exif = PIL.Image.Exif()
    exif[Base.Orientation] = 6
    exif.get_ifd(IFD.Exif).update({Base.ExifImageWidth: WIDTH, Base.ExifImageHeight: HEIGHT, Base.FNumber: 2.0})
    image = read_image(encoded(picture("RGB"), "jpeg", exif=exif, dpi=(300, 150)))
    assert image.metadata.dpi == (150, 300)
    kept = PIL.Image.Exif()
    kept.load(image.metadata.exif or b"")
    assert set(kept.get_ifd(IFD.Exif)) == {Base.FNumber}


def test_a_tiff_without_a_resolution_has_none() -> None:
    assert read_image(encoded(picture("RGB"), "tiff")).metadata.dpi is None


def test_exif_of_a_photograph_is_written_to_a_tiff() -> None:
    exif = exif_of()
    exif[Base.ImageWidth] = 9999
    source = read_image(encoded(picture("RGB"), "JPEG", exif=exif))
    smaller = np.ascontiguousarray(source.pixels[:1, 1:, 2:])
    image = read_image(encode_image(smaller, None, format_of("tiff"), source.metadata))
    assert np.array_equal(image.pixels, smaller)
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"


def test_exif_of_a_tiff_is_written_to_another() -> None:
    source = read_image(encoded(picture("RGB"), "TIFF", exif=exif_of().tobytes()))
    image = read_image(encode_image(source.pixels[:1], None, format_of("tiff"), source.metadata))
    assert np.array_equal(image.pixels, source.pixels[:1])
    assert parsed(image.metadata.exif).get_ifd(IFD.Exif)[Base.LensModel] == "Lens"


@pytest.mark.parametrize(("options", "lossless"), [({"lossless": True}, True), ({"quality": 80}, False)])
def test_a_webp_says_whether_it_is_lossless(options, lossless):
    first, *others = [PIL.Image.new("RGB", (9, 7), (80 * number, 9, 9)) for number in range(3)]
    for more in ([], others):
        data = encoded(first, "WEBP", save_all=bool(more), append_images=more, **options)
        assert [image.stored.lossless for image in iter_frames(data)] == [lossless] * (1 + len(more))
