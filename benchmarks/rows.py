"""What is raced: images through filters against OpenCV and SciPy, layers and their gradients against PyTorch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks import peers
from benchmarks.race import Contestant
from convcli import conv2d, conv2d_grad, preset
from convcli.arrays import FloatArray

LAYERS = (
    (256, 256, 3, 1, 56),
    (128, 128, 3, 1, 112),
    (64, 64, 3, 1, 56),
    (3, 64, 7, 2, 224),
    (256, 64, 1, 1, 56),
    (512, 512, 3, 1, 7),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: ours, and the peers that are installed."""

    name: str
    ours: Contestant
    others: dict[str, Contestant]


def rows() -> Iterator[Row]:
    """Every row, its arrays made when it is reached."""
    rng = np.random.default_rng(0)
    photo = rng.random((3, 3000, 4000), np.float32)
    yield from _filters(photo, rng)
    yield from _separable(photo, rng)
    yield from _banks(rng)
    yield from _layers(rng)
    yield _small(rng)


def _filters(photo: FloatArray, rng: np.random.Generator) -> Iterator[Row]:
    pixels = np.ascontiguousarray(photo.transpose(1, 2, 0))
    kernels: dict[str, FloatArray] = {
        f"{size}x{size} full rank": rng.random((size, size), np.float32) / size**2 for size in (3, 5, 9, 15, 31)
    }
    kernels |= {name: preset(name).weights.astype(np.float32) for name in ("log:3", "dog:3", "unsharp:3")}
    for name, K in kernels.items():
        others: dict[str, Contestant] = {}
        if peers.cv2 is not None:
            others["OpenCV filter2D"] = partial(peers.opencv_filter, pixels, K)
        if peers.ndimage is not None and len(K) <= 5:
            others["scipy.ndimage"] = partial(peers.scipy_correlate, photo, K)
        if peers.signal is not None and len(K) >= 31:
            others["scipy oaconvolve"] = partial(peers.scipy_overlap_add, photo, K)
        yield Row(f"{name}, 3x3000x4000", partial(conv2d, photo, K, padding="same"), others)


def _separable(photo: FloatArray, rng: np.random.Generator) -> Iterator[Row]:
    pixels = np.ascontiguousarray(photo.transpose(1, 2, 0))
    for taps in (9, 31):
        column, row = rng.random((2, taps), np.float32) / taps
        others: dict[str, Contestant] = {}
        if peers.cv2 is not None:
            others["OpenCV sepFilter2D"] = partial(peers.opencv_separable, pixels, column, row)
        # In double precision, or the product is no longer of rank 1.
        K = np.outer(column.astype(np.float64), row)
        yield Row(f"{taps} taps separable, 3x3000x4000", partial(conv2d, photo, K, padding="same"), others)


def _banks(rng: np.random.Generator) -> Iterator[Row]:
    for shape, K_shape in (
        ((3, 1080, 1920), (8, 3, 5, 5)),
        ((3, 1080, 1920), (16, 3, 3, 3)),
        ((3, 3000, 4000), (3, 3, 9, 9)),
    ):
        V, K = rng.random(shape, np.float32), rng.random(K_shape, np.float32)
        others: dict[str, Contestant] = {} if peers.torch is None else {"torch": partial(peers.torch_conv, V, K)}
        name = f"bank {K_shape[1]}->{K_shape[0]} {K_shape[2]}x{K_shape[3]}, {shape[1]}x{shape[2]}"
        yield Row(name, partial(conv2d, V, K, padding="same"), others)


def _layers(rng: np.random.Generator) -> Iterator[Row]:
    for in_channels, out_channels, size, stride, extent in LAYERS:
        V = rng.standard_normal((in_channels, extent, extent), np.float32)
        K = rng.standard_normal((out_channels, in_channels, size, size), np.float32)
        forward = partial(conv2d, V, K, stride=stride, padding=size // 2)
        G = rng.standard_normal(forward().shape, np.float32)
        gradient = partial(conv2d_grad, V, K, G, stride=stride, padding=size // 2, dtype=np.float32)
        contests: dict[str, tuple[Contestant, Contestant]] = {
            "Z": (forward, partial(peers.torch_conv, V, K, stride)),
            "dV": (partial(gradient, wrt="input"), partial(peers.torch_input_gradient, V, K, G, stride)),
            "dK": (partial(gradient, wrt="kernel"), partial(peers.torch_kernel_gradient, V, K, G, stride)),
        }
        for what, (ours, torch) in contests.items():
            name = f"layer {in_channels}->{out_channels} {size}x{size}/{stride} {extent}: {what}"
            yield Row(name, ours, {} if peers.torch is None else {"torch": torch})


def _small(rng: np.random.Generator) -> Row:
    V, K = rng.random((1, 512, 512), np.float32), rng.random((3, 3), np.float32)
    others: dict[str, Contestant] = {}
    if peers.cv2 is not None:
        others["OpenCV filter2D"] = partial(peers.opencv_filter, V[0], K)
    if peers.ndimage is not None:
        others["scipy.ndimage"] = partial(peers.scipy_correlate, V, K)
    return Row("3x3, 512x512, the call alone", partial(conv2d, V, K, padding="same"), others)
