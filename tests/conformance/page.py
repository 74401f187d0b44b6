"""Read the tables of docs/conformance.md, which the tests run."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def rows(heading):
    """Return the cells of the table under a heading, without the table's head."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    lines = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def codes(cell):
    """Return the texts of a cell that are in backquotes."""
    return re.findall(r"`(.*?)`", cell)
