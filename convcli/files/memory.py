"""The amount of memory that this process may use."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc/self")
MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/sys/fs/cgroup")
# The free memory is not looked up for up to this many bytes.
SMALL = 16 << 20
UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB", "EB")


class Memory(NamedTuple):
    """A number of bytes, and the name of the limit that it comes from."""

    bytes: int
    bound: str


def available_memory() -> Memory:
    """Return the smallest limit: free memory, the limits of cgroups, or the rest of the process' own limits.

    Limits that cannot be read on this system are skipped.
    """
    bounds = [*_physical(), *_cgroups(), *_own_limits()]
    return min(bounds, default=Memory(sys.maxsize, "addresses"))


def require_memory(size: int, what: str, remedy: str = "") -> None:
    """Raise OSError, before anything is allocated, for more bytes than half of the free memory.

    what: what takes them, with its verb, such as "it has".  remedy: what to do, after a colon.
    """
    most = available_memory().bytes // 2 if size > SMALL else size
    if size > most:
        free = f"over half of the free memory, {format_size(most)}"
        raise OSError(errno.EFBIG, f"{what} {format_size(size)}, {free}{remedy}")


def format_size(count: int) -> str:
    """Return a number of bytes as text, in the largest unit in which it is at least 1; 1 KB is 1024 bytes."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{count / 1024**power:.1f} {UNITS[power]}" if power else f"{count} bytes"


def _physical() -> Iterator[Memory]:
    # Windows has no sysconf.
    with suppress(AttributeError, OSError, ValueError):
        yield Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "the machine's memory")
    with suppress(ImportError, OSError, ValueError, StopIteration):
        yield Memory(_free(), "the free memory of the machine")


def _free() -> int:
    """Return the bytes that other processes do not use; the page cache counts as free."""
    if not MEMINFO.exists():
        # A dependency of convcli on systems other than Linux, where importing it would take longer than reading a file.
        import psutil

        return int(psutil.virtual_memory().available)
    lines = MEMINFO.read_text().splitlines()
    free = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(free.split()[1]) << 10


def _cgroups() -> Iterator[Memory]:
    for path in _limit_files():
        # In version 2 the file holds "max" if there is no limit.
        with suppress(OSError, ValueError):
            yield Memory(int(path.read_text()), f"the limit in {path}")


def _limit_files() -> Iterator[Path]:
    """Yield the files with the limits of this process' cgroup and its parents.

    In a container only the files at the root exist.
    """
    yield from (CGROUPS / "memory.max", CGROUPS / "memory" / "memory.limit_in_bytes")
    with suppress(OSError, ValueError):
        for line in (PROC / "cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                yield from _with_parents(CGROUPS, group, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _with_parents(CGROUPS / "memory", group, "memory.limit_in_bytes")


def _with_parents(root: Path, group: str, name: str) -> Iterator[Path]:
    folder = Path(group.strip("/"))
    return (root / group_folder / name for group_folder in (folder, *folder.parents))


def _own_limits() -> Iterator[Memory]:
    """Yield what is left of this process' limits on address space and on data. Mapped files do not count as data."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = (PROC / "statm").read_text().split()
        for limited, taken, option in ((resource.RLIMIT_AS, pages[0], "-v"), (resource.RLIMIT_DATA, pages[5], "-d")):
            limit, _ = resource.getrlimit(limited)
            if limit != resource.RLIM_INFINITY:
                left = max(0, limit - int(taken) * os.sysconf("SC_PAGE_SIZE"))
                yield Memory(left, f"the rest of ulimit {option}")
