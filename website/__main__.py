"""Build the documentation site in build/site: ``python -m website``. Warnings and broken links are errors."""

import shutil
import subprocess
import sys
from pathlib import Path

from website.links import faults
from website.pages import write_pages

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"


def main() -> int:
    """Build the site, and return the exit code."""
    pages, site = BUILD / "pages", BUILD / "site"
    for folder in (pages, site):
        shutil.rmtree(folder, ignore_errors=True)
    write_pages(ROOT, pages)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    print(built.stderr, end="", file=sys.stderr)
    # Zensical does not count the warnings about docstrings.
    if built.returncode or "griffe: " in built.stderr:
        return 1
    found = list(faults(site))
    print(*found or [f"python -m http.server --directory {site.relative_to(ROOT)}"], sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
