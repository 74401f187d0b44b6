"""The gallery shows every preset, and its script makes the pictures of the page."""

import re
import runpy
import subprocess
import sys

import PIL.Image
import pytest
from support.pages import ROOT, page

from convcli.kernels.magnitudes import MAGNITUDES
from convcli.kernels.presets import PRESETS
from convcli.kernels.structures import PILLOW_FILTERS

SCRIPT = ROOT / "docs" / "gallery.py"
SHEETS = runpy.run_path(str(SCRIPT))["SHEETS"]
PICTURES = [ROOT / "docs" / name for name in re.findall(r"\]\((pictures/.*?)\)", page("docs/gallery.md"))]


def test_every_preset_is_shown():
    shown = {kernel for kernels in SHEETS.values() for kernel in kernels.split()}
    assert {kernel.partition(":")[0] for kernel in shown} == {*PRESETS, *MAGNITUDES}
    assert {f"pillow:{name}" for name in PILLOW_FILTERS} <= shown


def test_the_page_has_every_sheet():
    assert [picture.stem for picture in PICTURES] == [f"gallery-{sheet}" for sheet in SHEETS]
    assert sum(picture.stat().st_size for picture in PICTURES) < 1_000_000


@pytest.mark.slow
def test_the_script_makes_the_pictures_of_the_page(tmp_path):
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    for picture in PICTURES:
        with PIL.Image.open(picture) as stored, PIL.Image.open(tmp_path / picture.name) as made:
            assert made.size == stored.size
