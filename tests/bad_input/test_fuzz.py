"""Damaged files read in one process, far more than commands can; and the damage itself."""

import random
import struct
import subprocess
import sys
import zlib
from contextlib import closing
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import corpus
import damage
import fuzz
import numpy as np
import PIL.Image
import pytest
from support.command_line import ENVIRONMENT

from convcli.errors import FileError
from convcli.pictures.image import Header

PNG = b"\x89PNG\r\n\x1a\n"


def run_fuzz(folder, *options):
    """Run the fuzzer in a process of its own, which the limit of memory needs; return its last words."""
    command = [sys.executable, Path(fuzz.__file__), folder, *options]
    result = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    words = result.stdout + result.stderr
    assert result.returncode == 0, words
    print(result.stdout)
    return words


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pictures", "arrays"])
def test_many_inputs(kind, seed, soak, tmp_path, tried):
    count = 2000 * soak
    assert f"seed {seed}: {count:,} tried" in run_fuzz(tmp_path, "--seed", seed, "--count", count, "--kind", kind)
    tried(count)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris is not installed")
def test_many_inputs_that_reach_new_lines(seed, soak, tmp_path, tried):
    count = 1000 * soak
    assert " 0 faults, " in run_fuzz(tmp_path, "--seed", seed, "--count", count, "--guided")
    tried(count)


@pytest.mark.parametrize(
    "error", [FileError("two\nlines"), FileError(""), FileError("MemoryError"), IndexError("out of range"), None]
)
def test_broken_promises_are_saved(error, tmp_path, monkeypatch):
    """For None, the header is that of another image."""

    def read(_):
        if error:
            raise error
        return Header((3, 7, 8), np.dtype(np.uint8))

    monkeypatch.setattr("convcli.pictures.reading.read_header", read)
    data = corpus.png_with(b"tEXt", b"a\0b")
    with closing(fuzz.Fuzzer(tmp_path, [data])) as fuzzer:
        fuzzer.read(data)
    (saved,) = tmp_path.glob("fault-*")
    assert (fuzzer.faults, saved.read_bytes()) == (1, data)
    assert (tmp_path / "last").read_bytes() == data


def test_whole_files_keep_their_promises(tmp_path):
    files = {name: data for name, data in corpus.files().items() if name.startswith(("PNG", "GIF", "npy", "JPEG"))}
    with closing(fuzz.Fuzzer(tmp_path, list(files.values()))) as fuzzer:
        for data in files.values():
            fuzzer.read(data)
    assert (fuzzer.tried, fuzzer.faults) == (len(files), 0)
    assert fuzzer.readable > len(files) // 2


def chunks(data):
    start = len(PNG)
    while start < len(data):
        (length,) = struct.unpack_from(">I", data, start)
        yield start, start + 8 + length
        start += 12 + length


def test_checksums_of_damaged_chunks_hold_again():
    data = corpus.png_with(b"tEXt", b"a\0b")
    draw = random.Random(1)
    for start, end in chunks(data):
        for _ in range(20):
            broken = bytearray(data)
            # The length stays, so that the chunks are found.
            broken[draw.randrange(start + 4, end + 4)] ^= 1 << draw.randrange(8)
            mended = damage.mended(bytes(broken))
            for first, last in chunks(mended):
                assert mended[last : last + 4] == struct.pack(">I", zlib.crc32(mended[first + 4 : last]))


def test_damaged_pixels_reach_the_decoder():
    """The damage is within stored bytes, which decompress to other bytes; only the checksums know."""
    stream = BytesIO()
    PIL.Image.new("L", (9, 7)).save(stream, "PNG", compress_level=0)
    data = stream.getvalue()
    broken = bytearray(data)
    broken[data.index(b"IDAT") + 4 + 2 + 5 + 3] ^= 0x55
    with pytest.raises(SyntaxError):
        PIL.Image.open(BytesIO(broken)).verify()
    picture = PIL.Image.open(BytesIO(damage.mended(bytes(broken))))
    assert picture.getpixel((2, 0)) == 0x55


def test_whole_files_are_not_changed():
    for data in corpus.files().values():
        assert damage.mended(data) == data
