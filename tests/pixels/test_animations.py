"""Compare the frames that are read from animations with those that a player would show."""

import struct
import zlib
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
from support.pictures import encoded
from test_png import chunk

from convcli.arrays import Array
from convcli.pictures.reading import iter_frames

HEIGHT, WIDTH = 6, 8
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
KEEP, TO_BACKGROUND, TO_PREVIOUS = 1, 2, 3


class Part(NamedTuple):
    """A part of a frame, at a place on the canvas. after: what becomes of its area once it was shown."""

    top: int
    left: int
    pixels: Array
    after: int


def shown(parts: list[Part], drawn: Array) -> list[Array]:
    """Return the canvas ``(H, W, 4)`` as each part is shown. drawn: whether each pixel of a part covers the canvas."""
    canvas, found = np.zeros((HEIGHT, WIDTH, 4), int), []
    for part, covers in zip(parts, drawn, strict=True):
        area = np.s_[part.top : part.top + part.pixels.shape[0], part.left : part.left + part.pixels.shape[1]]
        before = canvas.copy()
        canvas[area] = np.where(covers[..., np.newaxis], part.pixels, canvas[area])
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
    parts, drawn = [], []
    for number, (top, left, height, width) in enumerate(PLACES):
        indices = rng.integers(0, 4, (height, width))
        how = (KEEP if number == 0 else after) << 2 | (transparent is not None)
        data += struct.pack("<4BH2B", 0x21, 0xF9, 4, how, 10, transparent or 0, 0)
        data += struct.pack("<B4HB", 0x2C, left, top, width, height, 0) + lzw(indices)
        pixels = np.concatenate([COLOURS[indices], np.full((height, width, 1), 255)], axis=2)
        parts.append(Part(top, left, pixels, how >> 2))
        drawn.append(indices != transparent if transparent is not None else indices >= 0)
    assert_frames(data + b";", shown(parts, drawn))


@pytest.mark.parametrize(
    ("after", "over"),
    [(KEEP, False), (TO_BACKGROUND, False), (TO_PREVIOUS, False), (KEEP, True), (TO_BACKGROUND, True)],
)
def test_apng(after: int, over: bool) -> None:
    rng = np.random.default_rng(after)
    chunks = [
        chunk(b"IHDR", struct.pack(">2I5B", WIDTH, HEIGHT, 8, 6, 0, 0, 0)),
        chunk(b"acTL", struct.pack(">2I", 4, 0)),
    ]
    parts, drawn, sequence = [], [], 0
    for number, (top, left, height, width) in enumerate(PLACES):
        pixels = rng.integers(0, 256, (height, width, 4))
        # Opaque or transparent: halves are mixed with rounding.
        pixels[..., 3] = rng.integers(0, 2, (height, width)) * 255
        dispose = {KEEP: 0, TO_BACKGROUND: 1, TO_PREVIOUS: 2}[KEEP if number == 0 else after]
        control = struct.pack(">5I2H2B", sequence, width, height, left, top, 1, 10, dispose, over and number > 0)
        chunks.append(chunk(b"fcTL", control))
        content = zlib.compress(b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in pixels))
        chunks.append(
            chunk(b"IDAT", content) if number == 0 else chunk(b"fdAT", struct.pack(">I", sequence + 1) + content)
        )
        sequence += 1 if number == 0 else 2
        parts.append(Part(top, left, pixels, KEEP if number == 0 else after))
        drawn.append(pixels[..., 3] > 0 if over and number > 0 else np.ones((height, width), bool))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")
    assert_frames(data, shown(parts, drawn))


def test_webp() -> None:
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8) for _ in range(3)]
    for frame in frames:
        frame[..., 3] |= 1
    first, *others = [PIL.Image.fromarray(frame) for frame in frames]
    data = encoded(first, "WEBP", save_all=True, append_images=others, lossless=True, exact=True, duration=40)
    assert_frames(data, [frame.astype(int) for frame in frames])
