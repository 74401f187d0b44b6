"""The files for contributors agree with the package and with one another."""

import re
import tomllib
from pathlib import Path

import pytest
from test_layers import FLOORS

from convcli import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_changelog_ends_at_the_version():
    """The Unreleased section comes first, and the newest release is the version of the package."""
    headings = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_the_changelog_uses_the_headings_of_keep_a_changelog():
    headings = set(re.findall(r"^### (.+)", CHANGELOG, re.MULTILINE))
    assert headings <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_pythons_that_are_named_are_tested():
    prefix = "Programming Language :: Python :: 3."
    named = [name.removeprefix(prefix) for name in PROJECT["classifiers"] if name.startswith(prefix)]
    tested = re.search(r"python=\[(.*?)\]", (ROOT / "noxfile.py").read_text())[1]
    assert re.findall(r"3\.(\d+)", tested) == named
    assert PROJECT["requires-python"] == f">=3.{named[0]}"


DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_links_lead_to_files_and_headings():
    links = {
        (path.parent / target if target else path, heading, path.name)
        for path in DOCUMENTS
        for target, heading in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", without_code(path.read_text()))
    }
    assert len(links) > 20
    broken = {(source, target.name) for target, heading, source in links if not leads_somewhere(target, heading)}
    assert broken == set()


def leads_somewhere(target, heading):
    return target.exists() and (not heading or heading in anchors(target))


def anchors(page):
    """Return the names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def without_code(text):
    return re.sub(r"`[^`]*`", "", text)


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def table(head):
    """Return the rows of the table in the architecture page whose head begins with this cell."""
    lines = ARCHITECTURE.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [line.strip("| ").split(" | ") for line in lines]


def names(cell):
    """Return what a cell has in backquotes."""
    return re.findall(r"`(.*?)`", cell)


def test_the_architecture_page_has_the_floors():
    assert [set(names(rooms)) for _, rooms in table("floor")] == FLOORS


def test_the_architecture_page_describes_every_room():
    rooms = [name.partition(".")[0].strip("/") for cell, _ in table("room") for name in names(cell)]
    assert sorted([*rooms, "__main__"]) == sorted(set().union(*FLOORS))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_paths_that_are_named_exist(page):
    paths = set(re.findall(r"`((?:[\w.]+/)+(?:[\w.]+)?)`", (ROOT / page).read_text()))
    missing = {path for path in paths if not (ROOT / path).exists() and not (ROOT / "convcli" / path).exists()}
    assert missing == set()
