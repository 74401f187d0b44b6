"""Atomic writes: bytes, permissions, links, and which writer of one name wins."""

import errno
import os
import re
import shutil
import stat
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from convcli.errors import FileError
from convcli.files import whole_files
from convcli.files.whole_files import IfExists, write_atomically

FAIL, REPLACE, SKIP = IfExists
LINK = os.link


def refuse(number: int) -> Callable[..., None]:
    """Return a system call that fails."""

    def fail(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture(params=["nameless", "named", "nameless without hard links", "named without hard links"], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Simulate file systems with and without nameless files and hard links; those of memory cards have neither."""
    if request.param.startswith("named"):
        monkeypatch.delattr(os, "O_TMPFILE")
    if request.param.endswith("without hard links"):
        monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    return str(request.param)


def test_a_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with write_atomically(path, FAIL) as stream:
        stream.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_unfinished_file_has_no_name(tmp_path: Path, file_system: str) -> None:
    """Then a killed process leaves nothing; where there are no nameless files, the name is a temporary one."""
    with write_atomically(tmp_path / "a.bin", FAIL):
        (name,) = os.listdir(tmp_path) or [None]
    assert bool(name) == file_system.startswith("named")
    assert name is None or re.fullmatch(r"\.convcli-[0-9a-f]{16}\.tmp", name)


def write(path: Path, if_exists: IfExists, meanwhile: Callable[[], object]) -> None:
    with write_atomically(path, if_exists) as stream:
        stream.write(b"ours")
        meanwhile()


def test_a_file_that_another_process_wrote_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(FileError) as error:
        write(path, FAIL, lambda: path.write_bytes(b"theirs"))
    assert str(error.value) == f"{path} exists: use `overwrite` to replace it, or `output` to write elsewhere"
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"theirs", ["a.bin"])


@pytest.mark.parametrize(("if_exists", "left"), [(SKIP, b"theirs"), (REPLACE, b"ours")])
def test_a_file_that_another_process_wrote_meanwhile_is_skipped_or_replaced(
    tmp_path: Path, if_exists: IfExists, left: bytes
) -> None:
    path = tmp_path / "a.bin"
    write(path, if_exists, lambda: path.write_bytes(b"theirs"))
    assert (path.read_bytes(), os.listdir(tmp_path)) == (left, ["a.bin"])


@pytest.mark.parametrize("if_exists", IfExists)
def test_one_of_many_writers_of_a_name_wins(tmp_path: Path, if_exists: IfExists, file_system: str) -> None:
    if file_system.endswith("without hard links") and if_exists is FAIL:
        pytest.skip("without hard links, a writer that looked before the first one was done may replace its file")
    meeting = threading.Barrier(8, timeout=10)

    def attempt(number: int) -> None:
        with suppress(FileError), write_atomically(tmp_path / "a.bin", if_exists) as stream:
            stream.write(bytes([number]) * 100_000)
            meeting.wait()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "a.bin").read_bytes()
    assert (len(data), len(set(data)), os.listdir(tmp_path)) == (100_000, 1, ["a.bin"])


def test_a_folder_that_is_removed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.bin"
    with pytest.raises(FileError, match=f"^cannot write {path}: "):
        write(path, FAIL, lambda: shutil.rmtree(path.parent))


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 300)
    with pytest.raises(FileError, match=r"^cannot write .*aaa: File name too long$"), write_atomically(path, FAIL):
        pass
    assert os.listdir(tmp_path) == []


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with write_atomically(tmp_path / "a.bin", FAIL):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777, 0o2755])
def test_a_replaced_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    write(path, REPLACE, lambda: None)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"ours", mode)


def test_nobody_can_read_what_replaces_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the new file has a name, it is private."""
    path, seen = tmp_path / "a.bin", []
    path.write_bytes(b"old")
    path.chmod(0o600)

    def look() -> None:
        seen.extend(stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir())

    for name in ("fsync", "link", "fchmod", "replace", "fchown"):
        called = getattr(os, name)

        def watched(*args: Any, called: Callable[..., Any] = called, **options: Any) -> None:
            look()
            called(*args, **options)
            look()

        monkeypatch.setattr(os, name, watched)
    write(path, REPLACE, look)
    assert len(seen) >= 10
    assert set(seen) == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    os.chown(path, 1234, 4321)
    write(path, REPLACE, lambda: None)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_replaced_file_keeps_its_extended_attributes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    try:
        os.setxattr(path, "user.origin", b"camera")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    write(path, REPLACE, lambda: None)
    assert (os.listxattr(path), os.getxattr(path, "user.origin")) == (["user.origin"], b"camera")


# Version 2; then owner rw, user 1234 r, group none, mask r, others none: each a tag, permissions and an identity.
ACL = struct.pack("<I" + 5 * "HHI", 2, 1, 6, 2**32 - 1, 2, 4, 1234, 4, 0, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1)


def test_a_replaced_file_keeps_its_acl(tmp_path: Path) -> None:
    path, name = tmp_path / "a.bin", "system.posix_acl_access"
    path.touch()
    try:
        os.setxattr(path, name, ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")
    write(path, REPLACE, lambda: None)
    assert (os.getxattr(path, name), stat.S_IMODE(path.stat().st_mode)) == (ACL, 0o640)


def test_what_replaces_a_private_file_gets_no_acl_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    path.chmod(0o640)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")
    write(path, REPLACE, lambda: None)
    assert (os.listxattr(path), stat.S_IMODE(path.stat().st_mode)) == ([], 0o640)


def test_what_cannot_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = tmp_path / "a.bin", list[str]()
    path.write_bytes(b"old")
    path.chmod(0o4755)
    LINK(path, tmp_path / "b.bin")
    monkeypatch.setattr(os, "fchown", refuse(errno.EPERM))
    monkeypatch.setattr(os, "listxattr", lambda file: ["security.x"] if file == str(path) else [])
    with write_atomically(path, REPLACE, tell=told.append) as stream:
        stream.write(b"new")
    lost = [f"the new file does not have the {each} of the file that it replaced" for each in ("owner", "group")]
    lost.append("the new file does not have the attribute security.x of the file that it replaced")
    lost.append("the file that it replaced keeps its other names (hard links: 1) and its content")
    assert told == [f"{path}: {each}" for each in lost]
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o755)
    assert (tmp_path / "b.bin").read_bytes() == b"old"


def test_from_python_what_cannot_be_kept_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    LINK(path, tmp_path / "b.bin")
    with pytest.warns(UserWarning, match="keeps its other names"):
        write(path, REPLACE, lambda: None)


def test_a_temporary_file_that_cannot_be_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str
) -> None:
    path, told = tmp_path / "a.bin", list[str]()
    monkeypatch.setattr(os, "remove", refuse(errno.EIO))
    with write_atomically(path, FAIL, tell=told.append) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    left = [name for name in os.listdir(tmp_path) if name != "a.bin"]
    assert [str(tmp_path / name) in line for name in left for line in told] == [True] * len(left)
    assert all(line.endswith(".tmp could not be removed: Input/output error; remove it") for line in told)
    assert len(left) == (file_system == "named")


def test_a_file_is_on_the_disk_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, on_disk = tmp_path / "a.bin", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: on_disk.append((path.read_bytes(), os.pread(descriptor, 9, 0))))
    write(path, REPLACE, lambda: None)
    assert not on_disk
    path.write_bytes(b"old")
    write(path, REPLACE, lambda: None)
    assert set(on_disk) == {(b"old", b"ours")}


def test_the_file_on_the_disk_is_the_one_that_gets_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the one from which it was copied."""
    path, on_disk = tmp_path / "a.bin", []
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: on_disk.append(os.fstat(descriptor).st_ino))
    write(path, REPLACE, lambda: None)
    assert on_disk[-1] == path.stat().st_ino


def test_the_file_is_on_the_disk_before_it_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str
) -> None:
    """Fsync takes long; a kill meanwhile leaves nothing where files without a name exist."""
    if file_system != "nameless":
        pytest.skip("about files without a name that can get one")
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.listdir(tmp_path) == ["a.bin"] or pytest.fail("named"))
    write(path, REPLACE, lambda: None)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_a_failure_leaves_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted(path: Path) -> None:
        with write_atomically(path, REPLACE) as stream:
            stream.write(b"ne")
            raise failure("halfway")

    with pytest.raises(failure, match="halfway"):
        interrupted(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.bin"
    link.symlink_to(Path("real") / "a.bin")
    with write_atomically(link, FAIL) as stream:
        stream.write(b"abc")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.bin").read_bytes() == b"abc"


def test_a_fifo_is_written_to_directly(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    with write_atomically(fifo, FAIL) as stream:
        stream.write(b"abc")
    reader.join()
    assert received == [b"abc"]
    assert fifo.is_fifo()


def test_a_reader_that_goes_is_an_error(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def abandoned(path: Path) -> None:
        with write_atomically(path, REPLACE) as stream:
            os.close(reader)
            stream.write(b"a" * 100_000)

    with pytest.raises(FileError, match=r"^cannot write .*fifo: Broken pipe$"):
        abandoned(fifo)


def test_a_file_that_takes_the_place_of_a_fifo_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"theirs")
    monkeypatch.setattr(whole_files, "is_special", lambda path: True)
    with pytest.raises(FileError, match=r"a.bin exists: use `overwrite`"), write_atomically(path, FAIL) as stream:
        stream.write(b"ours")
    assert path.read_bytes() == b"theirs"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has this device")
def test_a_full_device_is_reported() -> None:
    message = r"^cannot write /dev/full: No space left on device$"
    with pytest.raises(FileError, match=message), write_atomically(Path("/dev/full"), FAIL) as stream:
        stream.write(b"a")


def test_an_unwritable_target_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"^cannot write .*file/a.bin: File exists$"
    with pytest.raises(FileError, match=message), write_atomically(tmp_path / "file" / "a.bin", FAIL):
        pass


def test_an_error_of_another_file_is_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^cannot read b.png: it is empty$"), write_atomically(tmp_path / "a", FAIL):
        raise FileError("cannot read b.png: it is empty")
    assert os.listdir(tmp_path) == []
