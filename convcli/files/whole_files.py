"""Atomic writes: a file appears under its name only when it is complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from convcli.errors import ConvcliError, FileError


class IfExists(Enum):
    """The action if an output's file exists already."""

    FAIL = "fail"
    REPLACE = "replace"
    SKIP = "skip"


@contextmanager
def write_atomically(path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    """Yield a stream whose bytes become the file at ``path`` when the block ends. If the block fails, no file remains.

    if_exists: the action for a file of that name, even one that another process makes meanwhile; SKIP keeps that file.
    The stream can be mapped into memory. Links are followed, and a missing folder is created. A file is replaced only
    when the new one is on the disk; the new file gets its permissions. A path that exists and is not a regular file,
    such as a FIFO or ``/dev/null``, is written to directly.
    Raises FileError if writing fails.
    """
    try:
        with path.open("wb") if is_special(path) else _unpublished(path, if_exists) as stream:
            yield stream
    except ConvcliError:
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def is_special(path: Path) -> bool:
    """Return whether the path exists and is not a regular file."""
    return os.path.exists(path) and not os.path.isfile(path)


def already_exists(path: Path) -> FileError:
    """Return the error for an output whose file exists already."""
    return FileError(f"{path} exists: use `overwrite` to replace it, or `output` to write elsewhere")


@contextmanager
def _unpublished(path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    """Yield a new file in the target's folder, which gets the target's name in one step once it is complete."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".convcli-{os.urandom(8).hex()}.tmp")
    try:
        with _nameless(folder) or open(temporary, "x+b") as stream:
            yield stream
            stream.flush()
            with _named(stream, temporary) as whole:
                if if_exists is IfExists.REPLACE and os.path.exists(target):
                    # The old file may be the only copy. If the power fails, its name must not refer to data that is
                    # not on the disk yet.
                    os.fsync(whole.fileno())
        _publish(temporary, path, target, if_exists)
    finally:
        # After renaming, or if the block failed, there is nothing to remove.
        with suppress(OSError):
            os.remove(temporary)


def _nameless(folder: str) -> BinaryIO | None:
    """Return a file without a name, which disappears if the process is killed; None if the system has no such files.

    The umask decides its permissions.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    # If no file can be created at all, the caller raises the error when it creates one with a name.
    with suppress(OSError):
        return open(os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), "w+b")
    return None


@contextmanager
def _named(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yield the file under a name: the same file, or a copy if the file system cannot name a nameless file."""
    if os.fstat(stream.fileno()).st_nlink or _is_linked(stream, name):
        yield stream
        return
    stream.seek(0)
    with open(name, "x+b") as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield copy


def _is_linked(stream: BinaryIO, name: str) -> bool:
    """Give a name to a nameless file; return whether the file system can."""
    try:
        # Without src_dir_fd Python calls link(), which would make a link to the link in /proc.
        os.link(f"/proc/self/fd/{stream.fileno()}", name, src_dir_fd=stream.fileno(), follow_symlinks=True)
    except OSError:
        return False
    return True


def _publish(temporary: str, path: Path, target: str, if_exists: IfExists) -> None:
    """Give a complete file the target's name in one step. path: the name of the target in errors."""
    if if_exists is IfExists.REPLACE:
        _replace(temporary, target)
        return
    try:
        _add(temporary, target)
    except FileExistsError:
        if if_exists is IfExists.FAIL:
            raise already_exists(path) from None


def _replace(temporary: str, target: str) -> None:
    if os.path.exists(target):
        shutil.copymode(target, temporary)
    os.replace(temporary, target)


def _add(temporary: str, target: str) -> None:
    """Name the file with a hard link, because renaming would replace a file that another process has made meanwhile.

    Raises FileExistsError if there is such a file.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links, such as a memory card's, has no way that is both safe and portable.
        if os.path.lexists(target):
            raise FileExistsError from None
        os.rename(temporary, target)
