"""The colours of a GIF: exact if they are few, gray if they were, and like the photograph that they are of."""

from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFilter
from support.command_line import SAMPLES

from convcli import filter_image
from convcli.arrays import Array
from convcli.pictures.formats import format_of
from convcli.pictures.image import Metadata
from convcli.pictures.reading import read_image
from convcli.pictures.writing import encode_image

GIF = format_of("gif")


def written(pixels: Array, alpha: Array | None = None) -> tuple[Array, Array | None]:
    """Return the colours ``(3, H, W)`` and alpha that a GIF holds."""
    image = read_image(encode_image(pixels, alpha, GIF, Metadata()))
    return np.broadcast_to(image.pixels, (3, *pixels.shape[1:])).astype(int), image.alpha


def few_colours(count: int, shape: tuple[int, int] = (40, 50)) -> Array:
    """Return a picture of exactly this many random colours."""
    rng = np.random.default_rng(count)
    colours = rng.choice(1 << 24, count, replace=False)
    numbers = colours[rng.permutation(np.arange(shape[0] * shape[1]) % count)].reshape(shape)
    return np.stack([numbers >> shift & 255 for shift in (16, 8, 0)]).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 17, 255, 256])
def test_256_colours_are_exact(count: int) -> None:
    pixels = few_colours(count)
    colours, alpha = written(pixels)
    assert np.array_equal(colours, pixels)
    assert alpha is None


@pytest.mark.parametrize("count", [1, 255])
@pytest.mark.parametrize("hidden", [0, 77])
def test_255_colours_and_transparency_are_exact(count: int, hidden: int) -> None:
    pixels = few_colours(count)
    alpha = np.full(pixels.shape[1:], 255, np.uint8)
    alpha[3:9, 5:] = hidden
    colours, opacity = written(pixels, alpha)
    assert opacity is not None
    assert np.array_equal(opacity, np.where(alpha < 128, 0, 255))
    assert np.array_equal(colours[:, alpha > 128], pixels[:, alpha > 128])


def test_hidden_colours_do_not_count() -> None:
    pixels = few_colours(1000)
    alpha = np.zeros(pixels.shape[1:], np.uint8)
    alpha[:10] = 128
    pixels[:, :10] = few_colours(255, (10, 50))
    colours, _ = written(pixels, alpha)
    assert np.array_equal(colours[:, :10], pixels[:, :10])


def test_all_grays_are_exact_and_stay_gray() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    for pixels in (levels, np.repeat(levels, 3, axis=0)):
        colours, _ = written(pixels)
        assert np.array_equal(colours, np.repeat(levels, 3, axis=0))
    alpha = np.full((16, 16), 255, np.uint8)
    assert np.array_equal(written(levels, alpha)[0], np.repeat(levels, 3, axis=0))
    # One level has no place beside the transparent entry.
    tall, alpha = np.tile(levels, (1, 2, 1)), np.repeat(np.array([0, 255], np.uint8), 16)[:, np.newaxis]
    colours, _ = written(tall, np.repeat(alpha, 16, axis=1))
    assert abs(colours[:, 16:] - tall[:, 16:]).max() == 1
    assert (colours == colours[0]).all()


def test_a_gray_drawing_with_some_colours_stays_gray() -> None:
    ramp = np.repeat(np.linspace(20, 240, 120)[:, np.newaxis], 160, axis=1)
    drawing = PIL.Image.fromarray(np.repeat(ramp[..., np.newaxis], 3, axis=2).astype(np.uint8))
    drawing.paste((200, 30, 30), (90, 20, 140, 70))
    pixels = np.moveaxis(np.asarray(drawing.filter(ImageFilter.GaussianBlur(2))), -1, 0)
    assert len(np.unique(pixels.reshape(3, -1), axis=1)[0]) > 256
    colours, _ = written(pixels)
    was_gray = (pixels == pixels[0]).all(axis=0)
    assert np.ptp(colours[:, was_gray], axis=0).max() == 0
    assert psnr(pixels, colours) > 48


def psnr(some: Array, others: Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((some.astype(float) - others) ** 2)))


def seen_from_afar(colours: Array) -> Array:
    picture = PIL.Image.fromarray(np.moveaxis(colours, 0, -1).astype(np.uint8))
    return np.moveaxis(np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5))), -1, 0)


@pytest.mark.parametrize(("name", "least", "least_from_afar"), [("astronaut.png", 34, 47.5), ("rocket.jpg", 35.5, 50)])
def test_a_photograph_is_dithered(name: str, least: float, least_from_afar: float) -> None:
    """ImageMagick 6.9.11 reaches 33.6 and 36.5 dB on both, and 47.9 and 51.5 dB once blurred."""
    pixels = read_image(SAMPLES / name).pixels
    colours, _ = written(pixels)
    assert psnr(pixels, colours) > least
    assert psnr(seen_from_afar(pixels), seen_from_afar(colours)) > least_from_afar


def test_more_than_256_colours_are_a_note() -> None:
    note = "colours are reduced to 256, because gif stores no more"
    # The blue of a transparent pixel is none of the 256.
    colours = np.zeros((3, 16, 17), np.uint8)
    colours[0], colours[1] = np.minimum(np.arange(16), 15)[:, np.newaxis], np.minimum(np.arange(17), 15)
    alpha = np.full((16, 17), 255, np.uint8)
    for blue, expected in ((0, False), (1, True)):
        colours[2, 3, 16] = blue
        for opaque in (True, False):
            stream = BytesIO()
            picture = np.array([*colours, alpha])
            picture[3, 3, 16] = 255 * opaque
            PIL.Image.fromarray(np.moveaxis(picture, 0, -1)).save(stream, "PNG")
            filtered = filter_image(stream.getvalue(), "identity", format="gif")
            # One entry is for transparent pixels.
            assert (note in filtered.notes) == (expected if opaque else True)
            written_file = BytesIO()
            filtered.write_picture(written_file)
            visible = picture[3] > 0
            found = read_image(written_file.getvalue()).pixels[:, visible]
            assert np.array_equal(found, colours[:, visible]) == (note not in filtered.notes)


def test_half_transparent_pixels_are_a_warning() -> None:
    cut_out = PIL.Image.new("RGBA", (12, 9), (9, 200, 30, 255))
    cut_out.paste((0, 0, 0, 0), (0, 0, 5, 5))
    stream = BytesIO()
    cut_out.save(stream, "PNG")
    warning = "alpha is rounded to transparent or opaque, because gif stores no more"
    for kernel, expected in (("identity", False), ("gaussian:1", True)):
        filtered = filter_image(stream.getvalue(), kernel, format="gif")
        assert filtered.warnings == (warning,) * expected
        assert filter_image(stream.getvalue(), kernel, format="png").warnings == ()
