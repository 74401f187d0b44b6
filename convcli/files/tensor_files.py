"""Read one tensor from a file of any kind that holds numbers. Nothing is ever unpickled.

Each function below imports what reads its format, so that an array does not wait for the readers of other formats.
"""

from collections.abc import Callable
from typing import NamedTuple

from convcli.arrays import Array
from convcli.files.file_bytes import contents
from convcli.files.json_reading import decoded
from convcli.files.kinds import Kind
from convcli.files.npy_files import load_npy
from convcli.files.source import Source
from convcli.files.stored_tensors import Wanted


def holds_tensors(kind: Kind) -> bool:
    """Return whether a file of this kind holds tensors."""
    return kind in _READERS


def read_stored(source: Source, kind: Kind, letter: str | None = None) -> Array:
    """Return the tensor that a source names, or the one that it holds; an array on the disk is memory-mapped.

    kind: that of the file, one that holds tensors.  letter: what the tensor is, as in ``Wanted``.
    Raises ValueError, OSError and other errors if the file is damaged; OptionError for the name of no tensor.
    """
    return _READERS[kind](source, Wanted.from_source(source, letter))


class _Loaded(NamedTuple):
    """A tensor that is loaded, or mapped, already."""

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def read(self) -> Array:
        return self.array


def _npy(source: Source, wanted: Wanted) -> Array:
    return wanted.of({"": _Loaded(load_npy(source.file()))}).read()


def _npz(source: Source, wanted: Wanted) -> Array:
    from convcli.files.npz_files import read_npz

    return read_npz(source.file(), wanted)


def _safetensors(source: Source, wanted: Wanted) -> Array:
    from convcli.files.safetensors_files import read_safetensors

    return read_safetensors(source.file(), wanted)


def _json(source: Source, wanted: Wanted) -> Array:
    from convcli.files.json_tensors import read_json_tensor

    text = decoded(contents(source.file()), source.label, "JSON in UTF-8")
    return read_json_tensor(text, source.label, wanted, None if source.read else source.path.parent)


def _csv(source: Source, wanted: Wanted) -> Array:
    from convcli.files.csv_tensors import read_csv_tensor

    return read_csv_tensor(decoded(contents(source.file()), source.label, "CSV in UTF-8"), wanted)


_READERS: dict[Kind, Callable[[Source, Wanted], Array]] = {
    Kind.NPY: _npy,
    Kind.NPZ: _npz,
    Kind.SAFETENSORS: _safetensors,
    Kind.JSON: _json,
    Kind.CSV: _csv,
}
