"""Read the pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """Return the text of a page, named from the root of the repository."""
    return (ROOT / name).read_text()


def table(text: str) -> list[list[str]]:
    """Return the cells of the rows of the first table in a text, without its head."""
    lines = re.search(r"(^\| .*\n?)+", text, re.MULTILINE)
    return [line.strip("| \n").split(" | ") for line in lines[0].splitlines()[2:]] if lines else []


def codes(cell: str) -> list[str]:
    """Return the texts of a cell that are in backquotes."""
    return re.findall(r"`(.*?)`", cell)
