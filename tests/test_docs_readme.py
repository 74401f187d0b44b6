"""The README says what the programs say: its commands run, and pictures and numbers are those that programs make."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys

import PIL.Image
import pytest
from support.command_line import convcli
from support.pages import ROOT, page

README = page("README.md")
BLOCKS = dict(re.findall(r"^## (.*)\n(?:(?!^##).*\n)*?```sh\n((?:.*\n)*?)```$", README, re.MULTILINE))
COMMANDS = [line for block in BLOCKS.values() for line in block.splitlines() if line.startswith("convcli ")]
PICTURES = ROOT / "docs" / "pictures"


def test_it_has_commands_for_every_reader():
    counts = {heading: len(block.splitlines()) for heading, block in BLOCKS.items()}
    readers = {"For photographers": 5, "For students": 3, "For ML engineers": 3}
    # These two commands are those that .ci/run and .ci/package run.
    assert counts == {"Install": 1, **readers, "Tests": 1}
    assert len(COMMANDS) == sum(readers.values())


def test_its_commands_run_and_give_something(tmp_path):
    # The command that installs convcli has written it.
    (tmp_path / "edges.png").touch()
    for command in COMMANDS:
        before = set(tmp_path.rglob("*"))
        result = convcli(*shlex.split(command, comments=True)[1:], cwd=tmp_path)
        written = [
            path for path in tmp_path.rglob("*") if path not in before and (path.is_dir() or path.stat().st_size)
        ]
        assert (command, result.code, bool(result.out or written)) == (command, 0, True), result.err


def test_its_lines_of_python_run():
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    names = {}
    exec(block, names)
    assert (names["Z"].shape, names["found"].input.shape) == ((4, 5, 5), names["V"].shape)


def benchmarks_in(text):
    """Return the lines of the table that the benchmarks wrote into a page."""
    return text.partition("<!-- benchmarks: ")[2].partition("-->\n\n")[2].partition("\n\n<!-- end of benchmarks")[0]


def test_the_speed_table_holds_rows_of_the_page_about_performance():
    """Both tables are written by python -m benchmarks --write."""
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    chosen = script["readme_table"](benchmarks_in(page("docs/performance.md")).splitlines())
    assert benchmarks_in(README).splitlines() == chosen
    assert all(any(title in line for line in chosen) for title in script["ROWS"].values())


def test_the_speed_table_has_no_rows_without_another_program():
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    lines = [f"| {name} | 4.6 | - | - | - | - |" for name in script["ROWS"]]
    assert script["readme_table"](["Measured.", *lines]) == [*script["HEADING"], "", "Measured."]


@pytest.mark.parametrize("name", re.findall(r'<img src="docs/pictures/(\S+)"', README))
def test_its_pictures_are_small(name):
    assert (PICTURES / name).stat().st_size < 500_000


@pytest.mark.slow
def test_the_terminal_shows_what_its_commands_print(tmp_path):
    """If this fails after a change of what a command prints: python docs/terminal.py."""
    script = runpy.run_path(str(ROOT / "docs" / "terminal.py"))
    with PIL.Image.open(PICTURES / "terminal.gif") as shown:
        assert shown.info["comment"].decode() == script["transcript"](script["played"](tmp_path))


@pytest.mark.browser
def test_the_script_takes_the_picture_of_the_page(tmp_path):
    pytest.importorskip("playwright", reason="without playwright: pip install playwright")
    if not shutil.which("chromium"):
        pytest.skip("without Chromium: apt-get install chromium")
    subprocess.run([sys.executable, ROOT / "docs" / "page_picture.py", tmp_path], check=True)
    with PIL.Image.open(PICTURES / "page.png") as stored, PIL.Image.open(tmp_path / "page.png") as taken:
        assert taken.size == stored.size
