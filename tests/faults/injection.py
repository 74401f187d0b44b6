"""Let the Nth system call of one kind fail in a run of the program.

Run as a script, this module forks a process per request, which answers to a seccomp filter: the kernel stops each call
of CALLS until this process says whether it goes on or fails. That needs no privileges, compiler or other program.
"""

import ctypes
import errno
import fcntl
import importlib
import json
import os
import pkgutil
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 30

# The kinds of calls, the error that each gets, and the numbers of the calls on x86-64.
CALLS = {
    "write": (errno.ENOSPC, (1, 18, 20)),
    "open": (errno.EMFILE, (2, 257)),
    "link": (errno.EIO, (86, 265)),
    "rename": (errno.EIO, (82, 264, 316)),
    "close": (errno.EIO, (3,)),
    "mmap": (errno.ENOMEM, (9,)),
    "unlink": (errno.EIO, (87, 263)),
    "mkdir": (errno.ENOSPC, (83, 258)),
    "read": (errno.EIO, (0, 17)),
    "fsync": (errno.EIO, (74, 75)),
    "chmod": (errno.EPERM, (90, 91, 268, 452)),
    "fallocate": (errno.ENOSPC, (77, 285)),
}
KIND = {number: kind for kind, (_, numbers) in CALLS.items() for number in numbers}


class Run(NamedTuple):
    """What came of a run.

    calls: how many calls of each kind it made.  failed: the first argument of the call that failed, None if none did.
    """

    code: int
    out: bytes
    err: str
    calls: dict[str, int]
    failed: int | None


class Injection:
    """A process that forks runs of the program.

    loaded: whether it loads all modules before; otherwise each run loads them, which is thousands of calls.
    """

    def __init__(self, *, loaded: bool = True) -> None:
        self._loaded = loaded

    def __enter__(self) -> "Injection":
        self._process = subprocess.Popen(
            [sys.executable, __file__, *["loaded"] * self._loaded],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, arguments: list[str], folder: Path, kind: str = "", number: int = 0) -> Run:
        """Run the program in a folder; call ``number`` of this kind fails, where 1 is the first."""
        request = {"arguments": arguments, "folder": str(folder), "kind": kind, "number": number}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        out, err = (answer.pop(name).encode("latin-1") for name in ("out", "err"))
        # Imported here, because the process that runs the commands does not find it.
        from support.command_line import without_results

        # A slow machine sees more of the progress.
        told, _ = without_results(err.decode())
        return Run(out=out, err=told, **answer)


def is_available() -> bool:
    """Return whether this kernel can hand over system calls, and their numbers are known."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    with Injection(loaded=False) as injection, tempfile.TemporaryDirectory() as folder:
        return injection.run(["--version"], Path(folder)).code == 0


def _serve() -> None:
    if "loaded" in sys.argv:
        _load_everything()
    for line in sys.stdin:
        print(json.dumps(_run(**json.loads(line))), flush=True)


# Of these, the first runs the program, and the others need an extra.
UNLOADED = ("convcli.__main__", "convcli.engine.cluster", "convcli.engine.compiled.loops")


def _load_everything() -> None:
    """Load what a run would otherwise load."""
    import numpy.random
    import PIL.Image
    import rich.table

    import convcli

    assert numpy.random
    assert rich.table
    PIL.Image.init()
    for module in pkgutil.walk_packages(convcli.__path__, "convcli."):
        if not module.name.startswith(UNLOADED):
            importlib.import_module(module.name)


def _run(arguments: list[str], folder: str, kind: str, number: int) -> dict[str, Any]:
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        ours, theirs = map(stack.enter_context, socket.socketpair())
        child = os.fork()
        if child == 0:
            os._exit(_program(arguments, folder, [file.fileno() for file in files], theirs))
        _, (listener,), *_ = socket.recv_fds(ours, 1, 1)
        calls, failed = _answer(listener, child, kind, number)
        os.close(listener)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out, err = (os.pread(file.fileno(), 1 << 30, 0).decode("latin-1") for file in files[1:])
    return {"code": code, "out": out, "err": err, "calls": calls, "failed": failed}


def _program(arguments: list[str], folder: str, descriptors: list[int], supervisor: socket.socket) -> int:
    """Run the program as the interpreter would; return its exit code."""
    # What fails before this line is the interpreter's to report.
    from convcli.cli import main

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode, closefd=False) for fd, mode in enumerate("rww"))
    os.chdir(folder)
    sys.argv = ["convcli", *arguments]
    signal.alarm(SECONDS)
    socket.send_fds(supervisor, [b"."], [_listener()])
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = 1 if isinstance(end.code, str) else int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stderr.flush()
        sys.stdout.flush()
    except OSError:
        code = 120
    return code


# From linux/seccomp.h, linux/filter.h, linux/audit.h and linux/prctl.h.
_NO_NEW_PRIVS, _SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER = 38, 317, 1, 8
_ALLOW, _NOTIFY, _CONTINUE = 0x7FFF0000, 0x7FC00000, 1
_LOAD, _EQUAL, _RETURN, _X86_64 = 0x20, 0x15, 0x06, 0xC000003E
_CALL, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=Qqii")
_RECEIVE, _SEND = (3 << 30 | each.size << 16 | ord("!") << 8 | number for number, each in enumerate((_CALL, _ANSWER)))


def _listener() -> int:
    """Let this process and its threads ask before each call of CALLS; return the descriptor that is asked."""
    numbers = sorted(KIND)
    # Each is an operation, and how far to jump if it is true or false.
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(numbers) + 1, _X86_64), (_LOAD, 0, 0, 0)]
    steps += [(_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    descriptor = int(libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, program))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "no seccomp")
    return descriptor


def _answer(listener: int, child: int, kind: str, number: int) -> tuple[dict[str, int], int | None]:
    """Let every call of the child go on, but one; return how many there were, and the failed one's first argument."""
    ended, calls, failed = os.pidfd_open(child), Counter[str](), None
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    ready.register(ended, select.POLLIN)
    while ended not in (found := dict(ready.poll())):
        if not found.get(listener, 0) & select.POLLIN:
            continue
        call = bytearray(_CALL.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, call)
            identity, _, _, asked, _, _, first, *_ = _CALL.unpack(call)
            calls[KIND[asked]] += 1
            fails = KIND[asked] == kind and calls[kind] == number
            failed = first if fails else failed
            error = -CALLS[kind][0] if fails else 0
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(identity, 0, error, 0 if fails else _CONTINUE))
        except FileNotFoundError:
            # The thread that made the call has been killed.
            continue
    os.close(ended)
    return calls, failed


if __name__ == "__main__":
    _serve()
