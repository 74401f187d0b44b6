"""Tensors of any rank, from wherever they are: inline JSON, ``.npy``, JSON and picture files, or bytes."""

import os
from io import BytesIO
from pathlib import Path

from convcli.arrays import Array
from convcli.errors import FileError, OptionError
from convcli.files.file_bytes import first_bytes, read_file
from convcli.files.json_reading import decoded, is_inline_array, parse_array_json
from convcli.files.npy_files import NPY_MAGIC, load_npy
from convcli.pictures.images import decode_image
from convcli.text import real

_JSON_STARTS = tuple("[-0123456789")


def load_tensor(source: str) -> Array:
    """The tensor that ``source`` holds, if it is a number or a list of JSON; else the one in the file that it names.

    An ``.npy`` is memory-mapped.

    Raises JsonError for JSON that is no tensor of numbers, FileError for a file that cannot be read.
    """
    if not source:
        raise OptionError("expected a number, inline JSON or a file, given nothing")
    if is_inline_array(source) or _is_number(source):
        return parse_array_json(source, "inline tensor")
    path = Path(source)
    if _is_npy_file(path):
        return _load_npy(path, source)
    return parse_tensor(read_file(source), source)


def parse_tensor(data: bytes, source: str) -> Array:
    """The tensor in the bytes of an ``.npy``, of JSON, or of a picture, whose colours are ``(C, H, W)``."""
    if data.startswith(NPY_MAGIC):
        return _load_npy(BytesIO(data), source)
    if data.lstrip()[:1].decode("latin-1").startswith(_JSON_STARTS):
        return parse_array_json(decoded(data, source, "JSON in UTF-8"), source)
    return decode_image(data, source).pixels


def _is_npy_file(path: Path) -> bool:
    """Of a FIFO or a device nothing is read; what cannot be read is not asked about here."""
    readable = path.is_file() and os.access(path, os.R_OK)
    return readable and first_bytes(path, len(NPY_MAGIC)) == NPY_MAGIC


def _load_npy(file: Path | BytesIO, source: str) -> Array:
    try:
        return load_npy(file)
    except ValueError as error:
        raise FileError(f"cannot read {source}: {error}") from None


def _is_number(text: str) -> bool:
    try:
        real(text)
    except ValueError:
        return False
    return True
