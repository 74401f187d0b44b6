"""The program run within the tests' own process, many times a second, with its stdout at any descriptor."""

import os
import sys
import threading
from collections.abc import Sequence

import pytest

from convcli.cli.app import app


def exit_code(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, descriptor: int) -> int:
    """Run it with its stdout at a descriptor, which is closed afterwards."""
    with open(descriptor, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as left:
            app(list(arguments))
    return int(left.value.code or 0)


def piped(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[int, bytes]:
    """The exit code, and what a reader gets who closes the pipe after so many bytes."""
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
