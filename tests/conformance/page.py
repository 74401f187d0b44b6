"""Read the tables of the documentation that the tests run."""

import re

from support.pages import page, table


def rows(name, heading):
    """Return the cells of the table under a heading of a page, without the table's head."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", page(f"docs/{name}.md"), re.DOTALL | re.MULTILINE)[
        1
    ]
    return table(section)
