"""Write page.png, a picture of the interactive page: ``python docs/page_picture.py [FOLDER]``, by default docs/pictures.

Chromium shows the page that the first command of docs/page.md writes, with one number of Z pointed at.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from chromium import opened_page, screenshot

DOCS = Path(__file__).parent
COMMAND = re.compile(r"^ +convcli (explain .* -o page\.html)$", re.MULTILINE)
WIDTH, HEIGHT, SCALE, COLOURS = 1200, 880, 1.5, 128


def main(folder: Path) -> None:
    """Write the picture into the folder."""
    arguments = shlex.split(COMMAND.search((DOCS / "page.md").read_text())[1])
    with TemporaryDirectory() as work, opened_page(WIDTH, HEIGHT, SCALE) as page:
        subprocess.run([sys.executable, "-m", "convcli", *arguments, "--at", "1,2", "-q"], cwd=work, check=True)
        picture = screenshot(page, (Path(work) / "page.html").read_text())
    picture.quantize(COLOURS, kmeans=1, dither=0).save(folder / "page.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "pictures")
