"""Write maps as arrays: .npy, and JSON that is read as V again. Their numbers read back exactly."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from convcli.arrays import Array
from convcli.files.json_writing import tensor_to_json, write_json
from convcli.files.npy_files import save_npy
from convcli.layouts import DEFAULT, Layouts


class NamedMaps(NamedTuple):
    """Maps in a layout, with the names of the kernel that made them and of the edge fill."""

    values: Array
    kernel: str
    edge: str
    layouts: Layouts = DEFAULT


def write_npy(maps: NamedMaps, stream: BinaryIO) -> None:
    """Write maps as ``.npy``."""
    save_npy(stream, maps.values)


def write_maps_json(maps: NamedMaps, stream: BinaryIO) -> None:
    """Write maps as JSON. Raises OptionError if a number is not finite."""
    output = tensor_to_json("Z", maps.values, "use `format` npy")
    write_json(stream, {"kernel": maps.kernel, "edge": maps.edge, **maps.layouts.to_json(), "output": output})


WRITERS: dict[str, Callable[[NamedMaps, BinaryIO], None]] = {"npy": write_npy, "json": write_maps_json}
