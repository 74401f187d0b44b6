"""Write tables into the documentation, with the machine that they were measured on."""

from datetime import date
from pathlib import Path

from convcli.engine import MACHINE
from convcli.engine.threads import available_threads

START, END = "<!-- benchmarks: written by python -m {} --write -->", "<!-- end of benchmarks -->"


def measured_on(versions: str) -> str:
    """Return a line with the date, the machine and the versions."""
    machine = MACHINE.rpartition(",")[0]
    return f"Measured on {date.today()}: {machine}; {available_threads()} threads for every program; {versions}."


def replace_table(path: Path, module: str, lines: list[str]) -> None:
    """Replace the table that this module wrote into a document before."""
    start = START.format(module)
    before, _, rest = path.read_text().partition(start)
    _, _, after = rest.partition(END)
    path.write_text("\n".join([f"{before}{start}", "", *lines, "", f"{END}{after}"]))
