"""A command in a fork of a warm process gives what it gives in a new interpreter."""

import subprocess
import sys

import pytest
from support.command_line import CONVCLI, ENVIRONMENT, npy, run_command
from support.warm_process import WarmProcess


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess(ENVIRONMENT, timeout=20)
    yield process
    process.stop()


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["apply", "-", "-k", "box", "-o", "-", "-f", "png"], npy([[1, 2], [3, 4]])),
        (["grad", "absent.npy", "-k", "box"], subprocess.DEVNULL),
        (["apply", "x.npy", "-k", "bóx"], b"not read"),
    ],
    ids=["bytes", "failure", "wrong request"],
)
def test_the_same_bytes_and_exit_code(warm, tmp_path, arguments, stdin):
    command = [str(CONVCLI), *arguments]
    done, cold = warm.run(command, tmp_path, stdin), run_command(command, tmp_path, stdin, {})
    assert (done.returncode, done.stdout, done.stderr.decode()) == (cold.code, cold.out, cold.err)


def test_a_command_leaves_nothing_to_the_next(warm, tmp_path):
    (tmp_path / "folder").mkdir()
    assert warm.run([str(CONVCLI), "kernels", "box", "-o", "k.json"], tmp_path / "folder", b"").returncode == 0
    assert (tmp_path / "folder" / "k.json").exists()
    assert warm.run([str(CONVCLI), "plan"], tmp_path, b"").returncode == 2
    assert warm.run([str(CONVCLI), "kernels", "box"], tmp_path, b"").stdout.startswith(b"# box")


def test_a_command_that_does_not_end_is_killed(tmp_path):
    """The command waits for a stdin that stays open."""
    impatient = WarmProcess(ENVIRONMENT, timeout=1)
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
        pytest.raises(subprocess.TimeoutExpired, match=r"timed out after 1 seconds"),
    ):
        impatient.run([str(CONVCLI), "apply", "-", "-k", "box"], tmp_path, other.stdout.fileno())
