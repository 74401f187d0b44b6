"""Write the pictures of the lessons and guides: ``python docs/figures.py [FOLDER]``, by default into docs/pictures.

Each picture of a page that convcli draws has its command in the line below it, which this script runs.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
FIGURE = re.compile(r"^!\[[^]]*\]\(pictures/(\S+)\)\n\n(?:    |```sh\n)convcli (.* -o \1)$", re.MULTILINE)


def main(folder: Path) -> None:
    """Write all pictures into the folder."""
    for arguments in commands().values():
        subprocess.run([sys.executable, "-m", "convcli", *arguments, "--overwrite", "-q"], cwd=folder, check=True)


def commands() -> dict[str, list[str]]:
    """Return the arguments of convcli for each picture."""
    return dict(_figures())


def _figures() -> Iterator[tuple[str, list[str]]]:
    for page in sorted(DOCS.glob("*.md")):
        yield from ((name, shlex.split(command)) for name, command in FIGURE.findall(page.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "pictures")
