"""Inputs that claim, or are, more than memory and patience hold: they are refused before anything is allocated."""

import os
import tracemalloc
from contextlib import contextmanager, suppress

import pytest

from convcli.errors import ConvcliError, FileError
from convcli.files import file_bytes, json_reading, memory
from convcli.files.memory import Memory
from convcli.kernels.loading import load_kernel
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
    with at_most(MB), pytest.raises(ConvcliError, match=r"it has 100\.0 MB, over half of the free memory, 75\.0 MB$"):
        read(path)


@pytest.mark.parametrize("text", ["1,", "[1],", "[],", "[[]],", '{"a":1},', '"ab",'])
def test_the_memory_of_json_is_bounded_before_it_is_decoded(text, free_memory, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + text * (20 * MB // len(text)))
    size = 20 * MB
    free_memory(4 * size)
    with at_most(1.1 * size):
        for read, error in ((read_tensor, FileError), (load_kernel, FileError)):
            with pytest.raises(
                error, match=r"as lists of numbers it takes about [\d.]+ [MG]B, over half .*: use \.npy$"
            ):
                read(path)


@pytest.mark.parametrize("text", ["1,", "[1],", "[],", "[[]],", '{"a":1},', '{"a":1,"b":2},', '"ab",', "[1,1],"])
def test_the_bound_of_json_is_above_what_it_takes(text):
    # The first use imports modules.
    read_tensor(b"[1]")
    data = f"[{(text * 20_000)[:-1]}]".encode()
    with at_most(json_reading._size_in_memory(data)), suppress(ConvcliError):
        read_tensor(data)
