"""Write page.png, a picture of the interactive page: ``python docs/page_picture.py [FOLDER]``, or to docs/pictures."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from chromium import opened_page, screenshot

# A command of the README; the page then opens with one number of Z pointed at.
COMMAND = ["explain", "[[1,2,0,3],[4,1,5,2],[0,3,1,1]]", "-k", "[[1,-2],[0,3]]", "-o", "page.html", "--at", "1,2"]
WIDTH, HEIGHT, SCALE, COLOURS = 1200, 880, 1.5, 128


def main(folder: Path) -> None:
    """Write the picture into the folder."""
    with TemporaryDirectory() as work, opened_page(WIDTH, HEIGHT, SCALE) as page:
        subprocess.run([sys.executable, "-m", "convcli", *COMMAND, "-q"], cwd=work, check=True)
        picture = screenshot(page, (Path(work) / "page.html").read_text())
    picture.quantize(COLOURS, kmeans=1, dither=0).save(folder / "page.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
