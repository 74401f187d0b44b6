"""The rows of the table: filters compared with OpenCV and SciPy, layers and their gradients compared with PyTorch."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import peers
from benchmarks.contestants import core
from benchmarks.race import Contestant
from convcli import conv2d, conv2d_grad, preset
from convcli.arrays import Array, FloatArray

LAYERS = (
    (256, 256, 3, 1, 56),
    (128, 128, 3, 1, 112),
    (64, 64, 3, 1, 56),
    (3, 64, 7, 2, 224),
    (256, 64, 1, 1, 56),
    (512, 512, 3, 1, 7),
)
MEGAPIXELS = "3x3000x4000"


class Row(NamedTuple):
    """One row of the table: convcli without and with compiled loops, and the installed peers."""

    name: str
    core: Contestant
    fast: Contestant
    others: dict[str, Contestant]

    @classmethod
    def of(cls, name: str, ours: Contestant, others: dict[str, Contestant]) -> "Row":
        """Return the row of functions of convcli, which can be run without compiled loops."""
        return cls(name, core(ours), ours, others)


def rows() -> Iterator[Row]:
    """Yield every row; make its arrays when it is reached."""
    rng = np.random.default_rng(0)
    photo = rng.random((3, 3000, 4000), np.float32)
    yield from _filters(photo, rng)
    yield from _pixels(rng)
    yield from _separable(photo, rng)
    yield from _photo_gradients(photo, rng)
    yield from _banks(rng)
    yield from _layers(rng)
    yield _small(rng)


def _present(**contestants: tuple[Any, Contestant]) -> dict[str, Contestant]:
    """Return the contestants whose module is installed."""
    return {name.replace("_", " "): run for name, (module, run) in contestants.items() if module is not None}


def _filters(photo: FloatArray, rng: np.random.Generator) -> Iterator[Row]:
    pixels = np.ascontiguousarray(photo.transpose(1, 2, 0))
    kernels: dict[str, FloatArray] = {
        f"{size}x{size} full rank": rng.random((size, size), np.float32) / size**2 for size in (3, 5, 9, 15, 31)
    }
    kernels |= {name: preset(name).weights.astype(np.float32) for name in ("log:3", "dog:3", "unsharp:3")}
    for name, K in kernels.items():
        others = _present(OpenCV_filter2D=(peers.cv2, partial(peers.opencv_filter, pixels, K)))
        if len(K) <= 9:
            bank = np.tile(K, (3, 1, 1, 1))
            others |= _present(
                scipy_ndimage=(peers.ndimage, partial(peers.scipy_correlate, photo, K)),
                torch_grouped=(peers.torch, partial(peers.torch_conv, photo, bank, groups=3)),
            )
        if len(K) >= 31:
            others |= _present(scipy_oaconvolve=(peers.signal, partial(peers.scipy_overlap_add, photo, K)))
        ours = partial(conv2d, photo, K, padding="same")
        yield Row.of(f"{name}, {MEGAPIXELS}", ours, others)


def _pixels(rng: np.random.Generator) -> Iterator[Row]:
    photo: Array = rng.integers(0, 256, (3, 3000, 4000), np.uint8)
    pixels = np.ascontiguousarray(photo.transpose(1, 2, 0))
    for size in (3, 5, 7, 9):
        K = rng.random((size, size), np.float32)
        K /= K.sum()
        others = _present(OpenCV_filter2D=(peers.cv2, partial(peers.opencv_filter, pixels, K)))
        for lies, V in {MEGAPIXELS: photo, "3000x4000x3": pixels.transpose(2, 0, 1)}.items():
            ours = partial(conv2d, V, K, padding="same", dtype=np.uint8)
            yield Row.of(f"{size}x{size} full rank, {lies} uint8 in and out", ours, others)


def _separable(photo: FloatArray, rng: np.random.Generator) -> Iterator[Row]:
    pixels = np.ascontiguousarray(photo.transpose(1, 2, 0))
    for taps in (9, 31):
        column, row = rng.random((2, taps), np.float32) / taps
        others = _present(
            OpenCV_sepFilter2D=(peers.cv2, partial(peers.opencv_separable, pixels, column, row)),
            scipy_ndimage=(peers.ndimage, partial(peers.scipy_separable, photo, column, row)),
        )
        # In double precision, because the product would not have rank 1 otherwise.
        K = np.outer(column.astype(np.float64), row)
        ours = partial(conv2d, photo, K, padding="same")
        yield Row.of(f"{taps} taps separable, {MEGAPIXELS}", ours, others)


def _photo_gradients(photo: FloatArray, rng: np.random.Generator) -> Iterator[Row]:
    K, G = rng.random((5, 5), np.float32), rng.standard_normal(photo.shape, np.float32)
    bank = np.tile(K, (3, 1, 1, 1))
    ours = partial(conv2d_grad, photo, K, G, padding="same", dtype=np.float32)
    contests = {"dK": ("kernel", peers.torch_kernel_gradient), "dV": ("input", peers.torch_input_gradient)}
    for symbol, (name, theirs) in contests.items():
        others = _present(torch=(peers.torch, partial(theirs, photo, bank, G, groups=3)))
        yield Row.of(f"{symbol} of 5x5 per channel, {MEGAPIXELS}", partial(ours, wrt=name), others)


def _banks(rng: np.random.Generator) -> Iterator[Row]:
    for shape, K_shape in (((3, 1080, 1920), (8, 3, 5, 5)), ((3, 1080, 1920), (16, 3, 3, 3))):
        V, K = rng.random(shape, np.float32), rng.random(K_shape, np.float32)
        name = f"bank {K_shape[1]}->{K_shape[0]} {K_shape[2]}x{K_shape[3]}, {shape[1]}x{shape[2]}"
        yield from _with_gradients(name, V, K, 1, rng)
    V, K = rng.random((3, 3000, 4000), np.float32), rng.random((3, 3, 9, 9), np.float32)
    others = _present(torch=(peers.torch, partial(peers.torch_conv, V, K)))
    yield Row.of("bank 3->3 9x9, 3000x4000", partial(conv2d, V, K, padding="same"), others)


def _layers(rng: np.random.Generator) -> Iterator[Row]:
    for in_channels, out_channels, size, stride, extent in LAYERS:
        V = rng.standard_normal((in_channels, extent, extent), np.float32)
        K = rng.standard_normal((out_channels, in_channels, size, size), np.float32)
        name = f"layer {in_channels}->{out_channels} {size}x{size}/{stride} {extent}"
        yield from _with_gradients(name, V, K, stride, rng)


def _with_gradients(name: str, V: FloatArray, K: FloatArray, stride: int, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of Z, dV and dK, with half a kernel of zeros on each side."""
    padding = K.shape[-1] // 2
    forward = partial(conv2d, V, K, stride=stride, padding=padding)
    G = rng.standard_normal(forward().shape, np.float32)
    gradient = partial(conv2d_grad, V, K, G, stride=stride, padding=padding, dtype=np.float32)
    contests: dict[str, tuple[Contestant, Contestant]] = {
        "Z": (forward, partial(peers.torch_conv, V, K, stride)),
        "dV": (partial(gradient, wrt="input"), partial(peers.torch_input_gradient, V, K, G, stride)),
        "dK": (partial(gradient, wrt="kernel"), partial(peers.torch_kernel_gradient, V, K, G, stride)),
    }
    for what, (ours, torch) in contests.items():
        yield Row.of(f"{name}: {what}", ours, _present(torch=(peers.torch, torch)))


def _small(rng: np.random.Generator) -> Row:
    V, K = rng.random((1, 512, 512), np.float32), rng.random((3, 3), np.float32)
    others = _present(
        OpenCV_filter2D=(peers.cv2, partial(peers.opencv_filter, V[0], K)),
        scipy_ndimage=(peers.ndimage, partial(peers.scipy_correlate, V, K)),
    )
    return Row.of("3x3, 512x512, only the call", partial(conv2d, V, K, padding="same"), others)
