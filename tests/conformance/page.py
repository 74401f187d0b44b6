"""Read the tables of docs/conformance.md, which the tests run."""

import re

from support.pages import page, table

PAGE = page("docs/conformance.md")


def rows(heading):
    """Return the cells of the table under a heading, without the table's head."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    return table(section)
