"""What counts as an array, and how a type is spelled. tests/conformance/test_torch.py tries tensors of torch itself."""

import array
from collections import deque

import numpy as np
import pytest

from convcli import GeometryError, OptionError, conv2d, conv2d_compare, conv2d_explain, conv2d_grad, filter_image

V = np.arange(20.0).reshape(1, 4, 5)
K = np.array([[1.0, 2.0], [-3.0, 5.0]])
G = np.arange(12.0).reshape(1, 3, 4)


class Exporter:
    """A tensor of a library that has only DLPack."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __dlpack__(self, **options):
        return self.numbers.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.numbers.__dlpack_device__()


class OnGpu(Exporter):
    def __dlpack__(self, **options):
        raise BufferError("the tensor is on cuda:0")


class Tensor:
    """A tensor that behaves as torch's: NumPy reads it only without its gradient, and never as bfloat16."""

    def __init__(self, numbers, dtype="torch.float64", requires_grad=True):
        self.numbers, self.dtype, self.requires_grad = numbers, dtype, requires_grad

    def detach(self):
        return Tensor(self.numbers, self.dtype, requires_grad=False)

    def float(self):
        return Tensor(self.numbers.astype(np.float32), "torch.float32", self.requires_grad)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.numbers


@pytest.mark.parametrize("kind", [Exporter, Tensor])
def test_tensors_of_other_libraries(kind):
    expected = conv2d_grad(V, K, G)
    assert np.array_equal(conv2d(kind(V), kind(K), kind(np.ones(()))), conv2d(V, K, 1))
    assert conv2d_grad(kind(V), kind(K), kind(G), bias=kind(np.ones(()))) == expected
    assert conv2d_explain(kind(V), kind(K), (0, 1), of="dK", G=kind(G)).total == expected.kernel[0, 1]
    assert conv2d_compare(V, K, {"dK": kind(expected.kernel)}, kind(G))[0].holds
    filtered = filter_image(kind(V), kind(K), format="npy")
    assert filtered.maps == filter_image(V, K, format="npy").maps


def test_bfloat16_counts_as_float32():
    found = conv2d(Tensor(V, "torch.bfloat16"), K)
    assert found.dtype == np.float32
    assert np.array_equal(found, conv2d(V, K))


def test_bfloat16_of_ml_dtypes():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    found = conv2d(V.astype(bfloat16), K.astype(bfloat16))
    assert found.dtype == np.float32
    assert np.array_equal(found, conv2d(V, K))


def test_what_numpy_cannot_read_is_refused():
    message = r"^input V: expected an array, given a OnGpu that NumPy cannot read: the tensor is on cuda:0$"
    with pytest.raises(GeometryError, match=message):
        conv2d(OnGpu(V), K)
    message = (
        r"^kernel K: expected an array, given a list that NumPy cannot read: Can't call .* grad\.\\nUse .* instead"
    )
    with pytest.raises(GeometryError, match=message):
        conv2d(V, [Tensor(K)])


@pytest.mark.parametrize(
    "plane",
    [
        V[0].tolist(),
        tuple(map(tuple, V[0])),
        deque(V[0].tolist()),
        [array.array("d", row) for row in V[0]],
        memoryview(V[0]),
        [range(start, start + 5) for start in range(0, 20, 5)],
        np.asfortranarray(V[0]),
        V[0].astype(">f8"),
        V[0].astype(np.longdouble),
        V[0].astype(np.float16),
        np.broadcast_to(V[0], (4, 5)),
    ],
    ids=lambda plane: type(plane).__name__,
)
def test_whatever_numpy_takes(plane):
    assert np.array_equal(conv2d(plane, K), conv2d(V[0], K))


def test_a_name_of_a_kernel_is_not_an_array():
    message = r"^kernel K: expected an array or a Kernel, given text: load_kernel reads 'sobel-x'$"
    with pytest.raises(GeometryError, match=message):
        conv2d(V, "sobel-x")


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (
            ("f8", "<f8", ">f8", "=f8", "d", "double", "float", float, np.float64, np.dtype(">f8"), "torch.float64"),
            "f8",
        ),
        (("f4", "<f4", "f", "single", np.float32, np.single, np.dtype("f4"), "torch.float32"), "f4"),
        (("u1", "B", np.uint8, np.ubyte, np.dtype("u1"), "torch.uint8"), "u1"),
        (("u2", "<u2", "H", np.uint16), "u2"),
    ],
    ids=["float64", "float32", "uint8", "uint16"],
)
def test_types_have_many_spellings(spellings, expected):
    assert {conv2d(V, K, dtype=spelling).dtype for spelling in spellings} == {np.dtype(expected)}


@pytest.mark.parametrize(
    ("dtype", "given"),
    [("f2", "'f2'"), (np.int16, "'int16'"), (int, "'int64'"), ("x", "'x'"), ("", "''"), (complex, "'complex128'")],
)
def test_other_types_are_refused(dtype, given):
    with pytest.raises(OptionError, match=rf"^dtype: expected float32, float64, uint8 or uint16, given {given}"):
        conv2d(V, K, dtype=dtype)


def test_weights_of_float16_are_summed_in_float32():
    K = np.full((300, 300), 1000, np.float16)
    assert conv2d(np.ones((300, 300)), K, np.float16(1)).tolist() == [[9e7 + 1]]
    assert filter_image(np.ones((300, 300)), K, padding="valid", format="npy").maps.values.tolist() == [[9e7]]
