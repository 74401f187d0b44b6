"""The development tasks, each in an environment of its own: ``nox -l`` lists them, ``nox -s lint`` runs one.

nox and not just, because pip installs it and it builds the environments too.
"""

from glob import glob

import nox

nox.options.sessions = ["lint", "types", "test"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.needs_version = ">=2024.4.15"


@nox.session(python=["3.11", "3.12", "3.13"])
def test(session: nox.Session) -> None:
    """Run the fast tests, or those that pytest's arguments after ``--`` name."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the annotations of the package, the benchmarks and the site's builder."""
    session.install(".[dev]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Run the commands in the documentation and compare what they print, slow ones included."""
    session.install(".[onnx,test]")
    files = sorted(glob("tests/test_docs*.py"))
    session.run("pytest", "-m", "not conformance and not browser", *files, *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation site in build/site, with warnings and broken links as errors."""
    session.install("-e", ".[docs]")
    session.run("python", "-m", "website")


@nox.session
def bench(session: nox.Session) -> None:
    """Print the table of docs/performance.md for this machine; name rows after ``--`` to run only those."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
