"""The pages of the site: those of the repository, in the same folders, and those that the program writes.

A page is copied as it stands, but for three things that a code host does not show so: each contact sheet of the gallery
becomes single pictures with names that can be searched; a command that writes a page for a browser is followed by that
page; and Markdown within ``<details>`` is marked as such.
"""

import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

from docs.gallery import SHEETS, filtered, write_part
from website.reference import command_pages, python_pages

SHEET = re.compile(r"^!\[[^]]*\]\(pictures/gallery-(\w+)\.jpg\)$", re.MULTILINE)
# An indented block of commands, and in it a command that writes a page.
COMMANDS = re.compile(r"(?:^    convcli .+\n)+", re.MULTILINE)
WRITES_A_PAGE = re.compile(r"^    convcli (explain .* -o (\S+\.html))$", re.MULTILINE)

FRAME = """
<figure class="page">
<iframe src="{0}" title="{1}" loading="lazy"></iframe>
<figcaption><a href="{0}">{1} alone</a></figcaption>
</figure>
"""


def write_pages(root: Path, target: Path) -> None:
    """Write every page of the site, and the files that they show, into the folder ``target``."""
    copy_repository(root, target)
    (target / "reference").mkdir()
    for name, text in (command_pages() | python_pages()).items():
        (target / "reference" / name).write_text(text)
    for page in target.glob("docs/*.md"):
        page.write_text(adapted(page.read_text(), page.parent))


def copy_repository(root: Path, target: Path) -> None:
    """Copy the pages of the repository and the files that they link to."""
    shutil.copytree(root / "docs", target / "docs", ignore=shutil.ignore_patterns("*.py", "*.1", "__pycache__"))
    shutil.copytree(root / "sample_images", target / "sample_images")
    for path in [*root.glob("*.md"), root / "LICENSE", *root.glob("website/*.css"), *root.glob("website/*.svg")]:
        copy = target / path.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)


def adapted(text: str, folder: Path) -> str:
    """Return a page's text for the site. What it shows is written into its folder."""
    text = SHEET.sub(lambda sheet: single_pictures(SHEETS[sheet[1]].split(), folder), text)
    text = COMMANDS.sub(lambda commands: commands[0] + embedded_pages(commands[0], folder), text)
    return text.replace("<details>", '<details markdown="1">')


def single_pictures(kernels: list[str], folder: Path) -> str:
    """Return the photograph filtered with each kernel, as HTML."""
    pictures = folder / "pictures" / "gallery"
    pictures.mkdir(exist_ok=True)
    part = write_part(pictures)
    with ThreadPoolExecutor() as pool:
        shown = [part, *pool.map(lambda kernel: filtered(part, kernel), kernels)]
    labels = ["the photograph", *(f"<code>{escape(kernel)}</code>" for kernel in kernels)]
    figures = [
        f'<figure><img src="{path.relative_to(folder)}" alt="" loading="lazy"><figcaption>{label}</figcaption></figure>'
        for path, label in zip(shown, labels, strict=True)
    ]
    return "\n".join(['<div class="gallery">', *figures, "</div>"])


def embedded_pages(commands: str, folder: Path) -> str:
    """Run the commands that write a page for a browser, and return these pages as HTML."""
    embedded = folder / "embedded"
    embedded.mkdir(exist_ok=True)
    frames = []
    for arguments, name in WRITES_A_PAGE.findall(commands):
        command = [sys.executable, "-m", "convcli", *shlex.split(arguments)]
        subprocess.run([*command, "-q"], cwd=embedded, check=True)
        frames.append(FRAME.format(f"embedded/{name}", name))
    return "".join(frames)
