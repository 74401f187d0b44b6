"""Compare the frames that are read from animations with those that a player would show."""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
from support.pictures import encoded, exif_of
from test_png import chunk

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.orientation import upright_array
from convcli.pictures.reading import iter_frames, read_header

HEIGHT, WIDTH = 6, 8
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
KEEP, TO_BACKGROUND, TO_PREVIOUS = 1, 2, 3


class Part(NamedTuple):
    """A part of a frame, at a place on the canvas. after: what becomes of its area once it was shown."""

    top: int
    left: int
    pixels: Array
    after: int


def shown(parts: list[Part], draw: Callable[[Array, Array], Array]) -> list[Array]:
    """Return the canvas ``(H, W, 4)`` as each part is shown. draw: returns colours drawn upon others."""
    canvas, found = np.zeros((HEIGHT, WIDTH, 4), int), []
    for part in parts:
        area = np.s_[part.top : part.top + part.pixels.shape[0], part.left : part.left + part.pixels.shape[1]]
        before = canvas.copy()
        canvas[area] = draw(part.pixels, canvas[area])
        found.append(canvas.copy())
        if part.after == TO_BACKGROUND:
            canvas[area] = 0
        if part.after == TO_PREVIOUS:
            canvas = before
    return found


def assert_frames(data: bytes, expected: list[Array]) -> None:
    frames = list(iter_frames(data))
    assert len(frames) == len(expected)
    for frame, canvas in zip(frames, expected, strict=True):
        alpha = np.full((HEIGHT, WIDTH), 255) if frame.alpha is None else frame.alpha
        assert np.array_equal(alpha, canvas[..., 3])
        # What a transparent pixel hides is no part of the picture.
        visible = canvas[..., 3] > 0
        assert np.array_equal(np.moveaxis(frame.pixels, 0, -1)[visible], canvas[visible][:, :3])


PLACES = ((0, 0, HEIGHT, WIDTH), (2, 1, 3, 4), (1, 2, 2, 5), (0, 0, HEIGHT, WIDTH))


def lzw(indices: Array) -> bytes:
    """Return indices of 2 bits as codes of 3 bits, with a clear code so often that codes do not grow."""
    codes = []
    for number, index in enumerate(indices.ravel().tolist()):
        codes += [4, index] if number % 2 == 0 else [index]
    bits = "".join(f"{code:03b}" for code in reversed([*codes, 5]))
    data = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


# Without a transparent colour, programs disagree whether the background is one.
@pytest.mark.parametrize(
    ("after", "transparent"),
    [(0, None), (KEEP, None), (TO_PREVIOUS, None), (0, 1), (KEEP, 1), (TO_BACKGROUND, 1), (TO_PREVIOUS, 1)],
)
def test_gif(after: int, transparent: int | None) -> None:
    rng = np.random.default_rng(after)
    data = b"GIF89a" + struct.pack("<2H3B", WIDTH, HEIGHT, 0x81, 0, 0) + COLOURS.astype(np.uint8).tobytes()
    parts = []
    for number, (top, left, height, width) in enumerate(PLACES):
        indices = rng.integers(0, 4, (height, width))
        how = (KEEP if number == 0 else after) << 2 | (transparent is not None)
        data += struct.pack("<4BH2B", 0x21, 0xF9, 4, how, 10, transparent or 0, 0)
        data += struct.pack("<B4HB", 0x2C, left, top, width, height, 0) + lzw(indices)
        alpha = np.where(indices == transparent, 0, 255)[..., np.newaxis]
        parts.append(Part(top, left, np.concatenate([COLOURS[indices], alpha], axis=2), how >> 2))
    assert_frames(data + b";", shown(parts, over))


def over(drawn: Array, below: Array) -> Array:
    """Return colours ``(..., 4)`` over others, by plain arithmetic."""
    front, back = drawn[..., 3:] / 255, below[..., 3:] / 255
    alpha = front + back * (1 - front)
    colours = drawn[..., :3] * front + below[..., :3] * back * (1 - front)
    mixed = np.concatenate([colours / np.where(alpha, alpha, 1), 255 * alpha], axis=2)
    return np.rint(mixed).astype(int)


def apng(parts: list[Part], *, is_over: bool, bits: int = 8, first: Array | None = None) -> bytes:
    """Return a file of parts in RGBA. first: a picture before the animation."""

    def rows(pixels: Array) -> bytes:
        return zlib.compress(b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in pixels))

    header = struct.pack(">2I5B", WIDTH, HEIGHT, bits, 6, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">2I", len(parts), 0))]
    if first is not None:
        chunks.append(chunk(b"IDAT", rows(first)))
    sequence = 0
    for number, part in enumerate(parts):
        height, width, _ = part.pixels.shape
        place = (width, height, part.left, part.top)
        chunks.append(chunk(b"fcTL", struct.pack(">5I2H2B", sequence, *place, 1, 10, part.after - 1, is_over)))
        if number == 0 and first is None:
            chunks.append(chunk(b"IDAT", rows(part.pixels)))
        else:
            sequence += 1
            chunks.append(chunk(b"fdAT", struct.pack(">I", sequence) + rows(part.pixels)))
        sequence += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def random_parts(after: int, most: int = 255) -> list[Part]:
    rng = np.random.default_rng(after)
    parts = []
    for top, left, height, width in PLACES:
        pixels = rng.integers(0, most, (height, width, 4), endpoint=True)
        # Some opaque, some transparent, the others between.
        pixels[..., 3] = np.clip(pixels[..., 3] * 2 - most // 2, 0, most)
        parts.append(Part(top, left, pixels, KEEP if (top, height) == (0, HEIGHT) else after))
    return parts


@pytest.mark.parametrize("after", [KEEP, TO_BACKGROUND, TO_PREVIOUS])
@pytest.mark.parametrize("is_over", [False, True])
def test_apng(after: int, is_over: bool) -> None:
    parts = random_parts(after)
    assert_frames(apng(parts, is_over=is_over), shown(parts, over if is_over else lambda drawn, below: drawn))


def test_apng_of_16_bits_with_a_picture_before_it() -> None:
    parts = random_parts(TO_PREVIOUS, 65535)
    first = np.full((HEIGHT, WIDTH, 4), 65535)
    frames = list(iter_frames(apng(parts, is_over=False, bits=16, first=first)))
    expected = [first, *shown(parts, lambda drawn, below: drawn)]
    for frame, canvas in zip(frames, expected, strict=True):
        assert frame.alpha is not None
        assert np.array_equal(np.moveaxis(np.array([*frame.pixels, frame.alpha]), 0, -1), canvas)


def test_the_orientation_of_an_apng_is_that_of_its_canvas() -> None:
    parts = random_parts(KEEP)
    data = apng(parts, is_over=False)
    turned = data.replace(data[33:53], data[33:53] + chunk(b"eXIf", exif_of(6).tobytes().removeprefix(b"Exif\0\0")), 1)
    for frame, upright in zip(iter_frames(turned), iter_frames(data), strict=True):
        assert np.array_equal(frame.pixels, upright_array(upright.pixels, 6))
        assert frame.header == read_header(turned)._replace(frames=1, plays=None)


def test_a_first_part_may_be_smaller_than_the_canvas() -> None:
    parts = random_parts(KEEP)[1:3]
    data = apng(parts, is_over=False)
    assert_frames(data, shown(parts, lambda drawn, below: drawn))
    assert read_header(data)._replace(frames=1, plays=None) == next(iter_frames(data)).header


def test_an_apng_that_contradicts_itself_is_an_error() -> None:
    parts = random_parts(KEEP)
    data = apng(parts, is_over=False)
    claiming = data.replace(chunk(b"acTL", struct.pack(">2I", 4, 0)), chunk(b"acTL", struct.pack(">2I", 5, 0)))
    with pytest.raises(FileError, match=r"frame 5 of .*: the animation has fewer frames than it claims"):
        list(iter_frames(claiming))
    outside = apng([parts[0], parts[1]._replace(left=6)], is_over=False)
    with pytest.raises(FileError, match=r"frame 2 of .*: a frame of the animation is not within its picture"):
        list(iter_frames(outside))


def test_webp() -> None:
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8) for _ in range(3)]
    for frame in frames:
        frame[..., 3] |= 1
    first, *others = [PIL.Image.fromarray(frame) for frame in frames]
    data = encoded(first, "WEBP", save_all=True, append_images=others, lossless=True, exact=True, duration=40)
    assert_frames(data, [frame.astype(int) for frame in frames])


# A GIF says how often it is repeated, and the others how often it is played.
@pytest.mark.parametrize(
    ("format", "loop", "plays"),
    [("GIF", None, 1), ("GIF", 0, 0), ("GIF", 2, 3), ("PNG", 0, 0), ("PNG", 2, 2), ("WEBP", 0, 0), ("WEBP", 3, 3)],
)
def test_the_timing_of_an_animation(format: str, loop: int | None, plays: int) -> None:
    first, *others = [PIL.Image.fromarray(np.full((6, 8), level, np.uint8)) for level in (0, 99, 200)]
    options = {} if loop is None else {"loop": loop}
    data = encoded(first, format, save_all=True, append_images=others, duration=[40, 0, 1290], **options)
    assert read_header(data).plays == plays
    assert [frame.duration for frame in iter_frames(data)] == [40, 0, 1290]


def test_a_frame_before_an_animated_png_and_a_picture_have_no_duration() -> None:
    first = np.full((HEIGHT, WIDTH, 4), 255)
    data = apng(random_parts(KEEP)[:2], is_over=False, first=first)
    assert [frame.duration for frame in iter_frames(data)] == [None, 100, 100]
    still = encoded(PIL.Image.new("L", (6, 8)), "GIF", duration=40)
    assert (read_header(still).plays, next(iter_frames(still)).duration) == (None, None)


def gif_of(frames: list[Array], transparent: int | None, disposal: int) -> bytes:
    first, *others = [PIL.Image.fromarray(frame) for frame in frames]
    for picture in (first, *others):
        picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    options = {} if transparent is None else {"transparency": transparent}
    return encoded(first, "GIF", save_all=True, append_images=others, disposal=disposal, optimize=False, **options)


@pytest.mark.parametrize(
    ("first", "transparent", "disposal", "has_alpha"),
    [(1, None, KEEP, False), (1, 0, KEEP, False), (0, 0, KEEP, True), (1, 0, TO_BACKGROUND, True)],
)
def test_every_frame_of_a_gif_has_alpha_if_some_frame_may_show_it(
    first: int, transparent: int | None, disposal: int, has_alpha: bool
) -> None:
    frames = [np.full((HEIGHT, WIDTH), first, np.uint8), np.full((HEIGHT, WIDTH), 2, np.uint8)]
    frames[1][:, :3] = 0
    data = gif_of(frames, transparent, disposal)
    assert read_header(data).alpha == has_alpha
    assert [(len(frame.pixels), frame.alpha is not None) for frame in iter_frames(data)] == [(3, has_alpha)] * 2
