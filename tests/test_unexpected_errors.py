"""Errors that convcli does not raise on purpose: one line, and of a batch the other files are processed."""

import os

import numpy as np
import pytest
from support.command_line import without_results
from typer.testing import CliRunner

from convcli.apply import batch, dry_run
from convcli.cli.app import app
from convcli.errors import ClusterError, FileError, OptionError, UnexpectedError, as_convcli_error

REPORT = "; please report it, with what CONVCLI_TRACEBACK=1 shows"


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        np.save(f"{name}.npy", np.zeros((1, 9, 9), np.uint8))


def run(arguments):
    return CliRunner().invoke(app, arguments.split())


def breaking(function, error):
    """Return the function, which fails for b.npy."""

    def broken(first, *rest):
        if "b.npy" in str(getattr(first, "name", getattr(first, "frame", ""))):
            raise error
        return function(first, *rest)

    return broken


ERRORS = [
    (
        TypeError("'int' object is not subscriptable"),
        f"b.npy: unexpected TypeError: 'int' object is not subscriptable{REPORT}",
    ),
    (ZeroDivisionError("division by zero"), f"b.npy: unexpected ZeroDivisionError: division by zero{REPORT}"),
    (EOFError(), f"b.npy: unexpected EOFError: EOFError{REPORT}"),
    (RecursionError("too deep"), f"b.npy: unexpected RecursionError: too deep{REPORT}"),
    (MemoryError("1 GB"), "not enough memory for b.npy: 1 GB"),
    (OSError(24, "Too many open files", "x.so"), "cannot open x.so: Too many open files"),
    (BrokenPipeError(32, "Broken pipe"), "cannot open b.npy: Broken pipe"),
    (
        RuntimeError("can't start new thread"),
        "cannot start a thread: use smaller --jobs and --threads, or raise the limit (ulimit -u)",
    ),
    (ImportError("no memory", name="numpy"), "cannot load numpy: no memory"),
]


@pytest.mark.parametrize(("error", "message"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_file_is_one_line(error, message, jobs, images, monkeypatch):
    monkeypatch.setattr(batch, "read_image", breaking(batch.read_image, error))
    done = run(f"apply a.npy b.npy c.npy -k box -o {{stem}}.png -j {jobs}")
    err, result = without_results(done.stderr)
    assert (done.exit_code, err) == (1, f"convcli: error: {message}\n")
    assert result.startswith("convcli: error: 2 written, 1 failed in ")
    assert sorted(os.listdir()) == ["a.npy", "a.png", "b.npy", "c.npy", "c.png"]


def test_an_error_of_a_header_is_one_line(images, monkeypatch):
    monkeypatch.setattr(dry_run, "read_header", breaking(dry_run.read_header, TypeError("a float")))
    done = run("apply a.npy b.npy c.npy -k box -o {stem}.png --dry-run")
    first, last = done.stderr.splitlines()
    assert (done.exit_code, first) == (1, f"convcli: error: b.npy: unexpected TypeError: a float{REPORT}")
    assert last.startswith("convcli: dry run: 2 outputs, ")
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["a.npy", "c.npy"]


def test_an_error_of_the_only_image_is_the_only_line(images, monkeypatch):
    monkeypatch.setattr(dry_run, "read_header", breaking(dry_run.read_header, TypeError("a float")))
    done = run("apply b.npy -k box --dry-run")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"convcli: error: b.npy: unexpected TypeError: a float{REPORT}\n"


def test_a_header_that_breaks_the_check_of_names_breaks_its_own_file(images, monkeypatch):
    monkeypatch.setattr(batch, "read_header", breaking(batch.read_header, TypeError("a float")))
    assert run("apply a.npy b.npy c.npy -k box -o {stem}.png").exit_code == 0


def test_an_error_of_a_command_is_one_line(images, monkeypatch):
    monkeypatch.setattr("convcli.cli.inputs.read_image", breaking(None, ZeroDivisionError("division by zero")))
    done = run("grad b.npy -k box")
    assert (done.exit_code, done.stderr) == (
        1,
        f"convcli: error: unexpected ZeroDivisionError: division by zero{REPORT}\n",
    )


@pytest.mark.parametrize(
    ("command", "error"),
    [("apply b.npy -k box -o b.png", "TypeError: a float"), ("apply absent.npy -k box -o b.png", "FileNotFoundError")],
)
def test_the_switch_shows_the_traceback_before_the_line(command, error, images, monkeypatch):
    monkeypatch.setattr(batch, "read_image", breaking(batch.read_image, TypeError("a float")))
    quiet = run(command)
    monkeypatch.setenv("CONVCLI_TRACEBACK", "1")
    done = run(command)
    *traceback, line = done.stderr.splitlines(keepends=True)
    assert (quiet.exit_code, quiet.stderr) == (done.exit_code, line) == (1, line)
    assert traceback[0] == "Traceback (most recent call last):\n"
    assert error in "".join(traceback)


@pytest.mark.parametrize("error", [FileError("a"), OptionError("a", option="b"), ClusterError("a")])
def test_an_error_of_convcli_stays_as_it_is(error):
    assert as_convcli_error(error, "x.png") is error


def test_an_unexpected_error_is_the_cause():
    cause = TypeError("a\nb")
    error = as_convcli_error(cause)
    assert (type(error), str(error), error.__cause__) == (UnexpectedError, "unexpected TypeError: a b", cause)
