"""The files for contributors agree with the package and with one another."""

import re
import tomllib

import pytest
from support.pages import ROOT, codes, page, table
from test_layers import FLOORS

from convcli import __version__
from convcli.engine import CONVOLUTIONS
from convcli.geometry.fills import COPYING_RULES
from convcli.geometry.options import Options

PROJECT = tomllib.loads(page("pyproject.toml"))["project"]
CHANGELOG = page("CHANGELOG.md")


def test_the_newest_release_is_the_version():
    """The Unreleased section comes first, and the newest release is the version of the package."""
    headings = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_the_changelog_uses_the_headings_of_keep_a_changelog():
    headings = set(re.findall(r"^### (.+)", CHANGELOG, re.MULTILINE))
    assert headings <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_named_pythons_are_tested():
    prefix = "Programming Language :: Python :: 3."
    named = [name.removeprefix(prefix) for name in PROJECT["classifiers"] if name.startswith(prefix)]
    tested = re.search(r"python=\[(.*?)\]", page("noxfile.py"))[1]
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


def test_every_page_is_linked_from_another_and_says_where_to_read_on():
    pages = {path.name: without_code(path.read_text()) for path in ROOT.glob("docs/*.md")}
    linked = {(name, target) for name in pages for target in re.findall(r"\]\(([\w-]+\.md)", pages[name])}
    assert {target for name, target in linked if name != target} >= set(pages)
    endings = {name: text.rpartition("\n## ")[2] for name, text in pages.items()}
    assert {name for name, text in endings.items() if not text.startswith("Where to read on\n")} <= NO_FURTHER_READING


def test_no_cell_of_a_table_lists_tests():
    """A cell names at most one test; several are named in a footnote, or in rows of their own."""
    rows = [row for path in DOCUMENTS for row in re.findall(r"^\|.*\|$", path.read_text(), re.MULTILINE)]
    assert len(rows) > 500
    assert [cell for row in rows for cell in row.split(" | ") if len(re.findall(r"`[\w/.]*test_\w+", cell)) > 1] == []


# The lesson ends with references, and a page for contributors with a recipe.
NO_FURTHER_READING = {"architecture.md", "mathematics.md"}


def leads_somewhere(target, heading):
    return target.exists() and (not heading or heading in anchors(target))


def anchors(path):
    """Return the names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def without_code(text):
    return re.sub(r"`[^`]*`", "", text)


ARCHITECTURE = page("docs/architecture.md")


def table_headed(first):
    """Return the rows of the table in the architecture page whose head begins with this cell."""
    start = ARCHITECTURE.index(f"| {first} |")
    return table(ARCHITECTURE[start:])


def test_the_architecture_page_has_the_floors():
    assert [set(codes(rooms)) for _, rooms in table_headed("floor")] == FLOORS


def test_the_architecture_page_describes_every_room():
    rooms = [name.partition(".")[0].strip("/") for cell, _ in table_headed("room") for name in codes(cell)]
    assert sorted([*rooms, "__main__"]) == sorted(set().union(*FLOORS))


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_named_paths_exist(name):
    paths = set(re.findall(r"`((?:[\w.]+/)+(?:[\w.]+)?)`", page(name)))
    missing = {path for path in paths if not (ROOT / path).exists() and not (ROOT / "convcli" / path).exists()}
    assert missing == set()


RECIPES = {"An algorithm": CONVOLUTIONS, "An edge fill": COPYING_RULES, "A convolution option": Options._fields}


@pytest.mark.parametrize("title", RECIPES)
def test_names_are_listed_only_where_the_recipe_says(title):
    """A further list of all names would be one more file that an addition changes."""
    recipe = ARCHITECTURE.partition(f"**{title}.**")[2].partition("\n**")[0]
    files = {path.relative_to(ROOT / "convcli").as_posix(): path for path in (ROOT / "convcli").rglob("*.py")}
    texts = {name: path.read_text() for name, path in (files | {"README.md": ROOT / "README.md"}).items()}
    listing = {name for name, text in texts.items() if all(re.search(rf"\b{word}\b", text) for word in RECIPES[title])}
    assert listing
    assert listing <= set(codes(recipe))


HOOK = tomllib.loads(page("pyproject.toml"))["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]


def test_the_description_on_an_index_has_no_relative_links_and_no_pictures():
    """An index shows the README alone, without the files that its links lead to."""
    text = page("README.md")
    assert "](docs/" in text
    for each in HOOK["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    assert re.findall(r"\]\((?!https?://)[^)\n]*\)|<img|!\[", without_code(text)) == []
    assert "`fast` (compiled loops)" in text
    assert "two layers by hand" not in text


def test_the_conda_recipe_takes_version_and_dependencies_from_the_project():
    """conda-build runs the recipe as a template, with these two functions."""
    jinja2, yaml = pytest.importorskip("jinja2"), pytest.importorskip("yaml")
    recipe = ROOT / "packaging/conda"

    def load_file_data(name, from_recipe_dir, recipe_dir):
        return tomllib.loads((recipe_dir / name).read_text())

    def load_file_regex(name, pattern, from_recipe_dir, recipe_dir):
        return re.search(pattern, (recipe_dir / name).read_text())

    template = jinja2.Template((recipe / "meta.yaml").read_text(), undefined=jinja2.StrictUndefined)
    found = yaml.safe_load(
        template.render(
            load_file_data=load_file_data, load_file_regex=load_file_regex, RECIPE_DIR=recipe, PYTHON="python"
        )
    )
    assert found["package"]["version"] == __version__
    python, *others = found["requirements"]["run"]
    assert python == f"python {PROJECT['requires-python']}"
    assert others == [each.partition(";")[0] for each in PROJECT["dependencies"]]
    build = tomllib.loads(page("pyproject.toml"))["build-system"]["requires"]
    assert [each.replace(" ", "") for each in found["requirements"]["host"][2:]] == build
