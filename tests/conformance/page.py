"""The tables of docs/conformance.md, which are what the tests run."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def rows(heading):
    """The cells of the table under a heading, without the table's own head."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    lines = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def codes(cell):
    """What a cell has in backticks."""
    return re.findall(r"`(.*?)`", cell)
