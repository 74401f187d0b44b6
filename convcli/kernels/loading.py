"""Load a kernel from a preset, a file, inline JSON, or bytes."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import JsonError, KernelError
from convcli.files.file_bytes import read_file
from convcli.files.json_reading import decoded, is_inline_array
from convcli.files.kinds import HEAD, Kind, foreign_kind, kind_of
from convcli.files.npy_files import load_npy
from convcli.files.source import Source
from convcli.kernels.json_format import parse_kernel_json
from convcli.kernels.kernel import Kernel, require_kernel_shape
from convcli.kernels.presets import names_preset, preset
from convcli.kernels.rows import begins_as_rows, is_rows, parse_rows

_SUFFIXES = (".json", ".npy", ".csv", ".txt")


def load_kernel(source: str | os.PathLike[str]) -> Kernel:
    """Return the kernel that ``source`` names: a preset ``name:params``, inline JSON or rows of numbers, or a file.

    The first rule that applies decides:

    - numbers in rows, such as ``1 2 1; 2 4 2; 1 2 1`` or ``3x3: 1,2,1,2,4,2,1,2,1``, are the weights, unless a file has
      that name;
    - text that starts with ``{``, or with ``[`` unless it looks like a file name such as ``[ab].json``, is JSON;
    - the name of a preset, in upper or lower case, is that preset, even if a file has the same name;
    - text with a path separator, text that ends in .json, .npy, .csv or .txt, and the name of an existing file is a
      file; its content decides whether it is JSON, .npy, or rows of numbers (CSV, text, a vips matrix).

    The kernel's name is its "name" key, or else the file's stem, the preset's text, or ``inline``.

    Parameters
    ----------
    source
        The text or path that names the kernel.

    Returns
    -------
    Kernel
        Its weights and bias are float64.

    Raises
    ------
    FileError
        If the file is missing or cannot be read; also an ``OSError``.
    KernelError
        If the kernel cannot be used; the message has the place in the JSON.

    Examples
    --------
    >>> load_kernel("gaussian:2").weights.shape
    (17, 17)
    >>> load_kernel("[[0, 1, 0], [1, -4, 1], [0, 1, 0]]").name
    'inline'
    >>> load_kernel("1 2 1; 2 4 2; 1 2 1").weights.shape
    (3, 3)
    """
    text = os.fspath(source)
    if is_rows(text) and not os.path.lexists(text):
        return parse_rows(text, "inline kernel", "inline")
    if is_inline_array(text) or text.lstrip().startswith("{"):
        return read_kernel(Source.of_text(text, "inline kernel"))
    return read_kernel(Source(text, text, Path(text))) if _is_a_file(text) else preset(text)


def read_kernel(source: Source) -> Kernel:
    """Return the kernel in a source of .npy, kernel JSON, or rows of numbers.

    Its name is the key "name" in JSON, or else the stem of the source's path. A .npy holds real
    weights of a rank in ``convcli.geometry.options.KERNEL_RANKS``, which become float64.
    Raises FileError for a file that cannot be read; KernelError for one that is none of these, and for weights that no
    kernel can have.
    """
    data, name = source.read() if source.read else read_file(source.name), source.path.stem
    if kind_of(data[:HEAD]) is Kind.NPY:
        return Kernel(name, _npy_weights(data, source.label))
    if kind := foreign_kind(data[:HEAD]):
        remedy = f": {kind.remedy}" if kind.remedy else ""
        raise KernelError(f"{source.label}: expected kernel JSON, rows of numbers or .npy, given {kind.name}{remedy}")
    try:
        text = decoded(data, source.label, "kernel JSON or rows of numbers in UTF-8, or .npy")
    except JsonError as error:
        raise KernelError(str(error)) from None
    is_rows_file = source.path.suffix.lower() == ".csv" or begins_as_rows(text)
    return (parse_rows if is_rows_file else parse_kernel_json)(text, source.label, name)


def _is_a_file(text: str) -> bool:
    if names_preset(text):
        return False
    separated = os.path.basename(text) != text
    return separated or text.lower().endswith(_SUFFIXES) or os.path.exists(text)


def _npy_weights(data: bytes, label: str) -> FloatArray:
    try:
        array = load_npy(BytesIO(data))
        require_kernel_shape(array.shape)
    except ValueError as error:
        raise KernelError(f"{label}: {error}") from None
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.array(array, np.float64, order="C")
    index = first_non_finite(weights)
    if index is not None:
        raise KernelError(f"{label}: weights{list(index)}: expected a finite number, given {array[index]}")
    return weights
