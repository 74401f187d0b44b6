"""Run commands of the program one after the other in one process, each with its own descriptors.

Run by ``many_commands``, which says over stdin what to run, and is told over stdout what came of it.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import typer.main

# Seconds for one command, after which it counts as endless.
SECONDS = 30
LARGEST_FILE = 64 << 20


def serve(main, requests, answers):
    """Run the command in each line of JSON, and answer with a line of JSON."""

    # Building the commands again takes longer than running one.
    typer.main.get_command = cache(typer.main.get_command)
    for line in requests:
        request = json.loads(line)
        os.chdir(request["folder"])
        sys.argv = ["convcli", *request["arguments"]]
        answers.write(json.dumps(run(main, request["stdin"].encode("latin-1"))) + "\n")
        answers.flush()


def run(main, stdin):
    """Return exit code, stdout and stderr of one command; a command that does not end ends the process."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = stack.enter_context(open(0, closefd=False))
        sys.stderr = stack.enter_context(open(2, "w", closefd=False))
        signal.alarm(SECONDS)
        code = exit_code(main)
        signal.alarm(0)
        sys.stdout.flush()
        return {"code": code, "out": contents(files[1]), "err": contents(files[2])}


def exit_code(main):
    """Return the exit code that the interpreter would have: for an exception 1, with a traceback on stderr."""
    try:
        main()
        return 0
    except SystemExit as end:
        return 0 if end.code is None else int(end.code)
    except BaseException:
        traceback.print_exc()
        return 1


def contents(file):
    file.seek(0)
    return file.read().decode("latin-1")


def taken():
    """Return the bytes of writable memory, as the limit counts them."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


if __name__ == "__main__":
    # Libraries announce future changes by these warnings.
    warnings.simplefilter("ignore", DeprecationWarning)
    # Answers go to the original stdout: the commands get other files.
    channels = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    beyond = int(sys.argv[1])
    from convcli.cli import main

    sys.argv = ["convcli", "apply", "[[1]]", "-k", "box", "-f", "npy", "-o", "-"]
    run(main, b"")
    limit = taken() + beyond
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    serve(main, *channels)
