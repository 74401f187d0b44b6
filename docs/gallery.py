"""Write the pictures of docs/gallery.md: ``python docs/gallery.py [FOLDER]``, by default into docs/pictures.

``convcli apply`` filters a part of a sample picture with each preset, without further options.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw, ImageFont

DOCS = Path(__file__).parent
PHOTOGRAPH = DOCS.parent / "sample_images" / "astronaut.png"
# The face and the collar.
PART = (88, 0, 312, 164)
LABEL, GAP, COLUMNS = 20, 4, 5


# The kernels of each sheet, which also shows the photograph.
SHEETS = {
    "blurs": """
        blur gaussian:3 gaussian:sigma_y=0,sigma_x=4 gaussian:1,angle=30,sigma_x=5 binomial:9 box:9 disk:5 pillbox:5
        motion:15,30 comet:6,30 pillow:blur pillow:smooth pillow:smooth-more identity
    """,
    "sharpening": """
        sharpen:0.5 sharpen unsharp:2 unsharp:1,3 unsharp:5,0.5 pillow:sharpen pillow:detail pillow:edge-enhance
        pillow:edge-enhance-more emboss:0.5 emboss emboss:2 pillow:emboss pillow:contour
    """,
    "edges": """
        edges edges:7 sobel prewitt scharr roberts frei-chen farid sobel-x sobel-y sobel-x:7 prewitt-x prewitt-y
        scharr-x scharr-y frei-chen-x frei-chen-y farid-x farid-y roberts-x roberts-y kirsch:ne compass:ne
        gaussian-derivative:2 gaussian-derivative:2,1,1 laplacian laplacian:0.5 laplacian8 outline pillow:find-edges
        log:1 log:2 dog:2 gabor:8,30,4
    """,
}


def main(pictures: Path) -> None:
    """Write each sheet into the folder ``pictures``."""
    with TemporaryDirectory() as folder:
        part = write_part(Path(folder))
        for sheet, kernels in SHEETS.items():
            shown = [("the photograph", part), *((kernel, filtered(part, kernel)) for kernel in kernels.split())]
            contact_sheet(shown).save(pictures / f"gallery-{sheet}.jpg", quality=85, optimize=True)


def write_part(folder: Path) -> Path:
    """Write the part of the photograph that the gallery shows into a folder, and return the file."""
    part = folder / "photograph.png"
    with Image.open(PHOTOGRAPH) as photograph:
        photograph.crop(PART).save(part)
    return part


def filtered(picture: Path, kernel: str) -> Path:
    """Return the file that ``convcli apply`` writes for a kernel."""
    command = [sys.executable, "-m", "convcli", "apply", picture, "-k", kernel, "-o", picture.parent / "{kernel}.png"]
    done = subprocess.run([*map(str, command), "--json", "-q", "--overwrite"], check=True, capture_output=True)
    return Path(json.loads(done.stdout)["output"])


def contact_sheet(shown: Sequence[tuple[str, Path]]) -> Image.Image:
    """Return the pictures in rows, each above its label."""
    width, height = PART[2] - PART[0], PART[3] - PART[1]
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) - GAP, rows * (height + LABEL)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (label, path) in enumerate(shown):
        row, column = divmod(number, COLUMNS)
        left, top = column * (width + GAP), row * (height + LABEL)
        with Image.open(path) as picture:
            sheet.paste(picture.convert("RGB"), (left, top))
        draw.text((left + width // 2, top + height + LABEL // 2), label, "black", font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "pictures")
