"""Run commands with the rights of an ordinary user, and with those to mount, whoever runs the tests."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import CONVCLI, Result, run_command, shell

# Takes two capabilities from root for good: to read and to write what permissions forbid.
_AS_ORDINARY_USER = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
if os.geteuid() == 0:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit("the capabilities of root cannot be dropped")
os.execv(sys.argv[1], sys.argv[1:])
"""


def convcli_as_user(*arguments: str, cwd: Path) -> Result:
    """Run the program as a user whom permissions bind, also if root runs the tests."""
    return run_command([sys.executable, "-c", _AS_ORDINARY_USER, str(CONVCLI), *arguments], cwd, subprocess.DEVNULL, {})


def shell_with_mounts(script: str, cwd: Path) -> Result:
    """Run a bash script that may mount; mounts end with it. Skip the test if the system does not allow it."""
    enter = ["unshare", "--mount", *["--map-root-user"] * (os.geteuid() != 0)]
    try:
        subprocess.run([*enter, "mount", "-t", "tmpfs", "tmpfs", str(cwd)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount, or has no unshare")
    return shell(f"exec {shlex.join(enter)} bash -c {shlex.quote(script)}", cwd)
