"""What shells complete: commands, options, presets, the words of options, and files."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import typer
from support.command_line import ENVIRONMENT, TIMEOUT, shell
from typer.testing import CliRunner

from convcli.cli.app import app
from convcli.cli.completion import COMPLETE, SHELLS, completion_script
from convcli.geometry.fills import FILLS
from convcli.geometry.options import PADDING_RULES
from convcli.kernels.catalogue import PRESETS
from convcli.kernels.magnitudes import MAGNITUDES

SAMPLE_NAMES = ["astronaut", "camera", "coffee", "portrait", "rocket"]


def completed(*words: str) -> list[str]:
    """Return what the last word may become."""
    shown = CliRunner().invoke(app, words, env={COMPLETE: "1"})
    assert shown.exit_code == 0
    return [line.partition("\t")[0] for line in shown.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ap"], ["apply"]),
        (["help", "ma"], ["matrix"]),
        (["apply", "--ra"], ["--range"]),
        (["apply", "a.png", "-k", "gau"], ["gaussian", "gaussian-derivative"]),
        (["apply", "-k", "box", "-k", "SHARP"], []),
        (["kernels", "kir"], ["kirsch"]),
        (["apply", "-p", ""], list(PADDING_RULES)),
        (["grad", "a.png", "-e", ""], [fill.removesuffix("VALUE") for fill in FILLS]),
        (["apply", "--edge=re"], ["--edge=replicate", "--edge=reflect"]),
        (["apply", "--range", "m"], ["minmax"]),
        (["matrix", "--layout", "n"], ["nchw", "nhwc"]),
        (["kernels", "--kernel-layout", "o"], ["oihw", "ohwi"]),
        (["grad", "--wrt", "dK,d"], ["dK,dV", "dK,db"]),
        (["explain", "--of", "d"], ["dK", "dV", "db"]),
        (["explain", "-f", "m"], ["markdown"]),
        (["apply", "-f", "jpe"], ["jpeg", "jpeg2000"]),
        (["grad", "-f", "np"], ["npz", "npy"]),
        (["apply", "--alpha", "p"], ["premultiply"]),
        (["apply", "--combine", "ma"], ["magnitude", "max"]),
        (["plan", "--algorithm", "to"], ["toeplitz"]),
        (["check", "-G", "n"], ["normal:"]),
        (["--show-completion", ""], list(SHELLS)),
        (["apply", "sample:c"], ["sample:camera", "sample:coffee"]),
        (["apply", ""], []),
        (["apply", "a.png", "-o", "a"], []),
    ],
)
def test_words_are_completed(words: list[str], expected: list[str]) -> None:
    assert completed(*words) == expected


def test_every_preset_is_completed_with_what_it_does() -> None:
    shown = CliRunner().invoke(app, ["apply", "-k", ""], env={COMPLETE: "1"})
    texts = dict(line.split("\t") for line in shown.stdout.splitlines())
    assert texts == {name: each.summary for name, each in (*MAGNITUDES.items(), *PRESETS.items())}


def test_files_are_offered_with_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell completes files by itself only if it is offered nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sand.png").touch()
    (tmp_path / "samples").mkdir()
    assert completed("apply", "sa") == [*(f"sample:{name}" for name in SAMPLE_NAMES), "sand.png", "samples/"]
    assert completed("apply", "san") == []


def test_every_option_with_words_has_some() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {
        parameter.opts[0]: name
        for name, command in commands.items()
        for parameter in command.params
        if parameter._custom_shell_complete and parameter.param_type_name == "option"
    }
    assert len(options) > 10
    assert [option for option, name in options.items() if not completed(name, option, "")] == []


def test_presets_are_completed_without_numpy_and_pillow() -> None:
    script = (
        "import sys\nfrom convcli.cli import main\ntry:\n    main()\nfinally:\n"
        "    print(*{'numpy', 'PIL', 'rich'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, "apply", "-k", "gau"]
    done = subprocess.run(command, env=ENVIRONMENT | {COMPLETE: "1"}, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr.strip(), len(done.stdout.splitlines())) == (0, "", 2)


@pytest.mark.parametrize(
    ("words", "given", "answer", "replies"),
    [
        ("apply sample : a", "apply sample:a", "sample:astronaut", "astronaut"),
        ("apply sample :", "apply sample:", "sample:astronaut", "astronaut"),
        ("apply --edge = re", "apply --edge=re", "--edge=reflect", "reflect"),
        ("apply -k ga", "apply -k ga", "gaussian", "gaussian"),
        ("apply a.png sa", "apply a.png sa", "sample:camera", "sample:camera"),
        ("apply a.png -o a", "apply a.png -o a", "", ""),
    ],
)
def test_bash_gives_the_words_that_it_separates_at_colons(
    words: str, given: str, answer: str, replies: str, tmp_path: Path
) -> None:
    """The program, here a function, is given whole words; bash keeps what stands before the last colon."""
    script = f"""
        program() {{ echo "$*" >&3; [[ -n "{answer}" ]] && printf '%s\\ttext\\n' "{answer}"; }}
        COMP_WORDS=(convcli {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _convcli program 3>&1; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = shell(completion_script("bash").decode() + script, tmp_path)
    assert result.out.decode().splitlines() == [given, replies]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(tmp_path: Path) -> None:
    (tmp_path / "sand.png").touch()
    lines = ["apply -k gau", "apply --edge=re", "apply a.png -o san", "hel"]
    script = "; ".join(
        ["convcli --show-completion fish | source", *(f"complete -C 'convcli {line}'" for line in lines)]
    )
    done = subprocess.run(
        ["fish", "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
    )
    words = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert words == ["gaussian", "gaussian-derivative", "--edge=reflect", "--edge=replicate", "sand.png", "help"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize("autoloaded", [True, False])
def test_zsh_completes(tmp_path: Path, autoloaded: bool) -> None:
    (tmp_path / "sand.png").touch()
    save = "mkdir f; convcli --show-completion zsh > f/_convcli; fpath+=f; autoload -Uz compinit; compinit -u -D"
    source = 'autoload -Uz compinit; compinit -u -D; eval "$(convcli --show-completion zsh)"'
    with Zsh(tmp_path) as zsh:
        zsh.type(f"{save if autoloaded else source}; print rea''dy\n", "ready")
        zsh.type("convcli apply sample:as\t", "sample:astronaut")
        zsh.type("-k gaussian-\t", "gaussian-derivative")
        zsh.type("--edge=refl\t", "--edge=reflect")
        zsh.type("-e cons\t", "constant:")
        zsh.type("1 -o san\t", "sand.png")


class Zsh:
    """An interactive zsh in a terminal."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 200, 0, 0))
        given = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "cwd": folder, "start_new_session": True}
        self._process = subprocess.Popen(["zsh", "-f", "-i"], env=ENVIRONMENT, **given)  # type: ignore[call-overload]
        os.close(theirs)

    def __enter__(self) -> "Zsh":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, keys: str, expected: str) -> None:
        """Type keys, and wait until the terminal shows the expected text."""
        os.write(self._ours, keys.encode())
        shown, end = b"", time.monotonic() + TIMEOUT
        while expected not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f]", "", shown.decode(errors="replace")):
            assert time.monotonic() < end, shown
            if select.select([self._ours], [], [], 1)[0]:
                shown += os.read(self._ours, 65536)
