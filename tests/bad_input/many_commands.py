"""Run thousands of command lines through the program's ``main``, in a killable process with little memory."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from support.command_line import ENVIRONMENT, Result, without_results

SERVER = Path(__file__).parent / "command_process.py"
MEMORY = 4 << 30
LONGEST_LINE = 4000
LINE = re.compile(r"convcli: (error|help|warning|note|loss|dry run|progress|interrupted): .*")


class Commands:
    """A process in which commands run one after the other; if a command ends it, a new one starts.

    memory: bytes that they may take beyond what the program takes by itself.
    """

    def __init__(self, folder, memory=MEMORY):
        self._folder, self._memory, self._process = folder, memory, None
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.kill()
            self._process.communicate()

    def run(self, *arguments, stdin=b"", cwd=None):
        """Return exit code, stdout and stderr. Fail if the command did not end, or crashed."""
        self.count += 1
        process = self._started()
        request = {
            "arguments": [os.fsdecode(each) for each in arguments],
            "stdin": stdin.decode("latin-1"),
            "folder": str(cwd or self._folder),
        }
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"ended by signal {-process.wait()}: {arguments}"
        found = json.loads(answer)
        out, err = (found[name].encode("latin-1") for name in ("out", "err"))
        return Result(found["code"], out, *without_results(err.decode()))

    def _started(self):
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, SERVER, str(self._memory)],
                cwd=self._folder,
                env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._process


def assert_well_mannered(result, arguments=()):
    """Assert success, or one line that gives the reason, without characters that a terminal would obey."""
    told = f"{arguments}\n{result.code}\n{result.err}"
    assert result.code in (0, 1, 2), told
    lines = result.err.splitlines()
    assert all(LINE.fullmatch(line) and line.isprintable() and len(line) < LONGEST_LINE for line in lines), told
    errors = [line for line in lines if line.startswith("convcli: error: ")]
    # A check that fails prints its result on stdout.
    assert len(errors) == (result.code != 0 and not result.out), told
