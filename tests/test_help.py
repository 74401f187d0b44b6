"""The help: what it says, that its examples run, and how it looks in a pipe and on a terminal."""

import re
import shlex
import subprocess
import sys

import pytest
import typer
from support.command_line import ENVIRONMENT, TIMEOUT, convcli, terminal
from typer.testing import CliRunner

from convcli.cli.app import app
from convcli.cli.help import help_page
from convcli.cli.options import Panel

GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands
# Only the command help has no results, and needs no options for them.
OPTIONS_OF_ALL = {name: {"--json", "-q", "-v"} for name in COMMANDS} | {"help": set()}
PROBE = """
import sys
from convcli.cli import main
try:
    main()
finally:
    print(*sorted({"numpy", "PIL", "rich"} & set(sys.modules)), file=sys.stderr)
"""


def page_of(name):
    """Return the help of a command, or of the program for an empty name."""
    root = typer.Context(GROUP, info_name="convcli")
    return help_page(typer.Context(COMMANDS[name], parent=root, info_name=name) if name else root)


PAGES = {name: page_of(name) for name in ("", *COMMANDS)}
EXAMPLES = list(dict.fromkeys(example for page in PAGES.values() for example in page.examples))


def help_text(name, monkeypatch, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = CliRunner().invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    return shown.stdout


@pytest.mark.parametrize("arguments", ["--version", "--help", "apply --help"])
def test_help_and_version_import_nothing_heavy(arguments):
    command = [sys.executable, "-c", PROBE, *arguments.split()]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr.split()) == (0, [])
    assert done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_every_help_has_examples_of_its_command_that_fit_a_line(name):
    examples = PAGES[name].examples
    assert len(examples) > 1
    assert {example.split()[1] for example in examples} == {name} or not name
    assert [example for example in examples if len(example) > 78] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_in_the_help_run_anywhere(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, shlex.split(example)[1:]).exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option(name, monkeypatch):
    flags = {flag for parameter in COMMANDS[name].params for flag in parameter.opts if flag.startswith("-")}
    assert flags >= OPTIONS_OF_ALL[name]
    rows = re.findall(r"^ {2}(?:(-\w), |    )(--[\w-]+)", help_text(name, monkeypatch), re.MULTILINE)
    assert flags | {"-h", "--help"} == {flag for row in rows for flag in row if flag}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_a_panel(name):
    panels = {parameter.opts[0]: parameter.rich_help_panel for parameter in COMMANDS[name].params}
    assert [option for option, panel in panels.items() if option.startswith("-") and panel not in list(Panel)] == []


def test_panels_come_in_one_order():
    panels = list(Panel)
    orders = [[each.heading for each in page.sections if each.heading in panels] for page in PAGES.values()]
    assert [order for order in orders if order != [panel for panel in panels if panel in order]] == []
    assert PAGES["apply"].sections[1].heading == "Kernel and geometry"


def test_the_usage_names_what_every_call_needs():
    assert PAGES["apply"].usage == "convcli apply [IMAGE...] -k KERNEL [OPTIONS]"
    assert PAGES["grad"].usage == "convcli grad IMAGE... -k KERNEL [OPTIONS]"
    assert PAGES["kernels"].usage == "convcli kernels [NAME] [OPTIONS]"
    assert PAGES[""].usage == "convcli COMMAND [ARGS]..."


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("apply", "V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]"),
        ("grad", "G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]"),
        ("matrix", "vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G)"),
        ("plan", "output = floor((n + pads - d*(k-1) - 1) / s) + 1"),
    ],
)
def test_help_shows_the_formula(name, formula, monkeypatch):
    assert formula in " ".join(help_text(name, monkeypatch).split())


@pytest.mark.parametrize("columns", [60, 80, 100, 1000])
@pytest.mark.parametrize("name", PAGES)
def test_lines_are_as_wide_as_columns_says(name, columns, monkeypatch):
    page, text = PAGES[name], help_text(name, monkeypatch, columns)
    assert text.isascii()
    lines = [line for line in text.splitlines() if line.strip() not in page.examples]
    assert max(map(len, lines)) <= min(columns, 120)
    assert all(line == line.rstrip() for line in lines)


def test_wider_columns_give_fewer_lines(monkeypatch):
    counts = [len(help_text("apply", monkeypatch, columns).splitlines()) for columns in (60, 80, 120)]
    assert counts == sorted(set(counts), reverse=True)


def test_a_pipe_gets_the_plain_text_of_the_terminal(tmp_path):
    """The terminal shows the text of the pipe, with bold headings and coloured names; NO_COLOR leaves them out."""
    plain = convcli("apply", "-h", cwd=tmp_path).out.decode()
    code, shown, err = terminal("apply", "-h", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert re.search("\x1b\\[1mPictures\x1b\\[0m\r\n  \x1b\\[36m    --gray\x1b\\[0m", shown)
    assert re.sub("\x1b\\[\\d+m", "", shown).replace("\r\n", "\n") == plain
    assert terminal("apply", "-h", cwd=tmp_path, NO_COLOR="1")[1].replace("\r\n", "\n") == plain


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("kernels", "  gaussian:sigma=1,radius=int(4*sigma+0.5),sigma_y=sigma,sigma_x=sigma,angle=0"),
        ("kernels gaussian", "  1.8e-08 5.9e-07 7.2e-06 3.2e-05 5.3e-05 3.2e-05 7.2e-06 5.9e-07 1.8e-08"),
        (
            "plan --input-shape 3,40,50 -k gaussian",
            "winograd  F(2x2,3x3) is for 3x3 kernels at stride 1 and dilation 1",
        ),
    ],
)
def test_tables_fit_a_terminal_of_80_columns(arguments, shown, tmp_path):
    code, text, err = terminal(*arguments.split(), cwd=tmp_path, NO_COLOR="1")
    lines = text.split("\r\n")
    assert (code, err, max(map(len, lines)) <= 80) == (0, "", True)
    # The width of a column depends on which algorithms are refused.
    assert shown in [re.sub(" {2,}", "  ", line) for line in lines]
