"""Advice on command lines that convcli reads in another way than other programs do."""

import os
import stat
from collections.abc import Sequence

from convcli.cli.messages import Messages

_PATTERN = set("*?[")


def advise_on_names(images: Sequence[str], messages: Messages) -> None:
    """Say how to write a file that does not exist and is named as an image: others write the last file."""
    *others, last = images or [""]
    if others and os.path.splitext(last)[1] and not os.path.lexists(last) and not _PATTERN & set(last):
        messages.tell("help", f"{last} is taken for an image to read: to write it, use `output` {last}")


def advise_on_stdout(images: Sequence[str], messages: Messages) -> None:
    """Say how to write to stdout, if the user sends it to a file, after another file has been written."""
    if len(images) == 1 and _is_redirected():
        messages.tell("help", "the output does not go to stdout: for that, use `output` -")


def _is_redirected() -> bool:
    """Return whether the user sends stdout, and not stderr with it, to a file."""
    try:
        out, err = os.fstat(1), os.fstat(2)
    except OSError:
        return False
    return stat.S_ISREG(out.st_mode) and not os.path.samestat(out, err)
