"""The JSON document of a page: the operands of a convolution, its options, and where the page opens.

The page computes Z and the gradients itself, because it computes them again whenever an option changes.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array
from convcli.convolution.layers import PreparedLayer, shape_of
from convcli.convolution.operands import upstream_of
from convcli.convolution.prepared import Prepared
from convcli.drawing.palette import STOPS
from convcli.errors import GeometryError, OptionError
from convcli.explain.crop import Crop, Pointed, crop_of
from convcli.explain.explanation import place_in
from convcli.files.json_writing import tensor_to_json
from convcli.files.source import Source
from convcli.geometry.options import spelled
from convcli.kernels.kernel import Kernel
from convcli.names import SYMBOLS

# A browser computes so many products, for Z and two gradients, in about a fifth of a second.
MOST_PRODUCTS = 1 << 24
# The name of a kernel that the user typed.
INLINE = "inline"
REMEDY = "a page shows finite numbers"


class Titles(NamedTuple):
    """The names of V and of K, as the user gave them."""

    image: str
    kernel: str

    @classmethod
    def of(cls, source: Source, V: Array, kernel: Kernel) -> "Titles":
        """Return the names of a source and of a kernel; of typed numbers, how many there are."""
        image = f"{_size(V)} numbers" if source.is_typed else source.name
        return cls(image, f"a {_size(kernel.weights)} kernel" if kernel.name == INLINE else kernel.name)


def _size(tensor: Array) -> str:
    return " × ".join(map(str, tensor.shape[-2:]))


class Page(NamedTuple):
    """The subject of a page: a convolution of a crop of V. notes: sentences about what it does not show of V."""

    titles: Titles
    prepared: Prepared
    V: Array
    G: Array
    pointed: Pointed | None
    notes: list[str]


def page_of(
    prepared: PreparedLayer,
    V: Array,
    G: ArrayLike,
    titles: Titles,
    of: str = "output",
    at: tuple[int, ...] | None = None,
) -> Page:
    """Return the page of a convolution.

    of, at: the number at which it opens, as for ``explain``; at None, it opens at none.

    Raises OptionError for a transposed convolution, and for weights or a bias that outputs do not share; GeometryError
    for an index that the tensor does not have, an empty batch, and more products than a browser computes at once.
    """
    if not isinstance(prepared, Prepared):
        raise OptionError("a page shows a convolution, and not its transpose: use `at` and text", option="transpose")
    _require_shared(prepared)
    pointed = None if at is None else Pointed(of, place_in(prepared, of, at))
    crop = crop_of(prepared, pointed)
    pixels = crop.pixels(V)
    cropped = prepared.convolution.at(pixels.shape, prepared.dtype)
    _require_few_products(cropped)
    return Page(
        titles=titles,
        prepared=cropped,
        V=pixels,
        G=crop.upstream(upstream_of(G, prepared.output_shape), cropped.output_shape),
        pointed=None if pointed is None else _in_crop(pointed, crop),
        notes=crop.notes(prepared.input_shape),
    )


def page_to_json(page: Page) -> dict[str, Any]:
    """Return the members of the document. Raises OptionError if a number is not finite."""
    convolution, pointed = page.prepared.convolution, page.pointed
    tensors = {"V": page.V, "K": convolution.weights, "b": convolution.bias, "G": page.G}
    return {
        "image": page.titles.image,
        "kernel": page.titles.kernel,
        "notes": page.notes,
        "options": {name: _option(page.prepared, name) for name in convolution.options._fields},
        "pointed": None if pointed is None else {"of": SYMBOLS[pointed.of], "at": _cell(page.prepared, pointed)},
        "palette": STOPS,
        "tensors": {
            name: tensor_to_json(name, np.asarray(tensor), REMEDY)
            for name, tensor in tensors.items()
            if tensor is not None
        },
    }


def _option(prepared: Prepared, name: str) -> Any:
    """Return an option as a user types it; numbers and pairs of numbers stay numbers."""
    value = getattr(prepared.convolution.options, name)
    return spelled(value) if name in ("padding", "edge") else value


def _require_shared(prepared: Prepared) -> None:
    """Raise OptionError if outputs have weights or a bias of their own."""
    if not prepared.geometry.shares_weights:
        raise OptionError(
            "a page shows kernels of rank 2 or 4, whose weights all outputs share: use `at` and text for this one",
            option="format",
        )
    bias = prepared.convolution.bias
    if bias is not None and bias.ndim > 1:
        raise OptionError(f"a page shows a number or one per channel, given shape {bias.shape}", option="bias")


def _require_few_products(prepared: Prepared) -> None:
    geometry = prepared.geometry
    products = prod(prepared.output_shape) * geometry.in_channels * geometry.rows.taps * geometry.columns.taps
    if products > MOST_PRODUCTS:
        raise GeometryError(
            f"a page computes at most {MOST_PRODUCTS:,} products at once, and this convolution has {products:,}: use "
            "fewer channels, a smaller kernel or a larger stride"
        )


def _in_crop(pointed: Pointed, crop: Crop) -> Pointed:
    return pointed._replace(at=crop.place(pointed))


def _cell(prepared: Prepared, pointed: Pointed) -> tuple[int, int, int]:
    """Return the number's place as the page counts: the plane of its tensor, the row and the column.

    A bias is a plane with one column.
    """
    if pointed.of == "bias":
        return 0, pointed.at[0] if pointed.at else 0, 0
    *leading, row, column = pointed.at
    plane = int(np.ravel_multi_index(leading, shape_of(prepared, pointed.of)[:-2])) if leading else 0
    return plane, row, column
