"""Run commands of the program without the time that its imports take, which is most of a command's time in tests.

One process imports the program. Each command runs in a fork of it, with a folder, streams and an exit code of its own.
"""

import atexit
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from importlib import import_module

# What many commands import inside functions, besides the modules of convcli.
OFTEN_IMPORTED = ("difflib", "PIL.PngImagePlugin", "rich.console", "rich.table", "rich.text", "threadpoolctl")
# Modules of convcli that import what few commands need, or that run the program.
RARELY_IMPORTED = (
    "convcli.__main__",
    "convcli.engine.compiled.loops",
    "convcli.engine.dask",
    "convcli.engine.worker",
)


class WarmProcess:
    """The process that is forked, which the first command starts. One command runs at a time."""

    def __init__(self, environment, timeout):
        self._environment, self._timeout = environment, timeout
        self._link = self._process = None
        self._lock = threading.Lock()

    def run(self, command, cwd, stdin, stdout=None, env=None):
        """Return what ``subprocess.run`` returns.

        stdin: bytes for a pipe, or an open file.  stdout: an open file, which is closed here, instead of a pipe.
        env: additional variables, which only what runs after the imports sees.
        """
        with ThreadPoolExecutor(3) as pool:
            if isinstance(stdin, bytes):
                their_stdin, writer = os.pipe()
                pool.submit(_write, writer, stdin)
            else:
                their_stdin = os.open(os.devnull, os.O_RDONLY) if stdin == subprocess.DEVNULL else os.dup(stdin)
            ends = [(None, stdout) if stdout is not None else os.pipe(), os.pipe()]
            reading = [reader if reader is None else pool.submit(_read, reader) for reader, _ in ends]
            code = self.exit_code(command, cwd, [their_stdin, *(writer for _, writer in ends)], env)
            return subprocess.CompletedProcess(command, code, *(each and each.result() for each in reading))

    def exit_code(self, command, cwd, descriptors, env=None):
        """Run a command whose stdin, stdout and stderr are these descriptors, which are closed here.

        env: additional variables, which only what runs after the imports sees.
        """
        request = json.dumps({"command": command, "folder": str(cwd), "env": env or {}}).encode() + b"\n"
        with self._lock:
            try:
                link = self._started()
                socket.send_fds(link, [request[:1]], descriptors)
                link.sendall(request[1:])
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            try:
                return int(link.recv(100))
            except TimeoutError:
                self.stop()
                raise subprocess.TimeoutExpired(command, self._timeout) from None

    def stop(self):
        """End the process, if it was started, and the command that may run."""
        if self._link is None:
            return
        atexit.unregister(self.stop)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._link.close()
        self._link = None

    def _started(self):
        if self._link is None:
            ours, theirs = socket.socketpair()
            with theirs, ExitStack() as on_failure:
                on_failure.enter_context(ours)
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
                on_failure.pop_all()
            ours.settimeout(self._timeout)
            self._link = ours
            atexit.register(self.stop)
        return self._link


def _read(descriptor):
    with open(descriptor, "rb") as stream:
        return stream.read()


def _write(descriptor, data):
    # A command need not read all of its input.
    try:
        with open(descriptor, "wb", buffering=0) as stream:
            stream.write(data)
    except BrokenPipeError:
        pass


def serve(link):
    """Fork for each command; return in the fork, which is then as a process that has just started."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(link, 1 << 16, 3)
        if not message:
            os._exit(0)
        while not message.endswith(b"\n"):
            message += link.recv(1 << 16)
        if os.fork() == 0:
            link.close()
            return become(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.wait()
        link.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def become(request, descriptors):
    """Take the arguments, the variables, the folder and the streams of a command."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = request["command"]
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.stdin = reopened(0, "r", sys.stdin)
    sys.stdout = reopened(1, "w", sys.stdout)
    sys.stderr = reopened(2, "w", sys.stderr)


def reopened(descriptor, mode, stream):
    return open(descriptor, mode, encoding=stream.encoding, errors=stream.errors, closefd=False)


def import_the_program():
    for name in OFTEN_IMPORTED:
        import_module(name)
    import convcli

    for module in pkgutil.walk_packages(convcli.__path__, "convcli."):
        if not module.name.startswith(RARELY_IMPORTED):
            import_module(module.name)
    build_the_commands()


def build_the_commands():
    """Let typer build its commands once, which takes as long as running one."""
    import typer.main

    from convcli.cli.app import app

    typer.main.get_command = cache(typer.main.get_command)
    typer.main.get_command(app)


def run_the_program():
    """Run the command as the console script does, and end without tearing down all modules."""
    from convcli.cli import main

    try:
        main()
        code = None
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int | None):
        sys.exit(code)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    import_the_program()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    run_the_program()
