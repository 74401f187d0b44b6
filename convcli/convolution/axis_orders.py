"""Doubt that the axes of V and K are in the order that they are taken to be, and say which other order fits."""

from collections.abc import Collection, Iterable, Iterator

from convcli.arrays import channels_of
from convcli.convolution.layers import Layer
from convcli.convolution.transposed import TransposedConvolution
from convcli.errors import GeometryError
from convcli.layouts import KERNEL_LAYOUTS, MAP_LAYOUTS, Layout, Layouts

# An array (C, H, W) with more channels and rows than this, and at most so many columns, looks like (H, W, C).
FEW, MOST_SAMPLES = 16, 4
# With one column more it may be either, such as a satellite's picture of 5 bands.
MOST_BANDS = 5


def require_order(layer: Layer, shape: tuple[int, ...], layouts: Layouts | None, fixed: Collection[str] = ()) -> None:
    """Raise GeometryError if V's or K's axes seem to be in another order than they are taken to be.

    shape: that of V, channel-major.  layouts: those of the user's arrays; None where no option changes them.
    fixed: the options that change nothing: ``layout`` for a picture, and ``kernel_layout`` for the layer of a model.
    """
    if layer.weights.ndim == 2:
        if "layout" not in fixed and _is_implausible(layer, shape, layouts):
            remedy = "add `layout` hwc, or `layout` chw if it is not"
            if layouts is None:
                remedy = "move its last axis to the front, as in numpy.moveaxis(array, -1, 0)"
            raise GeometryError(f"expected an array (C, H, W), given {shape}, which looks like (H, W, C): {remedy}")
    elif layouts is not None and _channels(layer, layer.weights.shape) != channels_of(shape):
        _refuse_bank(layer, shape, layouts, fixed)


def order_doubt(layer: Layer, shape: tuple[int, ...], layouts: Layouts) -> str | None:
    """Return a sentence about an array that is taken as (C, H, W), and may be (H, W, C); None if there is no doubt."""
    if layouts.said or layer.weights.ndim > 2 or not _may_be_last(shape):
        return None
    channels, rows, columns = shape[-3:]
    return f"{shape} is taken as {channels} channels of {rows}x{columns}: if it is (H, W, C), add `layout` hwc"


def _is_implausible(layer: Layer, shape: tuple[int, ...], layouts: Layouts | None) -> bool:
    """Return whether V has as many channels and rows as a picture has rows and columns, and its columns are samples.

    A column of numbers per channel, such as a signal, suits a kernel of one column.
    """
    is_said = layouts is not None and layouts.said
    return not is_said and _may_be_last(shape) and _may_be_samples(shape) and layer.weights.shape[-1] > 1


def _may_be_samples(shape: tuple[int, ...]) -> bool:
    return shape[-2] > FEW and shape[-1] <= MOST_SAMPLES


def _may_be_last(shape: tuple[int, ...]) -> bool:
    # Deep layers have many small maps, which are about as wide as high.
    return len(shape) > 2 and shape[-3] > FEW and shape[-1] <= MOST_BANDS and shape[-2] > 2 * shape[-1]


def _channels(layer: Layer, kernel_shape: tuple[int, ...]) -> int:
    """Return the number of input channels of a bank of this shape."""
    return kernel_shape[0] if isinstance(layer, TransposedConvolution) else kernel_shape[-3] * layer.options.groups


def _refuse_bank(layer: Layer, shape: tuple[int, ...], layouts: Layouts, fixed: Collection[str]) -> None:
    """Raise GeometryError about a bank of other channels than V's, with the layouts in which they are equal."""
    V, K = layouts.maps.order(shape), layouts.kernel.order(layer.weights.shape)
    transposed = "the transposed convolution with " * isinstance(layer, TransposedConvolution)
    taken, given = _channels(layer, layer.weights.shape), channels_of(shape)
    raise GeometryError(
        f"{transposed}kernel {K} with groups {layer.options.groups} takes {taken} input channels, but the input has "
        f"{given}: its shape is {V}{_cure(layer, shape, layouts, fixed)}"
    )


def _cure(layer: Layer, shape: tuple[int, ...], layouts: Layouts, fixed: Collection[str]) -> str:
    """Return what to do about a bank that does not fit V, or nothing if it fits in no other layout."""
    groups = layer.options.groups
    for remedy, V, K in _other_orders(layer, shape, layouts, fixed):
        if _channels(layer, K) == channels_of(V) and K[0] % groups == 0:
            return f"; add {remedy} if that is the order of the axes"
    if groups > 1 and layouts.kernel.name == "hwio" and layer.weights.shape[-3] == groups == channels_of(shape):
        return "; depthwise weights (kh, kw, C, M) are `kernel_layout` hwio after w.reshape(kh, kw, 1, C * M)"
    return ""


def _other_orders(
    layer: Layer, shape: tuple[int, ...], layouts: Layouts, fixed: Collection[str]
) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Yield other layouts as options, with the shapes of V and K in them: first those of K, then of V, then of both."""
    K = layer.weights.shape
    maps = {} if "layout" in fixed else _others(MAP_LAYOUTS, ("nchw", "nhwc"), layouts.maps, shape)
    kernels = {} if "kernel_layout" in fixed else _others(KERNEL_LAYOUTS, KERNEL_LAYOUTS, layouts.kernel, K)
    for kernel, other_K in kernels.items():
        yield f"`kernel_layout` {kernel}", shape, other_K
    for name, other_V in maps.items():
        yield f"`layout` {name}", other_V, K
    for name, other_V in maps.items():
        for kernel, other_K in kernels.items():
            yield f"`layout` {name} `kernel_layout` {kernel}", other_V, other_K


def _others(
    known: dict[str, Layout], names: Iterable[str], taken: Layout, shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Return the channel-major shape that an array taken to be in one layout has in each other layout."""
    stored = taken.order(shape)
    others = {name: known[name].channel_major_order(stored) for name in names if known[name].axes is not taken.axes}
    return {name: other for name, other in others.items() if other != shape}
