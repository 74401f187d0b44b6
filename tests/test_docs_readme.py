"""The README says what the programs say: the commands run, and the numbers are those of the benchmarks."""

import runpy

from support.pages import ROOT, page

README = page("README.md")


def benchmarks_in(text):
    """Return the lines of the table that the benchmarks wrote into a page."""
    return text.partition("<!-- benchmarks: ")[2].partition("-->\n\n")[2].partition("\n\n<!-- end of benchmarks")[0]


def test_the_speed_table_holds_rows_of_the_page_about_performance():
    """Both tables are written by python -m benchmarks --write."""
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    chosen = script["readme_table"](benchmarks_in(page("docs/performance.md")).splitlines())
    assert benchmarks_in(README).splitlines() == chosen
    assert all(any(title in line for line in chosen) for title in script["ROWS"].values())
