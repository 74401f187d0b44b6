"""Open pages in the Chromium of the system, and take pictures of what it shows, for the other scripts here."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from playwright.sync_api import Page, sync_playwright


@contextmanager
def opened_page(width: int, height: int, scale: float) -> Iterator[Page]:
    """Open an empty page of this size in CSS pixels, each of which is ``scale`` pixels of a picture wide."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--disable-gpu"], chromium_sandbox=os.geteuid() != 0
        )
        yield browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        browser.close()


def screenshot(page: Page, content: str) -> Image.Image:
    """Return a picture of a page with this content."""
    page.set_content(content)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        return picture.convert("RGB")
