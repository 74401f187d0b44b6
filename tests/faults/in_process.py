"""Run the program in the tests' own process, many times per second, with stdout at any descriptor."""

import os
import sys
import threading
from collections.abc import Sequence

import pytest

from convcli.cli.app import app


def exit_code(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, descriptor: int) -> int:
    """Run the program with stdout at a descriptor, close the descriptor, and return the exit code."""
    with open(descriptor, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as left:
            app(list(arguments))
    return int(left.value.code or 0)


def piped(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[int, bytes]:
    """Return the exit code, and the bytes that a reader receives who closes the pipe after ``most`` bytes."""
    reader, writer = os.pipe()
    got = bytearray()

    def read() -> None:
        while len(got) < most and (data := os.read(reader, most - len(got))):
            got.extend(data)
        os.close(reader)

    other_end = threading.Thread(target=read)
    other_end.start()
    code = exit_code(arguments, monkeypatch, writer)
    other_end.join()
    return code, bytes(got)
