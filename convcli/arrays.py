"""Array types for signatures; validation and conversion of arrays; the choice of the type to compute in."""

import sys
from collections.abc import Iterator
from math import inf, isfinite, isnan, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from convcli.errors import GeometryError, OptionError
from convcli.text import choice, in_one_line

Array = NDArray[Any]
FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]
ComplexArray = NDArray[Any]

BYTES_PER_FLOAT = 8
COMPUTED_IN = (np.dtype(np.float32), np.dtype(np.float64))
# From here on, float32 does not hold every whole number.
FIRST_GAP = 2**24
# The smallest and the largest magnitude that float32 holds with all of its digits.
SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
ROUNDED_TO = (np.dtype(np.uint8), np.dtype(np.uint16))
_LOOKED_AT_ONCE = 1 << 16


def real_array(name: str, value: ArrayLike) -> Array:
    """Return the value as an array of real numbers; bfloat16 as float32.

    Raises GeometryError if it is ragged, complex, text or objects, or has masked numbers, or if NumPy cannot read it.
    """
    refuse_masks(name, value)
    try:
        array = np.asarray(value if isinstance(value, np.ndarray) else _exported(value))
    except ValueError:
        raise GeometryError(f"{name}: expected a rectangular array of numbers, given a ragged one") from None
    except (BufferError, RuntimeError, TypeError) as error:
        reason = in_one_line(str(error))
        raise GeometryError(
            f"{name}: expected an array, given a {type(value).__name__} that NumPy cannot read: {reason}"
        ) from None
    # The package ml_dtypes adds bfloat16 and smaller types to NumPy, which calls their kind void.
    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):
        return array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise GeometryError(f"{name}: expected real numbers, given an array of type {array.dtype}")
    return array


def parameter(name: str, value: ArrayLike) -> Array:
    """Return weights or a bias like ``real_array``, float16 as float32: sums of float16 soon become infinite."""
    array = real_array(name, value)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _exported(value: Any) -> Any:
    """Return what ``np.asarray`` reads: a tensor of torch without its gradient, and a DLPack tensor as an array."""
    if hasattr(value, "detach") and hasattr(value, "dtype"):
        value = value.detach()
        return value.float() if str(value.dtype) == "torch.bfloat16" else value
    has_only_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
    return np.from_dlpack(value) if has_only_dlpack else value


def refuse_masks(name: str, value: object) -> None:
    """Raise GeometryError for an array with masked numbers, or a list that holds one: NumPy would drop the mask."""
    # Importing numpy.ma takes 27 ms; without it there are no masked arrays.
    if "numpy.ma" not in sys.modules:
        return
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise GeometryError(
            f"{name}: expected an array without masked numbers, given a masked array: choose a value for them, "
            "as in array.filled(0) or array.filled(np.nan)"
        )
    if isinstance(value, list | tuple):
        for item in value:
            refuse_masks(name, item)


def computing_type(stored: np.dtype[Any], requested: DTypeLike | None) -> np.dtype[Any]:
    """Return the float type to compute in: the requested one, or the default for arrays of type ``stored``.

    The default is float32 for types that float32 holds exactly (float32, 8- and 16-bit integers), otherwise float64.
    """
    if requested is None:
        return COMPUTED_IN[0] if np.can_cast(stored, np.float32) else COMPUTED_IN[1]
    return _one_of(COMPUTED_IN, requested)


def is_beyond_float32(size: float) -> bool:
    """Return whether float32 holds a finite magnitude as infinity, as 0, or with fewer digits than others."""
    return LARGEST < size < inf or 0 < size < SMALLEST


def beyond_float32(numbers: Array) -> float | None:
    """Return a number of which ``is_beyond_float32`` is true, unless float32 holds the array's type; else None."""
    if numbers.dtype.kind != "f" or numbers.dtype.itemsize <= COMPUTED_IN[0].itemsize:
        return None
    sizes = np.abs(numbers)
    lost = (sizes > LARGEST) & (sizes < inf) | (sizes < SMALLEST) & (sizes > 0)
    return float(numbers[lost][0]) if lost.any() else None


def require_range(name: str, numbers: Array, dtype: np.dtype[Any]) -> None:
    """Raise OptionError if a float type holds a finite number as infinity, or the largest one as 0 or imprecisely.

    name: that of the numbers in the error.
    """
    is_wider = numbers.dtype.kind == "f" and numbers.dtype.itemsize > dtype.itemsize
    if dtype != COMPUTED_IN[0] or not is_wider or not numbers.size:
        return
    span = finite_span(numbers, ends_of(numbers))
    largest = max(span, key=abs)
    if span[0] <= span[1] and is_beyond_float32(abs(largest)):
        raise OptionError(f"float32 cannot hold {largest:g} in {name}: expected float64, or no `dtype`", option="dtype")


def float_type(requested: DTypeLike) -> np.dtype[Any]:
    """Return the requested type to compute in. Raises OptionError for another type than those of COMPUTED_IN."""
    return next((dtype for dtype in COMPUTED_IN if dtype is requested), None) or _one_of(COMPUTED_IN, requested)


def rounded_type(requested: DTypeLike | None) -> np.dtype[Any] | None:
    """Return the requested type of the output if it is one of ROUNDED_TO, and None if it is a float type or None."""
    found = None if requested is None else _one_of(COMPUTED_IN + ROUNDED_TO, requested)
    return found if found in ROUNDED_TO else None


def _one_of(allowed: tuple[np.dtype[Any], ...], requested: DTypeLike) -> np.dtype[Any]:
    """Return the allowed type that is requested in words of NumPy or torch: "f8", ``float`` or torch.float64."""
    try:
        found = np.dtype(requested)
    # Some text is parsed as Python; some letters are deprecated names, and warnings may be errors.
    except (TypeError, ValueError, SyntaxError, DeprecationWarning):
        found = None
    text = str(requested).removeprefix("torch.")
    names = [dtype.name for dtype in allowed]
    if found is not None and (found.name in names or not isinstance(requested, str)):
        text = found.name
    return np.dtype(choice("dtype", text, names))


def fill_rounded(numbers: FloatArray, ends: tuple[float, float], out: Array) -> None:
    """Fill ``out`` with numbers rounded half to even and clipped to its integer type; NaN becomes 0.

    ``numbers`` is overwritten.  ends: its minimum and maximum, as ``ends_of`` returns them.
    """
    limits, (low, high) = np.iinfo(out.dtype), ends
    if isnan(low):
        np.nan_to_num(numbers, copy=False, posinf=limits.max, neginf=limits.min)
    np.rint(numbers, out=numbers)
    if not (low >= limits.min and high <= limits.max):
        np.clip(numbers, limits.min, limits.max, out=numbers)
    out[...] = numbers


def ends_of(numbers: FloatArray) -> tuple[float, float]:
    """Return the minimum and the maximum; both are NaN if any number is NaN."""
    return float(numbers.min()), float(numbers.max())


def finite_span(numbers: FloatArray, ends: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest and the largest finite number; infinity and minus infinity if no number is finite.

    ends: the numbers' minimum and maximum, as ``ends_of`` returns them.
    """
    if all(map(isfinite, ends)):
        return ends
    finite = numbers[np.isfinite(numbers)]
    return float(finite.min(initial=inf)), float(finite.max(initial=-inf))


def in_native_order(array: Array) -> Array:
    """Return the array in this machine's byte order, copied only if it has the other byte order."""
    return np.asarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def planes_of(tensor: Array) -> Array:
    """Return the tensor as ``(planes, rows, columns)``. A vector becomes one row, and a number a row of one column."""
    return tensor.reshape(planes_shape(tensor.shape))


def planes_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape that ``planes_of`` gives a tensor of this shape."""
    rows, columns = (1, 1, *shape)[-2:]
    return prod(shape[:-2]), rows, columns


def channels_of(shape: tuple[int, ...]) -> int:
    """Return the number of channels of an input or a map ``(..., C, H, W)`` or ``(H, W)``."""
    return shape[-3] if len(shape) > 2 else 1


def is_interleaved(tensor: Array) -> bool:
    """Return whether the channels of each pixel of ``(C, H, W)`` lie next to each other in memory."""
    if tensor.ndim != 3 or len(tensor) == 1:
        return False
    channel, _, pixel = tensor.strides
    return channel == tensor.itemsize and pixel == len(tensor) * channel


def channel_planes(tensor: Array) -> Iterator[Array]:
    """Yield each channel of ``(..., C, H, W)`` as ``(..., 1, H, W)``."""
    return (tensor[..., channel : channel + 1, :, :] for channel in range(tensor.shape[-3]))


def one_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape ``(..., C, H, W)`` with one channel."""
    return (*shape[:-3], 1, *shape[-2:])


def fit(tensor: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the tensor in this shape if its own differs only by axes of length 1; otherwise None."""
    long_axes, expected = ([size for size in extents if size != 1] for extents in (tensor.shape, shape))
    return tensor.reshape(shape) if long_axes == expected else None


def finite_or_none(number: float | None) -> float | None:
    """Return the number, or None for NaN and infinity, which JSON cannot hold."""
    return number if number is not None and isfinite(number) else None


def numerals(numbers: Array) -> list[str]:
    """Return each number of a 1-D array as text that Python reads as the same number.

    Equal numbers are formatted only once.
    """
    distinct, which = np.unique(numbers, return_inverse=True)
    texts = [repr(number) for number in distinct.tolist()]
    return [texts[index] for index in which.tolist()]


def cut(span: range, step: int) -> Iterator[range]:
    """Yield consecutive parts of the span, each of length ``step``, except that the last one may be shorter."""
    for start in range(span.start, span.stop, step):
        yield range(start, min(start + step, span.stop))


def is_whole(numbers: Array) -> bool:
    """Return whether all numbers are whole; infinities are, and NaN is not."""
    # In parts, because the weights of a layer that shares none may fill the memory.
    parts = (numbers.flat[part.start : part.stop] for part in cut(range(numbers.size), _LOOKED_AT_ONCE))
    return all((part == np.rint(part)).all() for part in parts)


def first_non_finite(values: Array) -> tuple[int, ...] | None:
    """Return the index of the first NaN or infinity, in row-major order; None if all numbers are finite."""
    finite = np.isfinite(values)
    if finite.all():
        return None
    return tuple(int(index) for index in np.unravel_index(np.argmin(finite), finite.shape))
