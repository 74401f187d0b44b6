"""Read one tensor from ``.safetensors``: the length of a header, the header as JSON, and the numbers of all tensors.

The format is described in https://huggingface.co/docs/safetensors: 8 bytes with the header's length, an object with
``dtype``, ``shape`` and ``data_offsets`` of each tensor, and the numbers in little-endian order, without gaps. Only the
bytes of the tensor that is wanted are read. A model may be split into several files, which an index lists.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.errors import ConvcliError, OptionError, reason_of
from convcli.files.file_bytes import open_file, size_of
from convcli.files.json_reading import decoded
from convcli.files.large_arrays import numbers_at
from convcli.files.memory import require_memory
from convcli.files.stored_tensors import Wanted
from convcli.text import shortened

# The format's own limit.
_LONGEST_HEADER = 100_000_000
_LENGTH_BYTES = 8
_INDEX = "*.safetensors.index.json"
# The member of an index that names the file of each tensor.
WEIGHT_MAP = "weight_map"
_METADATA = "__metadata__"


class _Tensor(NamedTuple):
    """A tensor in an open file. start, stop: its bytes, from the beginning of the file."""

    stream: BinaryIO
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    def read(self) -> Array:
        stored, convert = _DTYPES.get(self.dtype, (None, None))
        if stored is None:
            raise ValueError(f"expected a tensor of real numbers, given one of type {self.dtype}")
        size = prod(self.shape) * stored.itemsize
        if size != self.stop - self.start:
            raise ValueError(
                f"expected {size:,} bytes of {self.dtype} for the shape {self.shape}, given {self.stop - self.start:,}"
            )
        numbers = numbers_at(self.stream, self.start, stored, self.shape)
        if convert is None:
            return numbers
        require_memory(4 * prod(self.shape), "in float32 it takes")
        return convert(numbers)


def read_safetensors(file: Path | BytesIO, wanted: Wanted) -> Array:
    """Return the tensor that is wanted of a file; bfloat16 and floats of 8 bits become float32, exactly.

    Raises ValueError if the file is damaged; OptionError, with the file to name instead, if the tensor is in another
    file of the model.
    """
    with open_file(file) as stream:
        tensors = _tensors(stream, size_of(file))
        if wanted.key is not None and wanted.key not in tensors and isinstance(file, Path):
            _refuse_other_shard(file, wanted.key)
        return wanted.of(tensors).read()


def _tensors(stream: BinaryIO, size: int) -> dict[str, _Tensor]:
    """Return the tensors of a file of this size, by name. The header is checked before anything is made from it."""
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    most = min(_LONGEST_HEADER, size - _LENGTH_BYTES)
    if length > most:
        cut = f"the file has {size:,} bytes: copy or download it again"
        raise ValueError(f"expected a header of at most {most:,} bytes, given {length:,}; {cut}")
    header = json.loads(_text(stream.read(length)), object_pairs_hook=_members)
    if not isinstance(header, dict):
        raise ValueError("expected an object as header")
    header.pop(_METADATA, None)
    start = _LENGTH_BYTES + length
    tensors = {name: _tensor(stream, start, name, entry) for name, entry in header.items()}
    _require_no_gaps(tensors, start, size)
    return tensors


def _text(header: bytes) -> str:
    try:
        return decoded(header, "its header", "UTF-8")
    # Only a ValueError gets the name of the file.
    except ConvcliError as error:
        raise ValueError(str(error)) from None


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("its header has a name twice")
    return members


def _tensor(stream: BinaryIO, start: int, name: str, entry: object) -> _Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]}:
            # JSON's true is 1 in Python.
            if all(type(each) is int and each >= 0 for each in (*shape, begin, end)) and begin <= end:
                return _Tensor(stream, dtype, tuple(shape), start + begin, start + end)
    raise ValueError(f"tensor {name!r}: expected dtype, shape and data_offsets, given {shortened(repr(entry))}")


def _require_no_gaps(tensors: Mapping[str, _Tensor], start: int, size: int) -> None:
    """Raise ValueError unless the tensors follow one another from the first byte after the header to the last."""
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != start:
            raise ValueError(f"tensor {name!r}: expected it to begin at byte {start:,}, given {tensor.start:,}")
        start = tensor.stop
    if start != size:
        raise ValueError(f"its header describes {start:,} bytes, given {size:,}: copy or download it again")


def _bfloat16(bits: Array) -> Array:
    """Return bfloat16, which is the first half of float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _float8_e5m2(bits: Array) -> Array:
    """Return floats that are the first half of float16."""
    return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


def _float8_e4m3(bits: Array) -> Array:
    """Return floats of 4 bits of exponent (bias 7) and 3 of mantissa, without infinities (arXiv:2209.05433)."""
    codes = np.arange(256)
    exponents, mantissas = codes >> 3 & 15, codes & 7
    magnitudes = np.where(exponents == 0, mantissas * 2.0**-9, (8 + mantissas) * 2.0 ** (exponents - 10.0))
    magnitudes[codes & 127 == 127] = np.nan
    return np.where(codes < 128, magnitudes, -magnitudes).astype(np.float32)[bits]


# The type that each type is stored in, and the function that converts it, or None.
_DTYPES: dict[str, tuple[np.dtype[Any], Callable[[Array], Array] | None]] = {
    **{f"F{bits}": (np.dtype(f"<f{bits // 8}"), None) for bits in (16, 32, 64)},
    **{f"I{bits}": (np.dtype(f"<i{bits // 8}"), None) for bits in (8, 16, 32, 64)},
    **{f"U{bits}": (np.dtype(f"<u{bits // 8}"), None) for bits in (8, 16, 32, 64)},
    "BF16": (np.dtype("<u2"), _bfloat16),
    "F8_E5M2": (np.dtype("u1"), _float8_e5m2),
    "F8_E4M3": (np.dtype("u1"), _float8_e4m3),
}


class _ShardTensor(NamedTuple):
    """A tensor in one of the files of a model."""

    file: Path
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        with self.file.open("rb") as stream:
            return _tensors(stream, size_of(self.file))[self.name].shape

    def read(self) -> Array:
        try:
            return read_safetensors(self.file, Wanted(self.file.name, self.name))
        except ConvcliError:
            raise
        except (OSError, ValueError) as error:
            # Errors name the index.
            raise ValueError(f"{reason_of(error)} ({self.file.name})") from error


def sharded_tensors(weight_map: Mapping[str, object], folder: Path | None) -> dict[str, _ShardTensor]:
    """Return the tensors that an index lists with their files, which are in its folder.

    Raises ValueError for an index without a folder, or for a name that is no file's in the folder.
    """
    if folder is None:
        raise ValueError("an index names other files: expected it as a file, given bytes")
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"expected the name of a file beside the index, given {name!r}")
    return {tensor: _ShardTensor(folder / str(file), tensor) for tensor, file in weight_map.items()}


def _refuse_other_shard(file: Path, key: str) -> None:
    """Raise OptionError if an index beside the file says that another file holds the tensor."""
    for shard in _shards_with(file.parent, key):
        if shard != file.name and (file.parent / shard).exists():
            raise OptionError(f"{key} is in another file of the model: expected {file.parent / shard}:{key}")


def _shards_with(folder: Path, key: str) -> Iterator[str]:
    """Yield the file that each index in a folder names for a tensor."""
    for index in sorted(folder.glob(_INDEX)):
        with suppress(OSError, ValueError, AttributeError, RecursionError):
            shard = json.loads(index.read_bytes()).get(WEIGHT_MAP, {}).get(key)
            if isinstance(shard, str) and Path(shard).name == shard:
                yield shard
