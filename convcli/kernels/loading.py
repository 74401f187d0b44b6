"""Load a kernel from a preset, a file, inline JSON, or bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import JsonError, KernelError, OptionError
from convcli.files.file_bytes import contents, first_bytes, read_errors
from convcli.files.json_reading import decoded, is_inline_array
from convcli.files.kinds import HEAD, Kind, foreign_kind, kind_of
from convcli.files.memory import require_memory
from convcli.files.source import Source, split_key
from convcli.files.tensor_files import holds_tensors, read_stored
from convcli.kernels.catalogue import names_preset
from convcli.kernels.json_format import parse_kernel_json
from convcli.kernels.kernel import Kernel, require_kernel_shape
from convcli.kernels.presets import preset
from convcli.kernels.rows import begins_as_rows, is_rows, parse_rows
from convcli.layouts import CHANNEL_MAJOR, Layout
from convcli.text import quoted

_EXPECTED = "expected kernel JSON, rows of numbers or .npy"
# What the extension of a file says that it holds.
_NAMED = {".npy": Kind.NPY, ".npz": Kind.NPZ, ".safetensors": Kind.SAFETENSORS, ".onnx": Kind.ONNX}


def load_kernel(source: str | os.PathLike[str]) -> Kernel:
    """Return the kernel that ``source`` names: a preset ``name:params``, inline JSON or rows of numbers, or a file.

    A path object is the path of a file. Of text, the first rule that applies decides:

    - numbers in rows, such as ``1 2 1; 2 4 2; 1 2 1`` or ``3x3: 1,2,1,2,4,2,1,2,1``, are the weights, unless a file has
      that name;
    - text that starts with ``{``, or with ``[`` unless it looks like a file name such as ``[ab].json``, is JSON;
    - the name of a preset, in upper or lower case, is that preset, even if a file has the same name;
    - text with a path separator, text with an extension such as .json or .npy, and the name of an existing file is a
      file; its content decides whether it is JSON, arrays, a model, or rows of numbers (CSV, text, a vips matrix).
      ``FILE:NAME`` is one of the tensors in a file, unless a file has that whole name. A convolution of an ONNX model
      brings its bias, groups and options.

    The kernel's name is its "name" key, or else the name of the tensor, the file's stem, the preset's text, or
    ``inline``.

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
    OptionError
        If the file has no tensor of that name, or several tensors and none is named.

    Examples
    --------
    >>> load_kernel("gaussian:2").weights.shape
    (17, 17)
    >>> load_kernel("[[0, 1, 0], [1, -4, 1], [0, 1, 0]]").name
    'inline'
    >>> load_kernel("1 2 1; 2 4 2; 1 2 1").weights.shape
    (3, 3)
    """
    if isinstance(source, os.PathLike):
        return read_kernel(Source.of_file(os.fsdecode(source)))
    if not isinstance(source, str):
        raise KernelError(f"expected the name, text or path of a kernel, given {quoted(source)}")
    return named_kernel(source)


def named_kernel(text: str, layout: Layout = CHANNEL_MAJOR) -> Kernel:
    """Return the kernel that a text names, as ``load_kernel`` does. layout: that of weights in arrays and JSON."""
    if is_rows(text) and not os.path.lexists(text):
        return parse_rows(text, "inline kernel", "inline")
    if is_inline_array(text) or text.lstrip().startswith("{"):
        return read_kernel(replace(Source.of_text(text, "inline kernel"), layout=layout))
    return read_kernel(replace(Source.of_file(text), layout=layout)) if _is_a_file(text) else preset(text)


def read_kernel(source: Source) -> Kernel:
    """Return the kernel in a source of kernel JSON, rows of numbers, arrays, or an ONNX model.

    Its name is the key "name" in JSON, or else the name of its tensor in the file, or the stem of the source's path.
    Arrays hold real weights of a rank in ``convcli.geometry.options.KERNEL_RANKS``, which become channel-major float64.
    Raises FileError for a file that cannot be read; KernelError for one that is none of these, and for weights that no
    kernel can have; OptionError if the file has no tensor of the name in the source.
    """
    with read_errors(source.label):
        head = first_bytes(source.file(), HEAD)
        kind, name = kind_of(head), source.key or source.path.stem
        if kind is Kind.ONNX:
            return _layer(source)
        if holds_tensors(kind) and (kind is not Kind.JSON or source.key is not None):
            return Kernel(name, _weights(source, kind))
        if found := foreign_kind(head):
            remedy = f": {found.remedy}" if found.remedy else ""
            raise KernelError(f"{source.label}: {_EXPECTED}, given {found.name}{remedy}")
        _require_as_named(source, kind)
        return _text_kernel(source, name)


def _is_a_file(text: str) -> bool:
    if names_preset(text):
        return False
    separated = os.path.basename(text) != text
    named = any(os.path.splitext(part)[1][1:2].isalpha() for part in text.split(":"))
    return separated or named or os.path.exists(split_key(text)[0])


def _require_as_named(source: Source, kind: Kind) -> None:
    """Raise ValueError for an empty or unknown file whose extension says that it holds arrays or a model."""
    named = _NAMED.get(source.path.suffix.lower())
    if named and kind is Kind.EMPTY:
        raise ValueError("it is empty")
    if named and kind is Kind.OTHER:
        raise ValueError(f"expected {named.value}, as its name says, given {kind.value}")


def _weights(source: Source, kind: Kind) -> FloatArray:
    array = read_stored(source, kind, "K")
    with _kernel_errors(source.label):
        require_kernel_shape(array.shape)
    require_memory(8 * array.size, "in float64 it takes")
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.array(source.layout.channel_major(array), np.float64, order="C")
    index = first_non_finite(weights)
    if index is not None:
        place = source.layout.order(index)
        raise KernelError(f"{source.label}: weights{list(place)}: expected a finite number, given {array[place]}")
    return weights


def _layer(source: Source) -> Kernel:
    # Imported here, because few kernels come from a model.
    from convcli.kernels.onnx_models import read_onnx_kernel

    with _kernel_errors(source.label):
        kernel = read_onnx_kernel(source)
        require_kernel_shape(kernel.weights.shape)
        return kernel


@contextmanager
def _kernel_errors(label: str) -> Iterator[None]:
    """Turn errors about the content of a file into KernelError("LABEL: reason")."""
    try:
        yield
    # They name the file already.
    except (JsonError, OptionError):
        raise
    except ValueError as error:
        raise KernelError(f"{label}: {error}") from None


def _text_kernel(source: Source, name: str) -> Kernel:
    try:
        text = decoded(contents(source.file()), source.label, "kernel JSON or rows of numbers in UTF-8, or .npy")
    except JsonError as error:
        raise KernelError(str(error)) from None
    if source.path.suffix.lower() == ".csv" or begins_as_rows(text):
        return parse_rows(text, source.label, name)
    return parse_kernel_json(text, source.label, name, source.layout)
