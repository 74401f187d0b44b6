"""The programs in docs/conventions.md: each peer runs a call as the page writes it.

A peer takes the call and its operands, and returns an array with convcli's axes. It skips the test if it is not
installed.
"""

import importlib
import os
import shutil
import subprocess
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
from support.command_line import pixels


class Operands(NamedTuple):
    """V (C, H, W), K (C_out, C_in/groups, kh, kw) and G of layers; V (H, W) and K (kh, kw) of filters."""

    V: Any
    K: Any
    G: Any = None

    @property
    def placeholders(self):
        """The forms of the kernel that calls and options write as placeholders."""
        weights = self.K.astype(int)
        values = ",".join(map(str, weights.ravel()))
        return {
            "WEIGHTS": str(weights.tolist()),
            "SUM": str(weights.sum()),
            "OUTER": str(np.multiply.outer(weights[..., 0], weights[0]).tolist()),
            "KERNEL": f"{weights.shape[-1]}x{weights.shape[0]}:{values}",
            "LIST": values,
        }

    def fill(self, text):
        """Return the text with its placeholders replaced."""
        for placeholder, value in self.placeholders.items():
            text = text.replace(placeholder, value)
        return text


def tensorflow(call, operands, folder):
    tf = tensorflow_library()
    V, K, G = operands
    groups, channels = len(V) // K.shape[1], len(V)
    names = {"tf": tf, "x": V[None].transpose(0, 2, 3, 1), "w": K.transpose(2, 3, 1, 0)}
    if groups == channels:
        names["depthwise"] = K.reshape(channels, -1, *K.shape[-2:]).transpose(2, 3, 0, 1)
    if G is not None:
        names["g"] = G[None].transpose(0, 2, 3, 1)
    result = np.asarray(eval(call, names))
    return result.transpose(3, 2, 0, 1) if "Filter(" in call else result[0].transpose(2, 0, 1)


@cache
def tensorflow_library():
    """Return TensorFlow, which computes on one thread; skip the test if it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tf = pytest.importorskip("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    return tf


def pytorch(call, operands, folder):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    tensors = {name: torch.from_numpy(array) for name, array in _images_of_one(operands).items()}
    result = eval(call, tensors | {"torch": torch, "F": torch.nn.functional}).numpy()
    return result if "_weight(" in call else result[0]


def jax(call, operands, folder):
    library = pytest.importorskip("jax")
    library.config.update("jax_enable_x64", True)
    result = np.asarray(eval(call, _images_of_one(operands) | {"jax": library, "lax": library.lax}))
    return result if "lambda weights" in call else result[0]


def _images_of_one(operands):
    names = {"x": operands.V[None], "w": operands.K}
    return names if operands.G is None else names | {"g": operands.G[None]}


def matlab(call, operands, folder):
    """Run the call in Octave."""
    process = octave()
    if any(name in call for name in ("imfilter", "padarray", "fspecial")) and not process.image:
        pytest.skip("Octave's package image is not installed")
    data = f"V = {_matlab_matrix(operands.V)}; K = {_matlab_matrix(operands.K)};"
    rows, columns, *values = process.numbers(f"{data} Z = {call}; numbers = [size(Z) reshape(Z', 1, [])];")
    return np.array(values).reshape(int(rows), int(columns))


class _Octave:
    """One Octave process for all rows; it ends when its input ends."""

    def __init__(self, path):
        command = [path, "--quiet", "--norc", "--no-history"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # A stopped test must leave no octave-workspace behind.
        for reason in ("sighup", "sigterm", "crash"):
            self.numbers(f"{reason}_dumps_octave_core(false); numbers = 0;")
        (self.image,) = self.numbers("try; pkg load image; numbers = 1; catch; numbers = 0; end;")

    def numbers(self, script):
        """Return the value of the variable ``numbers`` after a script."""
        print(f"{script} printf('%.17g ', numbers); disp('');", file=self._process.stdin, flush=True)
        return [float(word) for word in self._process.stdout.readline().split()]


@cache
def octave():
    """Return the process of Octave; skip the test if it is not installed."""
    if not (path := shutil.which("octave-cli")):
        pytest.skip("Octave is not installed")
    return _Octave(path)


def _matlab_matrix(array):
    return "[" + ";".join(" ".join(map(str, row)) for row in array.tolist()) + "]"


def imagemagick(call, operands, folder):
    require_imagemagick()
    PIL.Image.fromarray(operands.V.astype(np.uint8)).save(folder / "V.pgm")
    subprocess.run(operands.fill(call).split(), cwd=folder, check=True)
    return pixels(folder / "Z.pgm")


@cache
def require_imagemagick():
    """Skip the test if ImageMagick 6 is not installed; other programs are also named ``convert``."""
    found = shutil.which("convert")
    if not found or b"ImageMagick 6" not in subprocess.run([found, "-version"], capture_output=True).stdout:
        pytest.skip("ImageMagick 6 is not installed")


def libvips(call, operands, folder):
    pyvips = pytest.importorskip("pyvips")
    images = {"v": operands.V, "u": operands.V.astype(np.uint8), "k": operands.K}
    names = {
        name: pyvips.Image.new_from_array(array.tolist() if name == "k" else array) for name, array in images.items()
    }
    return eval(call, names | {"pyvips": pyvips, "K": operands.K}).numpy()


def pillow(call, operands, folder):
    reach = operands.K.shape[0] // 2
    names = {
        "ImageFilter": importlib.import_module("PIL.ImageFilter"),
        "image": PIL.Image.fromarray(operands.V.astype(np.uint8)),
        "inside": lambda image: np.asarray(image)[reach:-reach, reach:-reach],
        "K": operands.K,
    }
    return eval(call, names)


def python_library(module):
    """Return a peer that takes NumPy's arrays unchanged."""

    def run(call, operands, folder):
        library = pytest.importorskip(module)
        names = {module.rpartition(".")[2]: library, "numpy": np, "V": operands.V, "K": operands.K}
        return eval(call, names | {"U": operands.V.astype(np.uint8)})

    return run


PEERS = {
    "TensorFlow": tensorflow,
    "PyTorch": pytorch,
    "JAX": jax,
    "MATLAB": matlab,
    "scipy.signal": python_library("scipy.signal"),
    "scipy.ndimage": python_library("scipy.ndimage"),
    "OpenCV": python_library("cv2"),
    "ImageMagick": imagemagick,
    "libvips": libvips,
    "Pillow": pillow,
}
LAYERS = {"TensorFlow", "PyTorch", "JAX"}
