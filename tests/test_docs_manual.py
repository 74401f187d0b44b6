"""The manual page holds what the help holds, and man shows it."""

import re
import shutil
import subprocess

import pytest
import typer
from support.command_line import ENVIRONMENT, TIMEOUT
from support.pages import ROOT

from convcli.cli.app import app
from convcli.cli.manual import manual

PAGE = ROOT / "docs" / "convcli.1"
COMMANDS = typer.main.get_command(app).commands


def test_the_page_is_up_to_date():
    """If this fails after a change of an option: python -m convcli.cli.manual > docs/convcli.1."""
    assert PAGE.read_text() == manual()


def test_the_page_has_every_command_and_option():
    text = manual()
    headings = re.findall(r"^\.SS (.*)", text, re.MULTILINE)
    assert headings[: len(COMMANDS)] == list(COMMANDS)
    listed = set(re.findall(r"\\-\\-[\w\\-]+|(?<=\.B )\\-\w", text.partition(".SH OPTIONS")[2]))
    flags = {flag for command in COMMANDS.values() for each in command.params for flag in each.opts if flag[0] == "-"}
    assert {flag.replace("-", r"\-") for flag in flags} <= listed


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_has_no_warnings():
    command = ["mandoc", "-Tlint", "-Wwarning", PAGE]
    told = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT).stdout.splitlines()
    # A date would have to be changed by hand.
    assert [line for line in told if "missing date" not in line] == []


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_shows_the_page():
    command = ["man", "--local-file", "--pager=cat", "--warnings", PAGE]
    env = ENVIRONMENT | {"MANWIDTH": "80", "LC_ALL": "C"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout
    assert "convcli apply [IMAGE...] -k KERNEL [OPTIONS]" in shown
    assert "       -k, --kernel KERNEL\n" in shown
    assert "         convcli apply sample:rocket -k '1 2 1; 2 4 2; 1 2 1' --normalize -o" in shown
