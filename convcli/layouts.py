"""Layouts: the orders of axes that programs store tensors in, and their conversion from and to channel-major order.

              channel-major, as convcli computes                    other layouts
    maps      (..., C, H, W)                                        hwc   (..., H, W, C)
    kernels   (C_out, C_in/groups, kh, kw)                          hwio  (kh, kw, C_in/groups, C_out)
                                                                    ohwi  (C_out, kh, kw, C_in/groups)
              (C_out, tr, tc, C_in/groups, kh, kw)                  hwio  (tr, tc, kh, kw, C_in/groups, C_out)
                                                                    ohwi  (C_out, tr, tc, kh, kw, C_in/groups)

Maps are V, Z, G, dV, and a bias with a number per output unit; their batch axes stay in front. Tensors of other ranks
are stored in one order only. A tensor is converted where it is read, and where it is written or shown; everything
between is channel-major.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from convcli.text import choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

Item = TypeVar("Item")
Axes = tuple[int, ...]


class Layout(NamedTuple):
    """An order of axes.

    name: as users write it.  axes: returns, for a rank, the axis in channel-major order of each axis as stored.
    """

    name: str
    axes: Callable[[int], Axes]

    @property
    def is_channel_major(self) -> bool:
        """Return whether tensors are stored as convcli computes."""
        return self.axes is _channel_major

    def stored(self, tensor: "NDArray[Any]") -> "NDArray[Any]":
        """Return a view of a channel-major tensor with its axes in this order."""
        return tensor.transpose(self.axes(tensor.ndim))

    def channel_major(self, stored: "NDArray[Any]") -> "NDArray[Any]":
        """Return a channel-major view of a tensor whose axes are in this order."""
        return stored.transpose(_inverse(self.axes(stored.ndim)))

    def order(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return what belongs to the axes of a channel-major tensor, such as its shape or an index, in this order."""
        return tuple(items[axis] for axis in self.axes(len(items)))

    def channel_major_order(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return what belongs to axes in this order, such as a shape or an index, in channel-major order."""
        return tuple(items[axis] for axis in _inverse(self.axes(len(items))))


def _inverse(axes: Axes) -> Axes:
    return tuple(map(axes.index, range(len(axes))))


def _channel_major(rank: int) -> Axes:
    return tuple(range(rank))


def _channels_last(rank: int) -> Axes:
    if rank < 3:
        return _channel_major(rank)
    *batch, channels, rows, columns = range(rank)
    return (*batch, rows, columns, channels)


def _taps_first(rank: int) -> Axes:
    if rank < 4:
        return _channel_major(rank)
    outputs, *tiling, inputs, rows, columns = range(rank)
    return (*tiling, rows, columns, inputs, outputs)


def _inputs_last(rank: int) -> Axes:
    if rank < 4:
        return _channel_major(rank)
    outputs, *tiling, inputs, rows, columns = range(rank)
    return (outputs, *tiling, rows, columns, inputs)


MAP_LAYOUTS = {
    name: Layout(name, axes)
    for axes, names in {_channel_major: ("chw", "nchw"), _channels_last: ("hwc", "nhwc")}.items()
    for name in names
}
KERNEL_LAYOUTS = {
    name: Layout(name, axes)
    for name, axes in {"oihw": _channel_major, "hwio": _taps_first, "ohwi": _inputs_last}.items()
}
CHANNEL_MAJOR = MAP_LAYOUTS["chw"]


class Layouts(NamedTuple):
    """The layout of maps and of kernels. said: whether the user gave that of maps."""

    maps: Layout = CHANNEL_MAJOR
    kernel: Layout = KERNEL_LAYOUTS["oihw"]
    said: bool = False

    def of(self, tensor: str) -> Layout:
        """Return the layout of a tensor with this name or these letters, such as ``kernel``, ``dK`` or ``Z``."""
        return self.kernel if tensor in ("kernel", "dK", "K") else self.maps

    def to_json(self) -> dict[str, str]:
        """Return the members of a JSON document that name the layouts; none for a channel-major one."""
        named = {"layout": self.maps, "kernel_layout": self.kernel}
        return {name: layout.name for name, layout in named.items() if not layout.is_channel_major}


DEFAULT = Layouts()


def parse_layouts(layout: str | None, kernel_layout: str | None) -> Layouts:
    """Return the layouts that users name, in letters of either case, or the default for None.

    Raises OptionError for another name.
    """
    maps = DEFAULT.maps if layout is None else MAP_LAYOUTS[choice("layout", layout.lower(), MAP_LAYOUTS)]
    chosen = "oihw" if kernel_layout is None else choice("kernel_layout", kernel_layout.lower(), KERNEL_LAYOUTS)
    return Layouts(maps, KERNEL_LAYOUTS[chosen], said=layout is not None)
