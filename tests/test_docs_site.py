"""The documentation site leads to every page, every command and every public name; broken links in it are found."""

import re
import runpy
import tomllib

import pytest
import typer.main
from support.pages import ROOT, page

import convcli
from convcli.cli.app import app

NAVIGATION = tomllib.loads(page("zensical.toml"))["project"]["nav"]
REFERENCE = runpy.run_path(str(ROOT / "website" / "reference.py"))
COMMANDS, PYTHON = REFERENCE["command_pages"](), REFERENCE["python_pages"]()
faults = runpy.run_path(str(ROOT / "website" / "links.py"))["faults"]


def pages_of(entry):
    """Return the pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in pages_of(each)]


def test_every_page_is_in_the_navigation_once():
    written = [path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]]
    assert sorted(pages_of(NAVIGATION)) == sorted([*written, *(f"reference/{name}" for name in COMMANDS | PYTHON)])


def test_every_option_of_every_command_is_in_the_reference():
    commands = typer.main.get_command(app).commands
    assert [f"{name}.md" for name in commands] == [*COMMANDS]
    for name, command in commands.items():
        for parameter in command.params:
            missing = [each for each in parameter.opts if each.startswith("-") and each not in COMMANDS[f"{name}.md"]]
            assert missing == []


def test_every_public_name_is_in_the_reference_once():
    names = re.findall(r"^::: convcli\.(\w+)$", "\n".join(PYTHON.values()), re.MULTILINE)
    assert sorted([*names, "__version__"]) == sorted(convcli.__all__)


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="two.html#place">', None),
        ('<a href="#here">', None),
        ('<a href="../site/two.html">', None),
        ('<a href="/two.html">', None),
        ('<a href="https://example.com/">', None),
        ('<img src="data:image/png;base64,">', None),
        ('<a href="three.html">', "one.html: no such file: three.html"),
        ('<img src="pictures/none.png">', "one.html: no such file: pictures/none.png"),
        ('<a href="two.html#here">', "one.html: no such place in the page: two.html#here"),
        ('<a href="#place">', "one.html: no such place in the page: #place"),
        ('<p id="here">', "one.html: several places are named here"),
        ('<script src="https://example.com/a.js">', "one.html: is loaded from elsewhere: https://example.com/a.js"),
        ('<link href="//example.com/a.css">', "one.html: is loaded from elsewhere: //example.com/a.css"),
    ],
)
def test_links_that_lead_nowhere_are_found(tmp_path, element, fault):
    site = tmp_path / "site"
    site.mkdir()
    (site / "one.html").write_text(f'<p id="here">{element}')
    (site / "two.html").write_text('<p id="place">')
    assert list(faults(site)) == [fault] * bool(fault)
