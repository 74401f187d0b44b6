"""Loading a kernel by its name, and reading one from bytes."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from convcli.errors import FileError, KernelError
from convcli.files.source import Source
from convcli.kernels.loading import load_kernel, read_kernel
from convcli.kernels.presets import preset

WEIGHTS = np.array([[1.0, 2, 4], [8, 16, 32]])

RANKS = (
    "expected weights of rank 2: (kh, kw), which filters every channel alone, "
    "rank 4: (C_out, C_in/groups, kh, kw), a bank, "
    "or rank 6: (C_out, tr, tc, C_in/groups, kh, kw), tiled or locally connected; given "
)

BAD_ARRAYS = [
    (np.array(5.0), RANKS + "rank 0"),
    (np.ones(3), RANKS + "rank 1"),
    (np.ones((1, 2, 3)), RANKS + "rank 3"),
    (np.ones((1, 2, 1, 2, 1)), RANKS + "rank 5"),
    (np.ones((0, 3)), "expected at least one weight, given shape (0, 3)"),
    (np.array([[1, 2], [np.nan, np.inf]]), "weights[1, 0]: expected a finite number, given nan"),
    (np.array([[[[1, -np.inf]]]], "f2"), "weights[0, 0, 0, 1]: expected a finite number, given -inf"),
]

BAD_BYTES = [
    (b"", "<stdin>:1:1: invalid JSON at the end of the text: Expecting value"),
    (b"[[1,\n true]]", "<stdin>:2:2: [0][1]: expected a number, given true"),
    (b"[[1,\n\xc3\xa9\xff", "<stdin>:2:2: expected kernel JSON or rows of numbers in UTF-8, or .npy, given byte 0xff"),
    (b"\x89PNG\r\n\x1a\n", "<stdin>: expected kernel JSON, rows of numbers or .npy, given a PNG picture"),
    (b"\xff\xfe[\0", "<stdin>: expected kernel JSON, rows of numbers or .npy, given text in UTF-16: save it in UTF-8"),
    (b"\xef\xbb\xbf[[1]]", "<stdin>:1:1: expected UTF-8 without a byte order mark, given one"),
]

MISSING = [
    ("missing.json", "cannot read missing.json: No such file or directory"),
    ("missing.NPY", "cannot read missing.NPY: No such file or directory"),
    ("kernels/", "cannot read kernels/: Is a directory"),
    ("kernels/missing", "cannot read kernels/missing: No such file or directory"),
    ("a\0.json", "cannot read a\0.json: embedded null byte"),
    ("missing.txt", "cannot read missing.txt: No such file or directory"),
    ("missing.pt", "cannot read missing.pt: No such file or directory"),
    ("missing.h5:conv", "cannot read missing.h5:conv: No such file or directory"),
    (Path("missing"), "cannot read missing: No such file or directory"),
    (Path("box"), "cannot read box: No such file or directory"),
]

NOT_KERNELS = [
    ("missing", "expected the name of a preset, given 'missing' (`convcli kernels` lists all)"),
    (
        "sobel_x",
        "expected the name of a preset, given 'sobel_x' (`convcli kernels` lists all); did you mean sobel-x?",
    ),
    ("[[1],[2,3]]", "inline kernel:1:6: [1]: expected a list of length 1, like [0], given a list of length 2"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels").mkdir()
    return tmp_path


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def assert_same(kernel, name, weights, bias=None):
    assert (kernel.name, kernel.weights.dtype, kernel.bias, kernel.groups) == (name, np.float64, bias, 1)
    np.testing.assert_array_equal(kernel.weights, weights)


@pytest.mark.parametrize("text", ["[[1,2,4],[8,16,32]]", ' \n{"weights": [[1, 2, 4], [8, 16, 32]]}'])
def test_inline_json_is_loaded(text):
    assert_same(load_kernel(text), "inline", WEIGHTS)


def test_a_preset_keeps_its_factors():
    assert_same(load_kernel("gaussian:2,3"), "gaussian:2,3", preset("gaussian:2,3").weights)
    assert len(load_kernel("gaussian:2,3").factors) == 1


@pytest.mark.parametrize("path", ["bank.json", "kernels/bank", "bank"])
@pytest.mark.parametrize("data", [b"[[1, 2, 4], [8, 16, 32]]", npy(WEIGHTS)])
def test_kernel_files_are_recognised_by_their_content(folder, path, data):
    (folder / path).write_bytes(data)
    assert_same(load_kernel(path), "bank", WEIGHTS)
    assert_same(load_kernel(str(folder / path)), "bank", WEIGHTS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.npy", "an array of NumPy's"),
        ("a.NPZ:K", "an archive of NumPy's arrays"),
        ("a.safetensors:conv1.weight", "safetensors"),
        ("a.onnx:conv1", "a model"),
    ],
)
@pytest.mark.parametrize("data", [b"", b"hello", b"\1\2\3\xff"])
def test_an_empty_or_unknown_file_is_not_what_its_extension_says(folder, name, expected, data):
    (folder / name.partition(":")[0]).write_bytes(data)
    reason = f"expected {expected}, as its name says, given something else" if data else "it is empty"
    with pytest.raises(FileError, match=rf"^cannot read {name}: {reason}$"):
        load_kernel(name)


def test_the_name_key_takes_precedence_over_the_stem(folder):
    (folder / "bank.v2.json").write_text('{"name": "ridge", "weights": [[1]], "bias": 3}')
    assert_same(load_kernel("bank.v2.json"), "ridge", [[1]], 3)


def test_a_stem_may_have_characters_that_the_name_key_may_not(folder):
    (folder / "a\tb.json").write_text('{"weights": [[1]]}')
    assert_same(load_kernel("a\tb.json"), "a\tb", [[1]])


def test_a_preset_takes_precedence_over_a_file_of_its_name(folder):
    (folder / "box").write_text("[[7]]")
    assert_same(load_kernel("box"), "box", preset("box").weights)
    assert_same(load_kernel("./box"), "box", [[7]])


@pytest.mark.parametrize("name", ["BOX", "Box:3", "Gaussian:sigma=2"])
def test_the_case_of_a_presets_name_does_not_matter_beside_a_file_of_that_name(name, folder):
    (folder / name).write_text("[[7]]")
    assert_same(load_kernel(name), name, preset(name.lower()).weights)


def test_the_name_of_a_magnitude_takes_precedence_over_a_file(folder):
    (folder / "Sobel").write_text("[[7]]")
    with pytest.raises(KernelError, match=r"^Sobel is no single kernel"):
        load_kernel("Sobel")


@pytest.mark.parametrize(
    ("text", "column"), [("[[1,\udcff]]", 5), ('{"weights": [[1]], "\udcff": 1}', 21), ("[1 \udcff; 2 3]", 4)]
)
def test_inline_text_that_is_not_utf8_names_its_first_wrong_byte(text, column):
    expected = "expected kernel JSON or rows of numbers in UTF-8, or .npy, given byte 0xff"
    with pytest.raises(KernelError, match=rf"^inline kernel:1:{column}: {expected}$"):
        load_kernel(text)


def test_a_surrogate_that_stands_for_no_byte_is_an_error_too():
    with pytest.raises(KernelError, match=r"^inline kernel:1:3: expected kernel JSON .*, given byte 0xed$"):
        load_kernel("[[\ud800]]")


def test_errors_in_a_file_name_the_file(folder):
    (folder / "kernels" / "bank.json").write_text("[[1],\n [null]]")
    with pytest.raises(KernelError, match=re.escape("kernels/bank.json:2:3: [1][0]: expected a number, given null")):
        load_kernel("kernels/bank.json")


@pytest.mark.parametrize(("source", "message"), MISSING, ids=[repr(source) for source, _ in MISSING])
@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_read_is_an_os_error(source, message):
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        load_kernel(source)


@pytest.mark.parametrize(("source", "message"), NOT_KERNELS, ids=[repr(source) for source, _ in NOT_KERNELS])
@pytest.mark.usefixtures("folder")
def test_kernels_that_cannot_be_loaded_are_named(source, message):
    with pytest.raises(KernelError, match=f"^{re.escape(message)}$"):
        load_kernel(source)


@pytest.mark.parametrize("dtype", ["f8", ">f4", "f2", "i2", "u1", ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_real_dtype_becomes_float64(dtype, order):
    kernel = read_kernel(Source.of_bytes(npy(WEIGHTS.astype(dtype, order=order)), "<stdin>"))
    assert_same(kernel, "stdin", WEIGHTS)
    assert kernel.weights.flags.c_contiguous


def test_npy_of_a_bank_is_read():
    bank = np.arange(24.0).reshape(1, 2, 3, 4)
    assert_same(read_kernel(Source.of_bytes(npy(bank), "<stdin>")), "stdin", bank)


@pytest.mark.parametrize(("array", "message"), BAD_ARRAYS, ids=[message for _, message in BAD_ARRAYS])
def test_npy_that_is_no_kernel_is_refused(array, message):
    with pytest.raises(KernelError, match=f"^bank.npy: {re.escape(message)}$"):
        read_kernel(Source.of_bytes(npy(array), "bank.npy"))


@pytest.mark.parametrize("dtype", ["complex128", "bool", "<U1", "datetime64[s]"])
def test_npy_of_other_numbers_is_not_read(dtype):
    message = f"^cannot read bank.npy: expected a .npy of real numbers, given dtype {re.escape(dtype)}$"
    with pytest.raises(FileError, match=message):
        read_kernel(Source.of_bytes(npy(np.zeros((2, 2), dtype)), "bank.npy"))


class Trap:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def damaged(header):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "data",
    [
        npy(np.array([[Trap()]], object)),
        npy(WEIGHTS)[:-1],
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
        damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,"),
        damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000)}\n"),
        damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}\n"),
        damaged(b"(" * 5000),
        damaged(b" " * 20000),
        damaged(b"\xff\xfe"),
    ],
    ids=range(10),
)
def test_a_damaged_npy_gives_one_line(data):
    with pytest.raises(FileError, match=r"^cannot read bank.npy: expected .+, given .+$"):
        read_kernel(Source.of_bytes(data, "bank.npy"))


@pytest.mark.parametrize(("data", "message"), BAD_BYTES)
def test_bytes_that_are_no_kernel_are_refused(data, message):
    with pytest.raises(KernelError, match=f"^{re.escape(message)}$"):
        read_kernel(Source.of_bytes(data, "<stdin>"))
