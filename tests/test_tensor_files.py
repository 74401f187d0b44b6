"""Tensors in files that hold several: .npz, .safetensors, and the JSON and CSV that convcli writes."""

import json
import re
import struct
from dataclasses import replace

import numpy as np
import pytest
from support.command_line import convcli, shell, succeed
from support.pages import codes, page, table

from convcli import conv2d_grad, load_kernel
from convcli.errors import FileError, JsonError, OptionError
from convcli.files.kinds import Kind
from convcli.files.safetensors_files import WEIGHT_MAP
from convcli.files.source import Source
from convcli.files.tensor_files import holds_tensors
from convcli.pictures.reading import read_header, read_image, read_tensor

V = np.arange(120.0).reshape(3, 5, 8)
K = np.arange(-36.0, 36).reshape(2, 3, 3, 4)
B = np.array([3.0, -5])
# Bits of bfloat16: both zeros, subnormal numbers, the largest, infinity, NaN, and ordinary ones.
BITS = np.array([0, 0x8000, 1, 0x807F, 0x80, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0, 0x3F80, 0xC049, 0x3EAA], "<u2")


def packed(header, data=b""):
    """Return the bytes of a safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors(tensors):
    """Return a safetensors file of bytes by name: ``(dtype, shape, data)``."""
    header, data = {}, b""
    for name, (dtype, shape, numbers) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(numbers)]}
        data += numbers
    return packed(header, data)


def in_float32(tensors):
    return safetensors({name: ("F32", list(t.shape), t.astype("<f4").tobytes()) for name, t in tensors.items()})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "all.npz", V=V, K=K, b=B, mean=np.float32(2))
    np.savez_compressed(tmp_path / "one.npz", K)
    np.save(tmp_path / "V.npy", V)
    (tmp_path / "model.safetensors").write_bytes(in_float32({"conv1.weight": K, "conv1.bias": B, "fc.weight": V[0]}))
    return tmp_path


def same(found, expected):
    return np.array_equal(found, expected) and np.shape(found) == np.shape(expected)


@pytest.mark.parametrize("name", ["all.npz:V", "all.npz", "./all.npz:V"])
def test_an_archive_holds_an_image(folder, name):
    image = read_image(name)
    assert same(image.pixels, V)
    assert not image.is_picture
    assert read_header(name).shape == V.shape


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("all.npz:K", "K"),
        ("all.npz", "all"),
        ("one.npz", "one"),
        ("one.npz:arr_0", "arr_0"),
        ("model.safetensors:conv1.weight", "conv1.weight"),
    ],
)
def test_a_tensor_is_a_kernel(folder, name, kernel):
    found = load_kernel(name)
    assert (found.name, found.weights.dtype) == (kernel, np.float64)
    assert same(found.weights, K)


def test_a_file_whose_name_has_a_colon_wins(folder):
    np.save(folder / "all.npz:V", np.ones((1, 2)))
    (folder / "all.npz:V.npy").rename("all.npz:V")
    assert same(read_tensor("all.npz:V"), np.ones((1, 2)))
    np.savez(folder / "a:b.npz", **{"c:d": B, "e": V})
    assert same(read_tensor("a:b.npz:c:d"), B)
    assert Source.of_file("absent.npz:V").key is None


@pytest.mark.parametrize("letter", ["V", "K", "b"])
def test_without_a_name_the_use_decides(folder, letter):
    assert same(read_tensor("all.npz", letter), {"V": V, "K": K, "b": B}[letter])


LISTED = "K (2, 3, 3, 4), V (3, 5, 8), b (2,), mean ()"
MISTAKES = [
    ("all.npz", f"expected the name of a tensor, as in FILE:K; all.npz holds {LISTED}"),
    ("all.npz:means", f"all.npz has no tensor called 'means', but {LISTED}; did you mean mean?"),
    (
        "model.safetensors:conv1",
        "model.safetensors has no tensor called 'conv1', but conv1.weight (2, 3, 3, 4), conv1.bias (2,), "
        "fc.weight (5, 8)",
    ),
    ("V.npy:V", "V.npy holds one tensor, without a name: expected nothing after a colon, given 'V'"),
]


@pytest.mark.parametrize(("name", "message"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_errors_list_what_the_file_holds(folder, name, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        read_tensor(name, "G")


def test_a_long_list_is_cut_and_begins_with_what_is_near(tmp_path):
    names = [f"layer{number}.bias" for number in range(3000)]
    np.savez(tmp_path / "a.npz", **dict.fromkeys(names[:20], B), w=K)
    with pytest.raises(OptionError, match=r"'layer1', but layer1.bias \(2,\), layer10.bias .* and 13 more"):
        read_tensor(f"{tmp_path}/a.npz:layer1")
    (tmp_path / "b.safetensors").write_bytes(in_float32(dict.fromkeys(names, B)))
    with pytest.raises(OptionError, match=r"'layer1234.bais', but layer0.bias .*; did you mean layer1234.bias\?$"):
        read_tensor(f"{tmp_path}/b.safetensors:layer1234.bais")
    with pytest.raises(OptionError, match=r"as in FILE:w; .* holds w \(2, 3, 3, 4\), layer0.bias \(2,\), "):
        read_tensor(f"{tmp_path}/a.npz")


def test_a_picture_has_no_tensors_to_name(folder):
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FileError, match=r"^cannot read a.png:V: a name after a colon is for files of tensors"):
        read_image("a.png:V")


def bfloat16(bits):
    """Return the numbers that bits of bfloat16 stand for, from the definition."""
    sign, exponent, mantissa = int(bits) >> 15, int(bits) >> 7 & 255, int(bits) & 127
    if exponent == 255:
        magnitude = np.nan if mantissa else np.inf
    else:
        magnitude = (mantissa + 128 * (exponent > 0)) * 2.0 ** (max(exponent, 1) - 134)
    return -magnitude if sign else magnitude


def float8(bits, exponent_bits, *, infinite):
    """Return the number that 8 bits stand for, from the definition. infinite: whether the largest exponent is."""
    mantissa_bits = 7 - exponent_bits
    sign, rest = bits >> 7, bits & 127
    exponent, mantissa = rest >> mantissa_bits, rest & ((1 << mantissa_bits) - 1)
    bias = (1 << exponent_bits - 1) - 1
    if infinite and exponent == (1 << exponent_bits) - 1:
        magnitude = np.nan if mantissa else np.inf
    elif not infinite and rest == 127:
        magnitude = np.nan
    else:
        whole = mantissa + ((1 << mantissa_bits) if exponent else 0)
        magnitude = whole * 2.0 ** (max(exponent, 1) - bias - mantissa_bits)
    return -magnitude if sign else magnitude


BYTES = np.arange(256, dtype=np.uint8)
SHORT_FLOATS = {
    "BF16": (BITS.tobytes(), [bfloat16(bits) for bits in BITS]),
    "F16": (np.array([1.5, -65504, 6e-8, np.inf], "<f2").tobytes(), [1.5, -65504, 2.0**-24, np.inf]),
    "F8_E4M3": (BYTES.tobytes(), [float8(bits, 4, infinite=False) for bits in range(256)]),
    "F8_E5M2": (BYTES.tobytes(), [float8(bits, 5, infinite=True) for bits in range(256)]),
}


@pytest.mark.parametrize("dtype", SHORT_FLOATS)
def test_short_floats_are_read_exactly(dtype):
    data, expected = SHORT_FLOATS[dtype]
    found = read_tensor(safetensors({"w": (dtype, [len(expected)], data)}))
    assert found.dtype == (np.float16 if dtype == "F16" else np.float32)
    assert np.array_equal(found, np.array(expected, np.float32), equal_nan=True)
    assert np.array_equal(np.signbit(found[:2]), np.signbit(np.array(expected[:2])))


@pytest.mark.parametrize("dtype", ["F64", "F32", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"])
def test_every_plain_type_is_read(dtype):
    kind = {"F": "f", "I": "i", "U": "u"}[dtype[0]]
    numbers = np.array([[1, 2, 100], [0, 7, 5]], f"<{kind}{int(dtype[1:]) // 8}")
    found = read_tensor(safetensors({"w": (dtype, [2, 3], numbers.tobytes())}))
    assert found.dtype == numbers.dtype
    assert same(found, numbers)


@pytest.mark.conformance
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float16", "float32", "int16"])
def test_files_of_the_safetensors_library_are_read(dtype, tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    numbers = np.arange(256 if kind.itemsize == 1 else 65536).astype(f"u{min(kind.itemsize, 2)}")
    tensor = numbers.view(kind) if kind.itemsize < 4 else numbers.astype(kind)
    numpy_files.save_file(
        {"first": np.zeros(3, "u1"), "w": tensor, "z": np.ones((0, 4), "f4")}, tmp_path / "a.safetensors"
    )
    found = read_tensor(f"{tmp_path}/a.safetensors:w")
    # The library's conversion warns about NaN.
    with np.errstate(invalid="ignore"):
        assert np.array_equal(found.astype(np.float64), tensor.astype(np.float64), equal_nan=True)
    assert read_tensor(f"{tmp_path}/a.safetensors:z").shape == (0, 4)


def test_a_model_in_several_files(folder):
    (folder / "m-1.safetensors").write_bytes(in_float32({"a": V}))
    (folder / "m-2.safetensors").write_bytes(in_float32({"b": K, "c": B}))
    index = {"metadata": {}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-2.safetensors"}}
    (folder / "m.safetensors.index.json").write_text(json.dumps(index))
    assert same(load_kernel("m.safetensors.index.json:b").weights, K)
    assert same(read_tensor("m.safetensors.index.json:a"), V)
    with pytest.raises(OptionError, match=r"b is in another file of the model: expected m-2.safetensors:b$"):
        load_kernel("m-1.safetensors:b")
    (folder / "m-2.safetensors").unlink()
    assert same(read_tensor("m.safetensors.index.json:a"), V)
    with pytest.raises(FileError, match=r"cannot read m.safetensors.index.json:c: No such file.*\(m-2.safetensors\)$"):
        read_tensor("m.safetensors.index.json:c")
    with pytest.raises(OptionError, match=r"no tensor called 'd', but a \(3, 5, 8\), b, c$"):
        read_tensor("m.safetensors.index.json:d")


@pytest.mark.parametrize("name", ["/etc/passwd", "../m.safetensors", "m.safetensors/", 7])
def test_an_index_names_only_files_beside_it(folder, name):
    (folder / "i.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(FileError, match="expected the name of a file beside the index, given"):
        read_tensor("i.json:a")


def test_only_the_tensor_that_is_wanted_is_mapped(folder):
    found = read_tensor("model.safetensors:conv1.weight")
    assert isinstance(found, np.memmap)
    assert found.filename == str(folder / "model.safetensors")


GRADIENTS = ["grad", "V.npy", "-k", "all.npz", "--bias", "all.npz:b", "-G", "normal:1"]
CHECK = ["check", "V.npy", "-k", "all.npz", "--bias", "all.npz", "-G", "normal:1"]


@pytest.mark.parametrize("extension", ["npz", "json", "csv"])
def test_gradients_that_convcli_wrote_are_read(folder, extension):
    file = f"g.{extension}"
    succeed(*GRADIENTS, "-o", file, cwd=folder)
    succeed(*CHECK, "--kernel-grad", f"{file}:dK", "--input-grad", file, "--bias-grad", f"{file}:bias", cwd=folder)
    written = json.loads(succeed(*GRADIENTS, "--json", cwd=folder))["gradients"]
    for key, name in (("dK", "kernel"), ("kernel", "kernel"), ("dV", "input"), ("db", "bias")):
        assert same(read_tensor(f"{file}:{key}"), np.array(written[name]["values"]))
        assert same(read_tensor(file, key), np.array(written[name]["values"]))
    other = convcli(*CHECK, "--kernel-grad", f"{file}:dQ", cwd=folder)
    assert other.code == 2
    assert other.err == (
        f"convcli: error: {file} has no tensor called 'dQ', but kernel (2, 3, 3, 4), input (3, 5, 8), bias (2,)\n"
    )


def test_a_batch_in_a_table_is_read(tmp_path):
    batch = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.save(tmp_path / "x.npy", batch)
    succeed("grad", "x.npy", "-k", "box", "--wrt", "dV,dK", "-o", "g.csv", cwd=tmp_path)
    expected = conv2d_grad(batch, np.full((3, 3), 1 / 9), np.ones(batch.shape), padding="same")
    assert np.allclose(read_tensor(f"{tmp_path}/g.csv:dV"), expected.input)


def test_gradients_come_through_a_pipe(folder):
    written = succeed(*GRADIENTS, "-f", "npz", "-o", "-", cwd=folder)
    succeed(*CHECK, "--bias-grad", "-", cwd=folder, stdin=written)


def test_one_gradient_needs_no_name(folder):
    for extension in ("npz", "json", "csv"):
        succeed(*GRADIENTS, "--wrt", "dV", "-o", f"g.{extension}", cwd=folder)
        assert same(read_tensor(f"g.{extension}"), read_tensor("g.npz"))


TENSOR = {"shape": [2, 1], "dtype": "float32", "values": [[1.5], [2]]}


@pytest.mark.parametrize("document", [{"convcli": 1, **TENSOR}, {"convcli": 1, "edge": "zero", "output": TENSOR}])
def test_json_of_a_tensor(document):
    found = read_tensor(json.dumps(document).encode())
    assert (found.dtype, found.tolist()) == (np.float32, [[1.5], [2.0]])


FAULTS = [
    ({**TENSOR, "shape": [1, 2]}, "<bytes>:1:11: shape: expected [2, 1], the shape of its values, given a list"),
    ({**TENSOR, "dtype": "int8"}, "<bytes>:1:28: dtype: expected a type that holds every value exactly"),
    ({**TENSOR, "dtype": "object"}, "<bytes>:1:28: dtype: expected one of int8, "),
    ({**TENSOR, "values": [[1], ["2"]]}, '<bytes>:1:56: values[1][0]: expected a number, given "2"'),
    ({"convcli": 2, "a": TENSOR}, "<bytes>:1:13: convcli: expected 1, the version of JSON"),
    ({"gradients": [1]}, "<bytes>:1:15: gradients: expected an object, given a list"),
    ({"weights": [[1]]}, "<bytes>:1:1: expected lists of numbers, or JSON of tensors that convcli wrote"),
]


@pytest.mark.parametrize(("document", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_faults_in_json_of_tensors_have_a_place(document, message):
    with pytest.raises(JsonError, match=f"^{re.escape(message)}"):
        read_tensor(json.dumps(document).encode())


def test_empty_axes_of_json_have_their_length():
    assert read_tensor(b'{"shape": [0, 3], "values": []}').shape == (0, 3)


CSV = "tensor,i,j,value\n"
BROKEN_TABLES = [
    (CSV + "a,0,1\n", "line 2: expected 4 cells as in line 1, given 3"),
    (CSV + "a,0,0,1\na,0,x,1\n", "line 3: expected an index from 0 to 1, given 'x'"),
    (CSV + "a,0,0,1\na,0,99999999999,1\n", "line 3: expected an index from 0 to 1, given '99999999999'"),
    (CSV + "a,0,0,1\na,0,-1,1\n", "line 3: expected an index from 0 to 1, given '-1'"),
    (CSV + "a,0,0,1\na,0,0,1\n", "expected each index of the shape (1, 1) once, given 2 rows"),
    (CSV + "a,0,0,1\na,1,1,1\n", "expected each index of the shape (2, 2) once, given 2 rows"),
    (CSV + "a,0,0,one\n", "line 2: expected a number, given 'one'"),
    (CSV + "a,0,,1\na,1,7,1\n", "line 3: expected indices as in line 2, given '1,7'"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN_TABLES, ids=[message for _, message in BROKEN_TABLES])
def test_broken_tables(text, message):
    with pytest.raises(FileError, match=f"^{re.escape(f'cannot read <bytes>: {message}')}$"):
        read_tensor(text.encode())


def test_rows_of_a_table_may_have_any_order():
    rows = [f"{name},{i},{j},{10 * i + j}" for name in "ab" for i in range(2) for j in range(3)]
    text = CSV.replace("\n", "\r\n") + "\r\n".join(reversed(rows)) + "\r\nc,,,nan\r\n"
    source = Source.of_bytes(text.encode())
    assert same(read_tensor(replace(source, key="b")), [[0, 1, 2], [10, 11, 12]])
    assert np.isnan(read_tensor(replace(source, key="c")))


def test_the_page_names_every_kind_of_file():
    rows = table(page("docs/arrays.md").partition("## Reading tensors\n")[2])
    named = {name for row in rows for name in codes(row[0])}
    kinds = {f".{kind.name.lower()}" for kind in Kind if holds_tensors(kind)}
    assert named == kinds | {".safetensors.index.json", ".onnx"}


@pytest.mark.parametrize("key", [WEIGHT_MAP, "gradients", "shape", "values", "dtype", *SHORT_FLOATS])
def test_the_page_names_every_key_that_is_read(key):
    assert f"`{key}`" in page("docs/arrays.md").partition("## Reading tensors\n")[2]


def test_the_commands_of_the_page_run(folder):
    np.save(folder / "K.npy", K)
    (folder / "resnet.safetensors").write_bytes(in_float32({"conv1.weight": np.ones((64, 3, 7, 7))}))
    section = page("docs/arrays.md").partition("## Reading tensors\n")[2]
    (commands,) = re.findall(r"```sh\n(.*?)^convcli check x.npy", section, re.DOTALL | re.MULTILINE)
    result = shell(f"set -e\n{commands}", folder)
    assert (result.code, b"Z                  (64, 112, 112)" in result.out) == (0, True)
