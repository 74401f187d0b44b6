"""Read one tensor from JSON: nested lists of numbers, JSON of tensors that convcli wrote, or the index of a model.

    document = number | list | tensor | {"convcli": 1, name: tensor, ..., "gradients": {name: tensor, ...}, ...}
             | {"weight_map": {name: file, ...}, ...}
    tensor   = {"shape": [count, ...], "dtype": string, "values": number | list, ...}

The members "layout" and "kernel_layout" of a document name the order of the axes of its tensors. Other members that are
no tensors are ignored. An index names the file of each tensor of a model (``.safetensors``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.files.json_reading import Fault, JsonPath, finite, read_json, rectangle, said_layout
from convcli.files.safetensors_files import WEIGHT_MAP, sharded_tensors
from convcli.files.stored_tensors import StoredTensor, Wanted
from convcli.layouts import KERNEL_LAYOUTS, MAP_LAYOUTS, Layout
from convcli.version import JSON_VERSION

_TYPES = ["int8", "int16", "int32", "int64", "float16", "float32", "float64", "uint8", "uint16", "uint32", "uint64"]


class _List(NamedTuple):
    """Nested lists of numbers at a path of the document."""

    value: object
    path: JsonPath = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return rectangle(self.value, self.path)[0]

    def read(self) -> Array:
        shape, numbers = rectangle(self.value, self.path)
        return finite(numbers, shape, self.path)


class _Envelope(NamedTuple):
    """A tensor with its shape and type at a path of the document.

    layout: the layout that it is read in.  said: the one that the document names, or None.
    """

    members: Mapping[str, Any]
    path: JsonPath
    layout: Layout
    said: Layout | None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(length) for length in self.members["shape"])

    def read(self) -> Array:
        values = _List(self.members["values"], (*self.path, "values")).read()
        # Lists cannot say how long the axes are that follow one of length 0.
        if values.size or 0 not in self.shape:
            self._require_shape(values.shape)
        tensor = self._typed(values.reshape(self.shape))
        return self.layout.stored(self.said.channel_major(tensor)) if self.said else tensor

    def _require_shape(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise Fault((*self.path, "shape"), f"expected {list(shape)}, the shape of its values")

    def _typed(self, values: Array) -> Array:
        name = self.members.get("dtype", "float64")
        if name not in _TYPES:
            raise Fault((*self.path, "dtype"), f"expected one of {', '.join(_TYPES)}")
        with np.errstate(over="ignore", invalid="ignore"):
            typed = values.astype(name)
        if not (typed == values).all():
            raise Fault((*self.path, "dtype"), "expected a type that holds every value exactly")
        return typed


def read_json_tensor(text: str, source: str, wanted: Wanted, folder: Path | None = None) -> Array:
    """Return the tensor that is wanted of JSON: of float64, unless the text gives its type.

    source: the text's name in errors.  folder: that of the file.  Raises JsonError for other text.
    """
    return read_json(text, source, lambda document: wanted.of(_tensors(document, folder, wanted.layout)).read())


def _tensors(document: object, folder: Path | None, layout: Layout) -> Mapping[str, StoredTensor]:
    if not isinstance(document, tuple):
        return {"": _List(document)}
    members = _members(document, ())
    if WEIGHT_MAP in members and "convcli" not in members:
        return sharded_tensors(_members(members[WEIGHT_MAP], (WEIGHT_MAP,)), folder)
    if members.get("convcli", JSON_VERSION) != JSON_VERSION:
        raise Fault(("convcli",), f"expected {JSON_VERSION}, the version of JSON that this convcli reads")
    tensors = dict(_found(members, layout))
    if not tensors:
        raise Fault((), "expected lists of numbers, or JSON of tensors that convcli wrote")
    return tensors


def _found(members: dict[str, object], layout: Layout) -> Iterator[tuple[str, _Envelope]]:
    """Yield the tensors of a document with their names; one that is the whole document has none."""
    maps = said_layout(members, "layout", MAP_LAYOUTS)
    kernels = said_layout(members, "kernel_layout", KERNEL_LAYOUTS)
    if _is_tensor(members):
        yield "", _Envelope(members, (), layout, maps)
        return
    for path, name, value in _named(members):
        inner = dict(value) if isinstance(value, tuple) else {}
        if _is_tensor(inner):
            yield name, _Envelope(inner, (*path, name), layout, kernels if name == "kernel" else maps)


def _named(members: dict[str, object]) -> Iterator[tuple[JsonPath, str, object]]:
    for name, value in members.items():
        yield (), name, value
    if "gradients" in members:
        for name, value in _members(members["gradients"], ("gradients",)).items():
            yield ("gradients",), name, value


def _is_tensor(members: Mapping[str, Any]) -> bool:
    shape = members.get("shape")
    lengths = isinstance(shape, list) and all(isinstance(each, float) and each >= 0 for each in shape)
    return lengths and "values" in members


def _members(value: object, path: JsonPath) -> dict[str, object]:
    if not isinstance(value, tuple):
        raise Fault(path, "expected an object")
    members = dict(value)
    for key, _ in value if len(members) < len(value) else ():
        if [each for each, _ in value].count(key) > 1:
            raise Fault((*path, key), "given twice; keep one", says_given=True, at_key=True)
    return members
