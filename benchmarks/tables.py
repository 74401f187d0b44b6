"""Write tables into the documentation, with the machine that they were measured on."""

import os
import platform
from datetime import date
from pathlib import Path

import numpy as np

from convcli.engine.threads import describe_blas
from convcli.files.parallel import available_threads

START, END = "<!-- benchmarks: written by python -m {} --write -->", "<!-- end of benchmarks -->"
# They choose OpenBLAS's kernel in place of OpenBLAS, and can halve the speed of matrix products.
FORCING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def machine() -> str:
    """Return the processor, the version of NumPy, and the version and kernel of its BLAS."""
    # Other libraries bring a BLAS of their own.
    libraries = [found for found in describe_blas() if "numpy" in found["filepath"].lower()] or describe_blas()
    blas = ", ".join(
        f"{found['internal_api']} {found['version']} ({found.get('architecture', 'unknown kernel')})"
        for found in libraries
    )
    return f"{_processor()}, NumPy {np.__version__}, {blas}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def forced_kernel() -> str:
    """Return a warning if variables of the environment choose OpenBLAS's kernel; else empty text."""
    forced = " and ".join(f"{name}={os.environ[name]}" for name in FORCING if name in os.environ)
    if not forced:
        return ""
    return f"{forced} set OpenBLAS's kernel, which can halve the speed of products: unset them to measure"


def measured_on(versions: str) -> str:
    """Return a line with the date, the machine and the versions."""
    return f"Measured on {date.today()}: {machine()}; {available_threads()} threads for every program; {versions}."


def replace_table(path: Path, module: str, lines: list[str]) -> None:
    """Replace the table that this module wrote into a document before."""
    start = START.format(module)
    before, _, rest = path.read_text().partition(start)
    _, _, after = rest.partition(END)
    path.write_text("\n".join([f"{before}{start}", "", *lines, "", f"{END}{after}"]))
