"""Archives and models with false headers: nothing is allocated, expanded, followed or run because of them."""

import json
import os
import pickle
import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from support.command_line import convcli, npy
from test_bounds import at_most, free_memory  # noqa: F401
from test_npy import npy_that_says, of

from convcli.errors import ConvcliError, FileError, KernelError
from convcli.files.source import Source
from convcli.kernels.loading import load_kernel, read_kernel
from convcli.pictures.reading import read_header, read_image, read_tensor

MB = 1 << 20


def archive(members, method=zipfile.ZIP_STORED):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return stream.getvalue()


def claiming(data, claimed):
    """Return an archive of one deflated member that claims to have another size."""
    found = bytearray(archive([("a.npy", data)], zipfile.ZIP_DEFLATED))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = found.index(signature) + offset
        found[place : place + 4] = struct.pack("<I", claimed)
    return bytes(found)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def of_objects():
    stream = BytesIO()
    np.savez(stream, a=np.array([Trap()], object))
    return stream.getvalue()


NPY = npy(np.arange(6.0).reshape(2, 3))
DAMAGED = bytearray(archive([("a.npy", NPY)]))
DAMAGED[-150] ^= 1
ARCHIVES = {
    "truncated": (archive([("a.npy", NPY)])[:-30], "it is cut off, or damaged at its end: copy or download it again"),
    "a changed number": (
        bytes(DAMAGED),
        "expected a .npy as numpy.save writes it, given one that cannot be read: Bad CRC-32",
    ),
    "objects": (of_objects(), "expected a .npy of real numbers, given dtype object"),
    "no array": (archive([("a.npy", b"hello")]), "expected a .npy as numpy.save writes it, given one that cannot"),
    "larger than its member": (
        archive([("a.npy", npy_that_says(of("(1000000, 1000000)")))]),
        "expected 8,000,000,000,000 bytes of float64 for its shape (1000000, 1000000), given 100",
    ),
    "larger than its data": (claiming(npy_that_says(of("(30, 4)")), 1100), "expected 960 bytes of numbers, given 100"),
    "smaller than its data": (
        claiming(NPY, len(NPY) - 8),
        "expected a .npy as numpy.save writes it, given one that cannot be read: Bad CRC-32",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", ARCHIVES)
def test_broken_archives(name):
    data, reason = ARCHIVES[name]
    with at_most(2 * MB), pytest.raises(FileError) as error:
        read_tensor(data)
    assert str(error.value).startswith(f"cannot read <bytes>: {reason}")
    with pytest.raises(ConvcliError, match=r"^(cannot read )?<bytes>: "):
        read_kernel(Source.of_bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_archive_with_one_name_twice():
    with pytest.raises(FileError, match=r"^cannot read <bytes>: it holds two arrays of one name$"):
        read_tensor(archive([("a.npy", NPY), ("a.npy", NPY)]))


def test_an_archive_that_expands_is_refused_before(free_memory, tmp_path):  # noqa: F811
    """It holds 60 MB in 60 KB."""
    path = tmp_path / "a.npz"
    bomb = npy_that_says(of("(1, 60000000)", "'u1'"), 60_000_000)
    path.write_bytes(archive([("a.npy", bomb), ("b.npy", NPY)], zipfile.ZIP_DEFLATED))
    free_memory(40 * MB)
    for read in (read_image, read_header, read_tensor, load_kernel):
        with at_most(2 * MB), pytest.raises(FileError, match=r"the array has 57\.2 MB, over half of the free memory"):
            read(f"{path}:a")
    with at_most(2 * MB):
        assert read_tensor(f"{path}:b").shape == (2, 3)


def packed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin=0, end=24, shape=(2, 3), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


SPACES = b'{"a": 1}' + b" " * 100
TENSORS = {
    "a header of 4 GB": (packed(SPACES, length=(1 << 32) - 1), "expected a header of at most 108 bytes, given 4,294,9"),
    "a header beyond the file": (packed(SPACES, length=109), "expected a header of at most 108 bytes, given 109"),
    "half a header": (packed(SPACES, length=5), "Expecting value"),
    "no object": (packed({"a": []}), "tensor 'a': expected dtype, shape and data_offsets, given []"),
    "no UTF-8": (packed(b'{"\xff": 1}'), "its header:1:3: expected UTF-8, given byte 0xff"),
    "nested": (packed(b'{"a": ' * 100_000), "maximum recursion depth exceeded"),
    "a long number": (packed(b'{"a": ' + b"9" * 5000 + b"}"), "Exceeds the limit"),
    "twice": (
        packed(b'{"a": %s, "a": %s}' % ((json.dumps(entry()).encode(),) * 2), bytes(24)),
        "its header has a name",
    ),
    "overlapping": (
        packed({"a": entry(), "b": entry(12, 36)}, bytes(36)),
        "tensor 'b': expected it to begin at byte 163, given 151",
    ),
    "apart": (packed({"a": entry(4, 28)}, bytes(28)), "tensor 'a': expected it to begin at byte 73, given 77"),
    "beyond the file": (packed({"a": entry()}, bytes(23)), "its header describes 97 bytes, given 96: copy or download"),
    "followed": (packed({"a": entry()}, bytes(25)), "its header describes 97 bytes, given 98: copy or download"),
    "backwards": (packed({"a": entry(24, 0)}, bytes(24)), "tensor 'a': expected dtype, shape and data_offsets, given"),
    "negative": (packed({"a": entry(-24, 0)}, bytes(24)), "tensor 'a': expected dtype, shape and data_offsets, given"),
    "negative shape": (packed({"a": entry(shape=(-2, -3))}, bytes(24)), "tensor 'a': expected dtype, shape and data"),
    "true": (packed({"a": entry(shape=(True, 6))}, bytes(24)), "tensor 'a': expected dtype, shape and data_offsets"),
    "another shape": (
        packed({"a": entry(shape=(1 << 40, 1 << 40))}, bytes(24)),
        "expected 4,835,703,278,458,516,698,824,704 bytes of F32 for the shape (1099511627776, 1099511627776), ",
    ),
    "many axes": (packed({"a": entry(shape=(1,) * 70, end=4)}, bytes(4)), "maximum supported dimension for an ndarray"),
    "an unknown type": (
        packed({"a": entry(dtype="C64")}, bytes(24)),
        "expected a tensor of real numbers, given one of",
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_broken_safetensors(name, tmp_path):
    data, reason = TENSORS[name]
    (tmp_path / "a").write_bytes(data)
    for given, label in ((data, "<bytes>"), (tmp_path / "a", tmp_path / "a")):
        with at_most(8 * MB), pytest.raises(ConvcliError) as error:
            read_tensor(given)
        assert str(error.value).startswith(f"cannot read {label}: {reason}")
        assert "\n" not in str(error.value)


def test_a_safetensors_file_of_gigabytes_is_not_read(tmp_path):
    """The file is sparse; the tensor before its last is found at once."""
    size = 20 << 30
    header = {"big": entry(0, size, (size,), "U8"), "w": entry(size, size + 24)}
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed(header))
    start = path.stat().st_size
    os.truncate(path, start + size)
    with path.open("ab") as file:
        file.write(np.arange(6, dtype="<f4").tobytes())
    with at_most(MB):
        assert load_kernel(f"{path}:w").weights.tolist() == [[0, 1, 2], [3, 4, 5]]
        assert read_tensor(f"{path}:big").shape == (size,)
    with at_most(MB), pytest.raises(KernelError, match=r"expected weights of rank 2"):
        load_kernel(f"{path}:big")


def test_conversions_are_bounded(free_memory, tmp_path):  # noqa: F811
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed({"w": entry(0, 60 * MB, (1, 30 * MB), "BF16")}))
    os.truncate(path, path.stat().st_size + 60 * MB)
    free_memory(100 * MB)
    with at_most(MB), pytest.raises(FileError, match=r"in float32 it takes 120\.0 MB, over half of the free memory"):
        read_tensor(f"{path}:w")


def test_an_index_of_files_in_bytes_is_refused():
    with pytest.raises(FileError, match=r"an index names other files: expected it as a file, given bytes$"):
        read_tensor(b'{"weight_map": {"a": "b.safetensors"}}')


def test_names_in_messages_are_escaped(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(packed({"\x1b[31m\n": entry(), "b": entry(24, 48)}, bytes(48)))
    found = convcli("plan", "--input-shape", "5,5", "-k", "a.safetensors", cwd=tmp_path)
    assert (found.code, found.err.count("\n"), "\x1b" in found.err) == (2, 1, False)


PICKLES = [pickle.dumps(Trap()), archive([("model/data.pkl", pickle.dumps(Trap()))])]


@pytest.mark.parametrize("data", PICKLES, ids=["pickle", "torch"])
def test_nothing_is_unpickled(data):
    for read in (read_tensor, lambda data: read_kernel(Source.of_bytes(data))):
        with pytest.raises(ConvcliError, match=r"save one of its arrays as \.npy first"):
            read(data)
