"""The place of a number in a tensor, as users write it and as messages show it."""

from collections.abc import Iterable, Sequence

from convcli.errors import GeometryError
from convcli.text import integer


def parse_place(text: str, option: str) -> tuple[int, ...]:
    """Parse indices such as ``I,J,K``; empty text is the place of a single number.

    Raises GeometryError, which names ``option``, for anything else.
    """
    try:
        return tuple(integer(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise GeometryError(f"expected integers as in I,J,K, given {text!r}", option=option) from None


def whole_place(
    name: str, at: Sequence[int], shape: tuple[int, ...], letters: Iterable[str], option: str
) -> tuple[int, ...]:
    """Return all indices of a place in a tensor, given ``at``, which may omit axes of length 1: the first ones, or all.

    name, letters: those of the tensor and of its axes, for messages.
    Raises GeometryError, which names ``option``, if the tensor has no such place.
    """
    last = range(max(0, len(shape) - len(at)), len(shape))
    omits_first = all(size == 1 for size in shape[: last.start])
    axes = last if omits_first else [axis for axis, size in enumerate(shape) if size > 1]
    given = dict(zip(axes, at, strict=False))
    if len(at) == len(axes) and all(0 <= index < shape[axis] for axis, index in given.items()):
        return tuple(given.get(axis, 0) for axis in range(len(shape)))
    ends = [",".join(map(str, index)) for index in ([0] * len(shape), [size - 1 for size in shape])]
    expected = f"{','.join(letters)} from {' to '.join(ends)}" if shape else "nothing"
    shorter = ", or without axes of length 1" if 1 in shape else ""
    index = ",".join(map(str, at)) or "nothing"
    raise GeometryError(f"{name} has shape {shape}: expected {expected}{shorter}, given {index}", option=option)


def bracketed(indices: Iterable[object]) -> str:
    """Return letters or numbers as they are written after a tensor's letter, ``[i,j,k]``; nothing if there are none."""
    text = ",".join(map(str, indices))
    return f"[{text}]" if text else ""
