"""The convolutions of other libraries and programs, if installed, each on as many threads as convcli's."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.files.parallel import available_threads


def installed(name: str) -> Any:
    """Return a module, or None if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


cv2, torch, ndimage, signal = map(installed, ("cv2", "torch", "scipy.ndimage", "scipy.signal"))
COMMANDS = {"ImageMagick": "convert", "GraphicsMagick": "gm", "libvips": "vips"}


def _is_installed(command: str) -> bool:
    path = shutil.which(command)
    # Other programs are also named ``convert``.
    return path is not None and (command != "convert" or b"ImageMagick" in _output([path, "-version"]))


def _output(command: Sequence[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=False).stdout


MISSING = [name for name, found in {"OpenCV": cv2, "torch": torch, "scipy": ndimage}.items() if found is None]
MISSING += [name for name, command in COMMANDS.items() if not _is_installed(command)]

if cv2 is not None:
    cv2.setNumThreads(available_threads())
if torch is not None:
    torch.set_num_threads(available_threads())
    torch.set_grad_enabled(False)


def versions() -> str:
    """Return the names and versions of the installed libraries."""
    modules = {"OpenCV": cv2, "PyTorch": torch, "SciPy": installed("scipy")}
    return ", ".join(f"{name} {module.__version__}" for name, module in modules.items() if module is not None)


def opencv_filter(V: Array, K: FloatArray) -> object:
    """Run filter2D over an image (H, W, C), with zeros outside."""
    return cv2.filter2D(V, -1, K, borderType=cv2.BORDER_CONSTANT)


def opencv_separable(V: FloatArray, column: FloatArray, row: FloatArray) -> object:
    """Run sepFilter2D over an image (H, W, C), with zeros outside."""
    return cv2.sepFilter2D(V, -1, row, column, borderType=cv2.BORDER_CONSTANT)


def scipy_correlate(V: FloatArray, K: FloatArray) -> object:
    """Run ndimage.correlate on each channel, with zeros outside."""
    return np.stack([ndimage.correlate(channel, K, mode="constant") for channel in V])


def scipy_separable(V: FloatArray, column: FloatArray, row: FloatArray) -> object:
    """Run ndimage.correlate1d twice on each channel, with zeros outside."""
    along = [ndimage.correlate1d(channel, row, axis=1, mode="constant") for channel in V]
    return np.stack([ndimage.correlate1d(channel, column, axis=0, mode="constant") for channel in along])


def scipy_overlap_add(V: FloatArray, K: FloatArray) -> object:
    """Run signal.oaconvolve on each channel."""
    return np.stack([signal.oaconvolve(channel, K, mode="same") for channel in V])


def torch_conv(V: FloatArray, K: FloatArray, stride: int = 1, groups: int = 1) -> object:
    """Run conv2d with half a kernel of zeros on each side."""
    padding = K.shape[-1] // 2
    return torch.nn.functional.conv2d(_tensor(V)[None], _tensor(K), stride=stride, padding=padding, groups=groups)


def torch_input_gradient(V: FloatArray, K: FloatArray, G: FloatArray, stride: int = 1, groups: int = 1) -> object:
    """Return dV of torch_conv."""
    shape, padding = (1, *V.shape), K.shape[-1] // 2
    return torch.nn.grad.conv2d_input(
        shape, _tensor(K), _tensor(G)[None], stride=stride, padding=padding, groups=groups
    )


def torch_kernel_gradient(V: FloatArray, K: FloatArray, G: FloatArray, stride: int = 1, groups: int = 1) -> object:
    """Return dK of torch_conv."""
    padding = K.shape[-1] // 2
    return torch.nn.grad.conv2d_weight(
        _tensor(V)[None], K.shape, _tensor(G)[None], stride=stride, padding=padding, groups=groups
    )


def _tensor(array: FloatArray) -> Any:
    return torch.from_numpy(array)


# Every program writes JPEG of this quality with chroma at half the resolution, as the photograph has it.
QUALITY = 92
OPENCV_OPTIONS = (
    f"[cv2.IMWRITE_JPEG_QUALITY, {QUALITY}, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]"
)
OPENCV_SCRIPT = f"""
import sys, cv2, numpy as np
K = np.array(eval(sys.argv[3]), np.float32)
Z = cv2.filter2D(cv2.imread(sys.argv[1]), -1, K, borderType=cv2.BORDER_REPLICATE)
cv2.imwrite(sys.argv[2], Z, {OPENCV_OPTIONS} if sys.argv[2].endswith("jpg") else [])
"""
# Arguments: K, the number of threads, and the files. Each thread filters whole files.
OPENCV_BATCH = f"""
import sys, cv2, numpy as np
from concurrent.futures import ThreadPoolExecutor
K = np.array(eval(sys.argv[1]), np.float32)
cv2.setNumThreads(1)
def apply(path):
    Z = cv2.filter2D(cv2.imread(path), -1, K, borderType=cv2.BORDER_REPLICATE)
    cv2.imwrite("out/" + path, Z, {OPENCV_OPTIONS})
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(apply, sys.argv[3:]))
"""
MAGICK_OPTIONS = f"-quality {QUALITY} -sampling-factor 4:2:0"
VIPS_OPTIONS = f"[Q={QUALITY},subsample_mode=on]"


def commands(image: str, K: FloatArray, folder: str, extension: str) -> dict[str, list[str]]:
    """Return, for each program, the command line that filters an image file with K."""
    weights = ",".join(f"{weight:g}" for weight in K.ravel())
    matrix = write_mask(K, os.path.join(folder, "kernel.mat"))
    out = {name: os.path.join(folder, f"{name}.{extension}") for name in ("OpenCV script", *COMMANDS)}
    magick, vips = (MAGICK_OPTIONS.split(), VIPS_OPTIONS) if extension == "jpg" else ([], "")
    found = {
        "ImageMagick": [
            *("convert", image, "-define", "convolve:scale=1", "-convolve", weights, *magick, out["ImageMagick"])
        ],
        "GraphicsMagick": ["gm", "convert", image, "-convolve", weights, *magick, out["GraphicsMagick"]],
        "libvips": ["vips", "conv", image, out["libvips"] + vips, matrix],
    }
    if cv2 is not None:
        script = [sys.executable, "-c", OPENCV_SCRIPT, image, out["OpenCV script"], repr(K.tolist())]
        found = {"OpenCV script": script, **found}
    return {name: command for name, command in found.items() if name not in MISSING}


def opencv_batch(K: FloatArray, files: Sequence[str]) -> list[str]:
    """Return the command of a process that filters JPEGs with K in a pool of threads, into the folder ``out``."""
    return [sys.executable, "-c", OPENCV_BATCH, repr(K.tolist()), str(available_threads()), *files]


def write_mask(K: FloatArray, path: str) -> str:
    """Write a kernel in the format of libvips, and return the path."""
    rows = [" ".join(f"{weight:g}" for weight in row) for row in K]
    with open(path, "w") as stream:
        print("{1} {0}".format(*K.shape), *rows, sep="\n", file=stream)
    return path


def command_versions() -> str:
    """Return the names and versions of the installed programs."""
    asked = {
        "ImageMagick": ["convert", "-version"],
        "GraphicsMagick": ["gm", "-version"],
        "libvips": ["vips", "--version"],
    }
    found = {name: _output(command).decode().splitlines()[0] for name, command in asked.items() if name not in MISSING}
    return ", ".join(f"{name} {re.findall(r'[0-9][0-9.]+(?:-[0-9]+)?', line)[0]}" for name, line in found.items())
