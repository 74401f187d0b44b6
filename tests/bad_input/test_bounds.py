"""Inputs that claim, or are, more than memory and patience hold: they are refused before anything is allocated."""

import os
import struct
import tracemalloc
import warnings
from contextlib import contextmanager, suppress
from io import BytesIO

import corpus
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from convcli.errors import ConvcliError, FileError
from convcli.files import file_bytes, json_reading, memory
from convcli.files.memory import Memory
from convcli.kernels import rows
from convcli.kernels.loading import load_kernel
from convcli.kernels.rows import is_rows, parse_rows
from convcli.pictures.reading import iter_frames, read_header, read_image, read_tensor

MB = 1 << 20
VERBS = (read_image, read_header, read_tensor, lambda path: list(iter_frames(path)), load_kernel)
BEGINNINGS = {
    "json": b"[1",
    "deep.ppm": b"P6 900 900 65535\n",
    "png": b"\x89PNG\r\n\x1a\n",
    "webp": b"RIFF\0\0\0\0WEBPVP8L",
    "heap": b"\x89nothing",
}


@pytest.fixture
def free_memory(monkeypatch):
    """Let a function state how many bytes are free."""

    def free(count):
        for module in (memory, file_bytes):
            monkeypatch.setattr(module, "available_memory", lambda: Memory(count, "simulated"))

    return free


@contextmanager
def at_most(count):
    """Assert that Python allocates no more bytes within."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < count
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", VERBS)
@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_file_larger_than_half_of_the_free_memory_is_not_read(name, read, free_memory, tmp_path):
    path = tmp_path / name
    path.write_bytes(BEGINNINGS[name])
    os.truncate(path, 100 * MB)
    free_memory(150 * MB)
    expected = r"it has 100\.0 MB, over half of the free memory, 75\.0 MB$"
    if read is load_kernel and name in ("deep.ppm", "png", "webp"):
        expected = r"given a \w+ picture$"
    with at_most(MB), pytest.raises(ConvcliError, match=expected):
        read(path)


@pytest.mark.parametrize("text", ["1,", "[1],", "[],", "[[]],", '{"a":1},', '"ab",'])
def test_the_memory_of_json_is_bounded_before_it_is_decoded(text, free_memory, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + text * (20 * MB // len(text)))
    size = 20 * MB
    free_memory(4 * size)
    for read in (read_tensor, load_kernel):
        expected = r"as lists of numbers it takes about [\d.]+ [MG]B, over half .*: use \.npy$"
        with at_most(1.1 * size), pytest.raises(FileError, match=expected):
            read(path)


@pytest.mark.parametrize("text", ["1,", "[1],", "[],", "[[]],", '{"a":1},', '{"a":1,"b":2},', '"ab",', "[1,1],"])
def test_the_bound_of_json_is_above_what_it_takes(text):
    # The first use imports modules.
    read_tensor(b"[1]")
    data = f"[{(text * 20_000)[:-1]}]".encode()
    with at_most(json_reading._size_in_memory(data)), suppress(ConvcliError):
        read_tensor(data)


def saved(format, mode):
    stream = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        Image.new(mode, (9, 7)).save(stream, format)
    return stream.getvalue()


def claiming(frames, format="png"):
    """Return a picture of one frame that claims so many."""
    if format == "png":
        return corpus.png_with(b"acTL", struct.pack(">II", frames, 0))
    spider = saved("SPIDER", "F")
    header = np.frombuffer(spider[:108], np.float32).copy()
    # Fields 24 and 26 say that it is a stack, and of how many images.
    header[23], header[25] = 2, frames
    return header.tobytes() + spider[108:]


@pytest.mark.parametrize("format", ["png", "spider"])
@pytest.mark.parametrize("read", [read_image, read_header, read_tensor, lambda data: list(iter_frames(data))])
def test_a_file_too_small_for_its_frames_is_refused(format, read):
    data = claiming(2**31 - 1, format)
    with (
        at_most(2 * MB),
        pytest.raises(FileError, match=r"it claims 2,147,483,[\d]+ frames: expected 1 to \d+ in a file of"),
    ):
        read(data)


def test_frames_are_made_one_by_one(tmp_path):
    """A file large enough for the frames that it claims costs no more than one frame, until they are asked for."""
    path = tmp_path / "a.png"
    path.write_bytes(claiming(1_000_000))
    os.truncate(path, 9 * MB)
    with at_most(4 * MB):
        assert read_header(path).frames == 1_000_001
        assert read_image(path).warnings[0].startswith("of its frames only the first is read")
        next(iter_frames(path))


def test_a_file_without_frames_is_refused():
    with pytest.raises(FileError, match=r"it claims 0 frames: expected 1 to \d+ in a file of [\d,]+ bytes$"):
        read_image(claiming(0, "spider"))


def tiff_of(strip, compression, **tags):
    """Return a gray TIFF of 9 x 7 pixels of 8 bits whose only strip has these bytes; tags: others, by their numbers."""
    fields = {256: 9, 257: 7, 258: 8, 259: compression, 262: 1, 273: 0, 277: 1, 278: 7, 279: len(strip)}
    fields |= {int(name[1:]): value for name, value in tags.items()}
    fields[273] = 8 + 2 + 12 * len(fields) + 4
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + rows + bytes(4) + strip


def test_a_strip_of_zstandard_that_claims_more_than_the_page_is_not_expanded():
    """Its decoder trusts the size in the header of a frame."""
    strip = bytes(imagecodecs.zstd_encode(bytes(63)))
    assert read_image(tiff_of(strip, 50000)).pixels.shape == (1, 7, 9)
    bomb = bytes(imagecodecs.zstd_encode(bytes(100 * MB)))
    with at_most(4 * MB), pytest.raises(FileError, match=r"a tile or strip expands to more than 4 times its 63 bytes"):
        read_image(tiff_of(bomb, 50000))


def test_a_tile_of_more_pixels_than_may_be_decoded_is_refused():
    """A tile may be larger than its page, and would be allocated whole."""
    strip = bytes(imagecodecs.zstd_encode(bytes(63)))
    # The tags of tiles, in place of those of strips.
    tile = {"t322": 1 << 15, "t323": 1 << 15, "t324": 8 + 2 + 12 * 13 + 4, "t325": len(strip)}
    with at_most(2 * MB), pytest.raises(FileError, match=r"it has 1,073,741,824 pixels, more than the limit of "):
        read_image(tiff_of(strip, 50000, **tile))


def test_a_page_of_alpha_alone_is_refused():
    with pytest.raises(FileError, match=r"it is a TIFF of 8-bit gray, uncompressed, but has alpha alone$"):
        read_image(tiff_of(bytes(63), 1, t338=2))


def test_the_digits_of_a_picture_are_bounded_before_they_become_numbers(free_memory):
    data = b"P2 1 1 255\n" + b"1 " * (9 * MB)
    free_memory(60 * MB)
    with at_most(25 * MB), pytest.raises(FileError, match=r"as numbers it takes up to 90\.0 MB, over half"):
        read_image(data)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_jpeg_2000_whose_headers_disagree_is_refused(bits):
    """Pillow believes the last box with a size, the decoder the codestream."""
    levels = np.zeros((300, 300), np.uint8 if bits == 8 else np.uint16)
    data = bytearray(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2"))
    place = data.index(b"ihdr") + 4
    data[place : place + 8] = struct.pack(">II", 8, 9)
    for read in (read_image, read_header, read_tensor):
        with at_most(2 * MB), pytest.raises(FileError, match=r"contradict each other: 9 x 8 and 300 x 300 pixels$"):
            read(bytes(data))


def test_a_jpeg_2000_whose_headers_disagree_about_channels_is_refused():
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((8, 9, 3), np.uint16), level=0, codecformat="jp2"))
    place = data.index(b"ihdr") + 12
    data[place : place + 2] = struct.pack(">H", 1)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"contradict each other: 1 and 3 channels$"):
            read(bytes(data))


def test_a_jpeg_2000_of_many_channels_is_refused():
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((8, 9, 3), np.uint16), level=0, codecformat="jp2"))
    place = data.index(b"\xff\x4f\xff\x51") + 40
    channels = bytes(data[place + 2 : place + 5])
    data[place : place + 11] = struct.pack(">H", 5000) + channels * 5000
    box = data.index(b"jp2c")
    # Pillow does not look for the channels behind another box.
    data[box - 4 : box] = struct.pack(">I4sI", 8, b"free", len(data) - (box - 4))
    with pytest.raises(FileError, match=r"contradict each other: 3 and 5000 channels$"):
        read_image(bytes(data))


LONG_TEXTS = [
    *("1" * 100_000 + "!", "1 " * 100_000 + "!", "1\n" + " \n" * 100_000, "# " * 100_000),
    *(
        "[" * 100_000,
        "[" + "] " * 100_000,
        "[] " + " " * 100_000 + "/",
        "1" * 100_000 + "*[",
        "[]/" + "1" * 100_000 + "x",
    ),
]


@pytest.mark.parametrize("text", LONG_TEXTS)
def test_rows_of_numbers_are_recognised_in_one_pass(text):
    """A pattern that tries every split of the text would take hours."""
    assert not is_rows(text)
    if text[-1] != "!":
        with suppress(ConvcliError):
            parse_rows(text, "k", "k")


@pytest.mark.parametrize("text", ["1 ", "1;", "1,1;", "1 2\n", "10 ", "1;1\n"])
def test_the_memory_of_rows_is_bounded_before_they_are_parsed(text, free_memory, tmp_path):
    data = text * 10_000
    with at_most(rows._PER_LETTER * len(data)), suppress(ConvcliError):
        parse_rows(data, "k", "k")
    path = tmp_path / "k.txt"
    path.write_text("1 2\n" * MB)
    free_memory(20 * MB)
    with pytest.raises(
        FileError, match=r"as rows of numbers it takes up to 360\.0 MB, over half of the free memory, 10\.0"
    ):
        load_kernel(path)
