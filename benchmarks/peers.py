"""Other people's convolutions, where they are installed, each on as many threads as ours."""

from importlib import import_module
from typing import Any

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.threads import available_threads


def installed(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


cv2, torch, ndimage, signal = map(installed, ("cv2", "torch", "scipy.ndimage", "scipy.signal"))
MISSING = [name for name, found in {"opencv": cv2, "torch": torch, "scipy": ndimage}.items() if found is None]

if cv2 is not None:
    cv2.setNumThreads(available_threads())
if torch is not None:
    torch.set_num_threads(available_threads())
    torch.set_grad_enabled(False)


def opencv_filter(V: FloatArray, K: FloatArray) -> object:
    """filter2D over an image (H, W, C), zeros outside."""
    return cv2.filter2D(V, -1, K, borderType=cv2.BORDER_CONSTANT)


def opencv_separable(V: FloatArray, column: FloatArray, row: FloatArray) -> object:
    """sepFilter2D over an image (H, W, C), zeros outside."""
    return cv2.sepFilter2D(V, -1, row, column, borderType=cv2.BORDER_CONSTANT)


def scipy_correlate(V: FloatArray, K: FloatArray) -> object:
    """ndimage.correlate, channel by channel, zeros outside."""
    return np.stack([ndimage.correlate(channel, K, mode="constant") for channel in V])


def scipy_overlap_add(V: FloatArray, K: FloatArray) -> object:
    """signal.oaconvolve, channel by channel."""
    return np.stack([signal.oaconvolve(channel, K, mode="same") for channel in V])


def torch_conv(V: FloatArray, K: FloatArray, stride: int = 1, groups: int = 1) -> object:
    """conv2d with half a kernel of zeros around."""
    padding = K.shape[-1] // 2
    return torch.nn.functional.conv2d(_tensor(V)[None], _tensor(K), stride=stride, padding=padding, groups=groups)


def torch_input_gradient(V: FloatArray, K: FloatArray, G: FloatArray, stride: int = 1) -> object:
    """dV of torch_conv."""
    shape, padding = (1, *V.shape), K.shape[-1] // 2
    return torch.nn.grad.conv2d_input(shape, _tensor(K), _tensor(G)[None], stride=stride, padding=padding)


def torch_kernel_gradient(V: FloatArray, K: FloatArray, G: FloatArray, stride: int = 1) -> object:
    """dK of torch_conv."""
    padding = K.shape[-1] // 2
    return torch.nn.grad.conv2d_weight(_tensor(V)[None], K.shape, _tensor(G)[None], stride=stride, padding=padding)


def _tensor(array: FloatArray) -> Any:
    return torch.from_numpy(array)
