"""Atomic writes: a file appears under its name only when it is complete."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import BinaryIO

from convcli.errors import ConvcliError, FileError

Tell = Callable[[str], object]

_EVERYBODY = 0o666
_OWNER = 0o600
_ALL_RIGHTS = 0o777
_ACL = "system.posix_acl_access"


class IfExists(Enum):
    """The action if an output's file exists already."""

    FAIL = "fail"
    REPLACE = "replace"
    SKIP = "skip"


@contextmanager
def write_atomically(
    path: Path, if_exists: IfExists, checked: str | None = None, *, tell: Tell = warnings.warn
) -> Iterator[BinaryIO]:
    """Yield a stream whose bytes become the file at ``path`` when the block ends. If the block fails, no file remains.

    if_exists: the action for a file of that name, even one that another process makes meanwhile; SKIP keeps that file.
    checked: the real path that ``path`` had when it was checked; it must have it still.
    tell: takes what a new file cannot take over from the file that it replaces, as text of one line.
    The stream can be mapped into memory. Links are followed, and a missing folder is created. A file is replaced only
    when the new one is on the disk; the new file gets its permissions, owner, ACL and extended attributes. A path that
    exists and is not a regular file, such as a FIFO or ``/dev/null``, is written to directly.
    Raises FileError if writing fails.
    """
    try:
        target = os.path.realpath(path)
        if checked not in (None, target):
            raise FileError(f"cannot write {path}: since it was checked, it has become a link to {target}")
        with _special(path) if is_special(path) else _unpublished(path, target, if_exists, tell) as stream:
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


def _special(path: Path) -> BinaryIO:
    # Without O_TRUNC and O_CREAT, because a regular file may stand there by now.
    descriptor = os.open(path, os.O_WRONLY)
    if S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise already_exists(path)
    return open(descriptor, "wb")


@contextmanager
def _unpublished(path: Path, target: str, if_exists: IfExists, tell: Tell) -> Iterator[BinaryIO]:
    """Yield a new file in the target's folder, which gets the target's name in one step once it is complete."""
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".convcli-{os.urandom(8).hex()}.tmp")
    # Nobody else may read a new file before it has the permissions of the file that it replaces.
    mode = _OWNER if if_exists is IfExists.REPLACE and os.path.exists(target) else _EVERYBODY
    try:
        with _nameless(folder, mode) or _named(temporary, mode) as stream:
            yield stream
            stream.flush()
            if if_exists is IfExists.REPLACE:
                for loss in _replace(stream, temporary, target):
                    tell(f"{path}: {loss}")
            else:
                _add(stream, temporary, path, target, if_exists)
    finally:
        _remove(temporary, tell)


def _nameless(folder: str, mode: int) -> BinaryIO | None:
    """Return a file without a name, which disappears if the process is killed; None if the system has no such files.

    The umask takes away some of the permissions in ``mode``.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    # If no file can be created at all, the caller raises the error when it creates one with a name.
    with suppress(OSError):
        return open(os.open(folder, os.O_TMPFILE | os.O_RDWR, mode), "w+b")
    return None


def _named(name: str, mode: int) -> BinaryIO:
    """Return a new file of this name; the umask takes away some of the permissions in ``mode``."""
    return open(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode), "w+b")


def _replace(stream: BinaryIO, temporary: str, target: str) -> list[str]:
    """Give a complete file the target's name in one step; return what it could not take over from the target."""
    lost = _take_over(stream.fileno(), target)
    if not _has_name(stream):
        try:
            _link(stream, temporary, temporary)
        except OSError:
            with _copied(stream, temporary) as copy:
                _take_over(copy.fileno(), target)
    # Windows renames no open file.
    stream.close()
    os.replace(temporary, target)
    return lost


def _add(stream: BinaryIO, temporary: str, path: Path, target: str, if_exists: IfExists) -> None:
    """Give a complete file the target's name in one step, unless another file has it.

    By a hard link, because renaming would replace a file that another process has made meanwhile.
    """
    try:
        _link(stream, temporary, target)
    except FileExistsError:
        if if_exists is IfExists.FAIL:
            raise already_exists(path) from None
    except OSError:
        # A file system without hard links, such as a memory card's, has no way that is both safe and portable.
        if not _has_name(stream):
            with _copied(stream, temporary):
                pass
        stream.close()
        if not os.path.lexists(target):
            os.rename(temporary, target)
        elif if_exists is IfExists.FAIL:
            raise already_exists(path) from None


def _take_over(descriptor: int, target: str) -> list[str]:
    """Give a new file the rights of the file that it replaces, and put it on the disk; return what it could not get.

    The old file may be the only copy. If the power fails, its name must not refer to data that is not on the disk yet.
    """
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return []
    # On Windows the folder gives a file its rights.
    lost = _take_over_rights(descriptor, target, old) if hasattr(os, "fchown") else []
    os.fsync(descriptor)
    if old.st_nlink > 1:
        lost.append(f"the file that it replaced keeps its other names (hard links: {old.st_nlink - 1}) and its content")
    return lost


def _take_over_rights(descriptor: int, target: str, old: os.stat_result) -> list[str]:
    """Give a new file the owner, rights and attributes of the file that it replaces; return what it cannot get."""
    lost = [
        f"the new file does not have the {what} of the file that it replaced"
        for what, user, group in (("owner", old.st_uid, -1), ("group", -1, old.st_gid))
        if not _works(partial(os.fchown, descriptor, user, group))
    ]
    lost += _take_over_attributes(descriptor, target)
    mode = S_IMODE(old.st_mode)
    # Programs run with the rights of their owner or group only if these are the old ones.
    os.fchmod(descriptor, mode & _ALL_RIGHTS if lost else mode)
    return lost


def _take_over_attributes(descriptor: int, target: str) -> list[str]:
    """Give a new file the ACL and the extended attributes of the file that it replaces; return those it cannot get."""
    names = _attributes(target)
    # A folder may give its new files an ACL.
    if _ACL in _attributes(descriptor) and _ACL not in names:
        os.removexattr(descriptor, _ACL)
    return [
        f"the new file does not have the attribute {name} of the file that it replaced"
        for name in names
        if not _works(partial(_copy_attribute, name, target, descriptor))
    ]


def _copy_attribute(name: str, source: str, descriptor: int) -> None:
    os.setxattr(descriptor, name, os.getxattr(source, name))


def _attributes(file: str | int) -> list[str]:
    """Return the names of a file's extended attributes; none if the file system or the operating system has none."""
    try:
        return os.listxattr(file)
    except (AttributeError, OSError):
        return []


def _works(action: Callable[[], object]) -> bool:
    """Run an action of the operating system, and return whether it succeeded."""
    try:
        action()
    except OSError:
        return False
    return True


def _has_name(stream: BinaryIO) -> bool:
    return os.fstat(stream.fileno()).st_nlink > 0


def _link(stream: BinaryIO, temporary: str, name: str) -> None:
    """Give a file another name. Raises FileExistsError if a file has that name, OSError if the file system cannot."""
    if _has_name(stream):
        os.link(temporary, name)
    else:
        # Without src_dir_fd Python calls link(), which would make a link to the link in /proc.
        os.link(f"/proc/self/fd/{stream.fileno()}", name, src_dir_fd=stream.fileno(), follow_symlinks=True)


@contextmanager
def _copied(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yield a copy that has a name, of a nameless file that the file system cannot name."""
    stream.seek(0)
    with _named(name, S_IMODE(os.fstat(stream.fileno()).st_mode)) as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield copy


def _remove(temporary: str, tell: Tell) -> None:
    try:
        os.remove(temporary)
    except OSError as error:
        # Mostly because it never had this name, or has been renamed.
        if os.path.lexists(temporary):
            tell(f"{temporary} could not be removed: {error.strerror}; remove it")
