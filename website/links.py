"""The check of a built site: every link leads to a file and one place in it, and nothing is loaded from elsewhere."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urlsplit

# The attributes that name a file, and of which elements a browser loads it unasked.
LINKS = {"href", "src"}
LOADED = {"script", "link", "img", "iframe", "source", "video"}


class Link(NamedTuple):
    """An element of a page that names a file."""

    element: str
    address: str


def faults(site: Path) -> Iterator[str]:
    """Yield a line about each link that leads nowhere, each ambiguous place, and each file loaded from elsewhere."""
    for page in sorted(site.rglob("*.html")):
        parsed, name = _parsed(page), page.relative_to(site)
        yield from (f"{name}: several places are named {place}" for place, n in parsed.names.items() if n > 1)
        for link in parsed.links:
            if reason := _fault(site, page, link):
                yield f"{name}: {reason}: {link.address}"


def _fault(site: Path, page: Path, link: Link) -> str:
    """Return what is wrong with a link of a page, or nothing."""
    address, place = urldefrag(link.address)
    if urlsplit(address).scheme or urlsplit(address).netloc:
        return "is loaded from elsewhere" if link.element in LOADED and not address.startswith("data:") else ""
    path = unquote(urlsplit(address).path)
    target = site / path[1:] if path.startswith("/") else page.parent / path if path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "no such file"
    if place and target.suffix == ".html" and unquote(place) not in _parsed(target).names:
        return "no such place in the page"
    return ""


class _Page(HTMLParser):
    """The links of a page, and the names of the places in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.names: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the links and names of an element."""
        for name, value in attrs:
            if name in LINKS and value:
                self.links.append(Link(tag, value))
            elif name == "id" and value:
                self.names[value] += 1


@cache
def _parsed(page: Path) -> _Page:
    parsed = _Page()
    parsed.feed(page.read_text())
    return parsed
