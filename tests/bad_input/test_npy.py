"""``.npy`` with false headers: nothing is allocated, expanded or run because of them."""

import os
import struct
import threading
from io import BytesIO

import numpy as np
import pytest
from support.command_line import convcli

from convcli.errors import FileError
from convcli.kernels.loading import load_kernel
from convcli.pictures.reading import read_header, read_image, read_tensor

UNREADABLE = "expected a .npy as numpy.save writes it, given one that cannot be read: "


def npy_that_says(header, numbers=100, version=(1, 0)):
    """Return an ``.npy`` with this header, followed by this many bytes."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes(version) + length + header.encode() + b"\n" + bytes(numbers)


def of(shape, descr="'<f8'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


LIES = {
    npy_that_says(of("(3, 4)"), 95): "expected 96 bytes of float64 for its shape (3, 4), given 95",
    npy_that_says(of("(3, 4)", order="True"), 95): "expected 96 bytes of float64 for its shape (3, 4), given 95",
    npy_that_says(of("(3, 4)"), 0): "expected 96 bytes of float64 for its shape (3, 4), given 0",
    npy_that_says(of("(1000000, 1000000)"), version=(2, 0)): (
        "expected 8,000,000,000,000 bytes of float64 for its shape (1000000, 1000000), given 100"
    ),
    npy_that_says(of("(4294967296, 4294967296)")): (
        "expected 147,573,952,589,676,412,928 bytes of float64 for its shape (4294967296, 4294967296), given 100"
    ),
    npy_that_says(of("(-3, 4)")): "expected a shape of lengths of at least 0, given (-3, 4)",
    npy_that_says(of("(-3, -4)")): "expected a shape of lengths of at least 0, given (-3, -4)",
    npy_that_says(of("(3.5, 4)")): UNREADABLE + "shape is not valid: (3.5, 4)",
    npy_that_says(of(f"({'1,' * 70})")): "maximum supported dimension for an ndarray is currently 64, found 70",
    npy_that_says(of("(1, 1)", "'V600000000'")): "expected a .npy of real numbers, given dtype |V600000000",
    npy_that_says(of("(3,)", "'|O'")): "expected a .npy of real numbers, given dtype object",
    npy_that_says(of("(3, 4)"), version=(9, 0)): UNREADABLE + "its version is 9.0",
    npy_that_says("x+" * 500): UNREADABLE + ("Cannot parse header: '" + "x+" * 100)[:200],
    npy_that_says(of("(3, 4)") + " " * (1 << 20), 96, (2, 0)): (
        UNREADABLE + "Header info length (1048636) is large and may not be safe to load securely."
    ),
}


@pytest.mark.parametrize(("data", "reason"), LIES.items(), ids=range(len(LIES)))
def test_false_headers(data, reason, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    for name, read in (
        ("<bytes>", lambda: read_image(data)),
        (path, lambda: read_image(path)),
        (path, lambda: read_header(path)),
        (path, lambda: read_tensor(str(path))),
        (path, lambda: load_kernel(str(path))),
    ):
        with pytest.raises(FileError) as caught:
            read()
        assert str(caught.value) == f"cannot read {name}: {reason}"


@pytest.mark.parametrize("header", [of("(3or 4, 4)"), of("(3, '\\d')")])
def test_warnings_of_python_about_a_header_are_silent(header, tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_that_says(header))
    result = convcli("grad", "[[1]]", "-k", "box", "-G", "a.npy", cwd=tmp_path, env={"PYTHONWARNINGS": "default"})
    assert (result.code, result.out, result.err.count("\n")) == (1, b"", 1)
    assert UNREADABLE in result.err


@pytest.mark.parametrize("name", ["a.fifo", "-"])
def test_false_headers_through_pipes(name, tmp_path):
    data, fifo = npy_that_says(of("(1000000, 1000000)")), tmp_path / "a.fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[data], daemon=True)
    writer.start()
    result = convcli("apply", name, "-k", "box", "-o", "Z.png", cwd=tmp_path, stdin=data)
    label = {"-": "<stdin>"}.get(name, name)
    assert (result.code, os.listdir(tmp_path)) == (1, ["a.fifo"])
    assert result.err == (
        f"convcli: error: cannot read {label}: expected 8,000,000,000,000 bytes of float64 for its shape "
        "(1000000, 1000000), given 100\n"
    )


def test_arrays_in_memory_are_not_copied():
    stream = BytesIO()
    np.save(stream, np.arange(12.0).reshape(3, 4))
    pixels = read_image(stream.getvalue()).pixels
    assert not pixels.flags.owndata
    assert pixels.tolist() == np.arange(12.0).reshape(3, 4).tolist()
