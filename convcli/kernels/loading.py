"""A kernel from whatever names it: a preset, a file, inline JSON, or bytes."""

import io
import os
from pathlib import Path

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import JsonError, KernelError
from convcli.files.file_bytes import read_bytes
from convcli.files.json_reading import decoded, is_inline_array
from convcli.files.npy_files import NPY_MAGIC, load_npy
from convcli.kernels.json_format import parse_kernel_json
from convcli.kernels.kernel import Kernel, require_kernel_shape
from convcli.kernels.presets import PRESETS, preset

_SUFFIXES = (".json", ".npy")


def load_kernel(source: str | os.PathLike[str]) -> Kernel:
    """The kernel that ``source`` names: inline JSON, a preset ``name:params``, or a file of kernel JSON or .npy.

    Text that starts with ``{``, or with ``[`` and is not the name of a file as ``[ab].json`` is, is JSON; the name of a
    preset is that preset, whatever files there are; a file is what has a path separator, ends in .json or .npy, or
    exists. Its content tells which of them it is.
    The kernel is called by its "name" key, else by the file's stem, the preset's text, or ``inline``.
    Raises KernelError, with the place in JSON, for a kernel that cannot be read or used.
    """
    source = os.fspath(source)
    if is_inline_array(source) or source.lstrip().startswith("{"):
        return parse_kernel_json(source, "inline kernel", "inline")
    if _is_a_file(source):
        return parse_kernel(_contents(source), source, Path(source).stem)
    return preset(source)


def parse_kernel(data: bytes, source: str, name: str) -> Kernel:
    """The kernel in the bytes of a .npy or of kernel JSON.

    source: what errors call the bytes, a path or ``<stdin>``. name: the kernel's, where the bytes give none.
    A .npy holds weights of real numbers, of a rank in ``convcli.geometry.options.KERNEL_RANKS``; they become float64.
    Raises KernelError for bytes that are neither, and for weights that cannot be a kernel's.
    """
    if data.startswith(NPY_MAGIC):
        return Kernel(name, _npy_weights(data, source))
    try:
        text = decoded(data, source, "kernel JSON in UTF-8, or .npy")
    except JsonError as error:
        raise KernelError(str(error)) from None
    return parse_kernel_json(text, source, name)


def _is_a_file(source: str) -> bool:
    if source.partition(":")[0] in PRESETS:
        return False
    separated = os.path.basename(source) != source
    return separated or source.lower().endswith(_SUFFIXES) or os.path.exists(source)


def _contents(path: str) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise KernelError(f"expected a kernel file that can be read, given {path!r}: {error.strerror}") from None


def _npy_weights(data: bytes, source: str) -> FloatArray:
    try:
        array = load_npy(io.BytesIO(data))
        require_kernel_shape(array.shape)
    except ValueError as error:
        raise KernelError(f"{source}: {error}") from None
    with np.errstate(over="ignore"):
        weights = np.array(array, np.float64, order="C")
    index = first_non_finite(weights)
    if index is not None:
        raise KernelError(f"{source}: weights{list(index)}: expected a finite number, given {array[index]}")
    return weights
