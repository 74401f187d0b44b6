"""Which memory limit is found, on simulated machines."""

import resource
import shlex
import sys

import pytest
from support.command_line import shell

from convcli.files import memory
from convcli.files.memory import Memory, available_memory, format_size

GB = 1 << 30
PHYSICAL = "the machine's memory"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Simulate a machine of 64 GB; return the folder for the files of its cgroups and processes."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "PROC", tmp_path / "self")
    monkeypatch.setattr(memory, "_physical", lambda: [Memory(64 * GB, PHYSICAL)])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_other_limits_it_is_the_memory_of_the_machine(machine):
    assert available_memory() == Memory(64 * GB, PHYSICAL)


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_a_container(machine, name):
    path = write(machine / "cgroup" / name, f"{3 * GB}\n")
    assert available_memory() == Memory(3 * GB, f"the limit in {path}")


@pytest.mark.parametrize("limit", ["max\n", f"{2**63 - 4096}\n", ""])
def test_no_limit(machine, limit):
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        write(machine / "cgroup" / name, limit)
    write(machine / "self/cgroup", "0::/user/me\n")
    assert available_memory() == Memory(64 * GB, PHYSICAL)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("0::/user/me\n", "user/memory.max"),
        ("0::/user/me\n", "user/me/memory.max"),
        ("5:cpu,cpuacct:/other\n4:memory:/jobs/7\n", "memory/jobs/7/memory.limit_in_bytes"),
        ("4:cpu,memory:/jobs/7\n", "memory/jobs/memory.limit_in_bytes"),
    ],
)
def test_the_limit_of_a_parent_of_the_cgroup(machine, line, name):
    write(machine / "self/cgroup", line)
    path = write(machine / "cgroup" / name, str(GB))
    assert available_memory() == Memory(GB, f"the limit in {path}")


def test_the_rest_of_the_address_space(machine, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (GB, GB))
    write(machine / "self/statm", "1000 500 300 1 0 400 0\n")
    left = GB - 1000 * resource.getpagesize()
    assert available_memory() == Memory(left, "the rest of ulimit -v")


def test_a_real_limit_of_the_address_space(tmp_path):
    script = "from convcli.files.memory import available_memory; print(*available_memory())"
    result = shell(f"ulimit -v 500000; {shlex.quote(sys.executable)} -c '{script}'", tmp_path)
    size, _, bound = result.out.decode().strip().partition(" ")
    assert (result.code, result.err, bound) == (0, "", "the rest of ulimit -v")
    assert 0 < int(size) < 500_000 << 10


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KB"),
        (1536 << 10, "1.5 MB"),
        (24 * GB, "24.0 GB"),
        (2**73, "8192.0 EB"),
    ],
)
def test_sizes_as_text(count, text):
    assert format_size(count) == text
