"""Frozen values that hold arrays: how they are compared, hashed and printed.

``==`` of a tuple that holds arrays raises an error, because the truth value of an array is ambiguous, and its ``repr``
fills pages with numbers.
"""

from collections.abc import Callable, Hashable, Iterator
from inspect import signature
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def frozen_value(*, compared: tuple[str, ...] = (), shown: tuple[str, ...] = ()) -> Callable[[type[T]], type[T]]:
    """Return a decorator of a NamedTuple or a frozen class, which defines ``==``, ``hash`` and ``repr`` for its arrays.

    Two values are equal if their arrays have the same shapes and numbers, NaN included, and their other members are
    equal. The hash uses the shapes of the arrays. ``repr`` is one line, with the type and the shape of each array, and
    without members that are None or have their default value.

    compared: the attributes to compare; by default the members.  shown: the attributes that ``repr`` shows; by default
    those that are compared.
    """

    def decorate(cls: type[T]) -> type[T]:
        members = compared or tuple(signature(cls).parameters)

        def equal(self: T, other: object) -> bool:
            return type(other) is cls and all(_are_equal(getattr(self, name), getattr(other, name)) for name in members)

        def hash_(self: T) -> int:
            return hash((cls, *(_hashable(getattr(self, name)) for name in members)))

        def represent(self: T) -> str:
            parts = (f"{name}={_brief(value)}" for name, value in _notable(self, shown or members))
            return f"{cls.__name__}({', '.join(parts)})"

        # The != of a tuple does not ask ==, as that of object does.
        methods = {"__eq__": equal, "__ne__": object.__ne__, "__hash__": hash_, "__repr__": represent}
        for name, method in methods.items():
            setattr(cls, name, method)
        return cls

    return decorate


def _are_equal(ours: Any, theirs: Any) -> bool:
    if ours is theirs:
        return True
    if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
        return np.array_equal(ours, theirs, equal_nan=True)
    if type(ours) is not type(theirs):
        return False
    if _is_plain_tuple(ours):
        return len(ours) == len(theirs) and all(map(_are_equal, ours, theirs))
    # NaN is the value that differs from itself.
    return bool(ours == theirs or (ours != ours and theirs != theirs))


def _is_plain_tuple(member: object) -> bool:
    """Return whether the member is a tuple, or a NamedTuple that is not a ``frozen_value``."""
    return isinstance(member, tuple) and type(member).__hash__ == tuple.__hash__


def _hashable(member: Any) -> Any:
    """Return a stand-in with a hash, which is the same for equal members."""
    if isinstance(member, np.ndarray):
        return member.shape
    if _is_plain_tuple(member):
        return tuple(map(_hashable, member))
    return member if isinstance(member, Hashable) else type(member)


def _notable(value: object, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield each of these attributes that is neither None nor its default."""
    parameters = signature(type(value)).parameters
    for name in names:
        member, parameter = getattr(value, name), parameters.get(name)
        if member is not None and not (parameter and _are_equal(member, parameter.default)):
            yield name, member


def _brief(member: Any) -> str:
    """Return the text of a member: of an array with axes its type and shape."""
    if isinstance(member, np.ndarray):
        return f"{member.dtype} {member.shape}" if member.ndim else str(member)
    if type(member) is tuple and any(isinstance(item, np.ndarray | tuple) for item in member):
        return f"({', '.join(map(_brief, member))})"
    return repr(member)
