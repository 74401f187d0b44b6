"""The tensors of a file that may hold several, each under a name, and the choice of one of them.

The reader of a format passes all tensors of a file to ``Wanted.of``, and reads only the one that it returns.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from heapq import nlargest
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from convcli.arrays import Array
from convcli.errors import OptionError
from convcli.files.source import Source
from convcli.layouts import CHANNEL_MAJOR, Layout
from convcli.names import symbol_and_name
from convcli.text import did_you_mean, shortened

# The most tensors that an error lists.
_LISTED = 8
# The most names that are compared with one that is unknown.
_COMPARED = 300


class Shaped(Protocol):
    """Something in a file that has a shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as the file's header says it."""


Entry = TypeVar("Entry", bound=Shaped)


class StoredTensor(Shaped, Protocol):
    """A tensor in a file, which is read on request."""

    def read(self) -> Array:
        """Return the tensor; raise ValueError if it is damaged or holds anything but real numbers."""


class Wanted(NamedTuple):
    """The tensor that is wanted of a file.

    file: the file's name in errors.  key: the tensor's name in the file, or None.
    letter: what the tensor is: ``V``, ``K``, ``b``, ``G``, or ``Z``, ``dK``, ``dV``, ``db``; None for any tensor.
    noun: what the file holds, in errors.
    layout: the order of the axes that the tensor is read in.
    """

    file: str
    key: str | None = None
    letter: str | None = None
    noun: str = "tensor"
    layout: Layout = CHANNEL_MAJOR

    @classmethod
    def from_source(cls, source: Source, letter: str | None = None) -> "Wanted":
        """Return what a source asks for."""
        return cls(source.file_name, source.key, letter, layout=source.layout)

    def of(self, tensors: Mapping[str, Entry]) -> Entry:
        """Return the tensor with the key, or without a key the only one, or the one that is called what is wanted.

        A gradient or Z is found under its name (``kernel``) and under its letters (``dK``).
        Raises OptionError, which lists tensors, if there is none.
        """
        if self.key is None and len(tensors) == 1:
            return next(iter(tensors.values()))
        wanted = self.letter if self.key is None else self.key
        names = () if wanted is None else symbol_and_name(wanted)
        found = next((name for name in names if name in tensors), None)
        if found is None:
            raise OptionError(self._expected(tensors))
        return tensors[found]

    def _expected(self, tensors: Mapping[str, Shaped]) -> str:
        if not tensors:
            return f"{self.file} holds no {self.noun}s"
        if list(tensors) == [""]:
            return (
                f"{self.file} holds one {self.noun}, without a name: expected nothing after a colon, given {self.key!r}"
            )
        listed = ", ".join(_described(name, tensors[name]) for name in islice(self._in_order(tensors), _LISTED))
        more = f" and {len(tensors) - _LISTED:,} more" if len(tensors) > _LISTED else ""
        if self.key is None:
            example = f"FILE:{next(self._in_order(tensors))}"
            return f"expected the name of a {self.noun}, as in {example}; {self.file} holds {listed}{more}"
        guess = did_you_mean(self.key, _likely(self.key, tensors))
        return f"{self.file} has no {self.noun} called {shortened(self.key)!r}, but {listed}{more}{guess}"

    def _in_order(self, tensors: Mapping[str, Shaped]) -> Iterator[str]:
        """Yield the names of all tensors once: first those that hold the key, then those of rank 4, then the others."""
        near = (name for name in tensors if self.key and self.key.lower() in name.lower())
        banks = (name for name in tensors if len(_shape(tensors[name]) or ()) == 4)
        return _unique((*near, *banks, *tensors))


def _likely(key: str, names: Iterable[str]) -> list[str]:
    """Return the names that share the longest beginnings with the key: to compare all with it may take a minute."""
    # Character by character, although ruff expects paths.
    return nlargest(_COMPARED, names, lambda name: len(os.path.commonprefix((name, key))))  # noqa: RUF071


def _unique(names: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(names))


def _described(name: str, tensor: Shaped) -> str:
    shape = _shape(tensor)
    return shortened(name) if shape is None else f"{shortened(name)} {shape}"


def _shape(tensor: Shaped) -> tuple[int, ...] | None:
    """Return a tensor's shape, or None if it cannot be read."""
    with suppress(Exception):
        return tensor.shape
    return None
