"""Files that are there when they are whole, and until then are not."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from convcli.errors import ConvcliError, FileError


class IfExists(Enum):
    """What to do if an output's file exists already."""

    FAIL = "fail"
    REPLACE = "replace"
    SKIP = "skip"


@contextmanager
def write_atomically(path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file at ``path`` when the block ends, or nothing if it fails. It can be mapped.

    A missing folder is made.
    if_exists: what to do if another process has made a file of that name meanwhile; one that is skipped stays as it is.
    A link is followed. A file that is replaced hands on its permissions, and goes once the other is on the disk.
    What is there and is no regular file, such as a FIFO or ``/dev/null``, is written into directly.
    Raises FileError if writing fails, and BrokenPipeError if the reader of a pipe has gone.
    """
    try:
        with path.open("wb") if is_special(path) else _unpublished(path, if_exists) as stream:
            yield stream
    except (ConvcliError, BrokenPipeError):
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def is_special(path: Path) -> bool:
    """Whether something is there that is no regular file."""
    return os.path.exists(path) and not os.path.isfile(path)


def already_exists(path: Path) -> FileError:
    """Return the error of an output whose file exists already."""
    return FileError(f"{path} exists: use --overwrite to replace it, or -o to write elsewhere")


@contextmanager
def _unpublished(path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    """A new file in the target's folder, which gets the target's name in one step once it is whole."""
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
                    # What was there may be the only copy: a power cut must not find its name on data that is not on
                    # the disk yet.
                    os.fsync(whole.fileno())
        _publish(temporary, path, target, if_exists)
    finally:
        # It has gone where it was renamed, and never was where the block failed.
        with suppress(OSError):
            os.remove(temporary)


def _nameless(folder: str) -> BinaryIO | None:
    """A file without a name, of which a process that is killed leaves nothing; None where there are no such files.

    Its permissions are those that the umask leaves.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    # Where no file can be made at all, the reason is that of making one with a name.
    with suppress(OSError):
        return open(os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), "w+b")
    return None


@contextmanager
def _named(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The file under that name: this one, or a copy, for some file systems make files that they cannot name."""
    if os.fstat(stream.fileno()).st_nlink or _is_linked(stream, name):
        yield stream
        return
    stream.seek(0)
    with open(name, "x+b") as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield copy


def _is_linked(stream: BinaryIO, name: str) -> bool:
    """Whether the file system gave that name to a file that has none."""
    try:
        # Without src_dir_fd Python calls link(), which would link to the link in /proc.
        os.link(f"/proc/self/fd/{stream.fileno()}", name, src_dir_fd=stream.fileno(), follow_symlinks=True)
    except OSError:
        return False
    return True


def _publish(temporary: str, path: Path, target: str, if_exists: IfExists) -> None:
    """Give a whole file the target's name in one step; ``path`` is what errors call it."""
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
    """Raises FileExistsError where there is a file by now: renaming would replace it."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links, such as a memory card's, where nothing is both safe and portable.
        if os.path.lexists(target):
            raise FileExistsError from None
        os.rename(temporary, target)
