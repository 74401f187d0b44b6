"""Write a page: one HTML file that holds its style, its scripts and its document, and asks the network for nothing."""

from html import escape
from importlib.resources import files
from string import Template
from typing import BinaryIO

from convcli.explain.page.document import Page, page_to_json
from convcli.files.file_bytes import write_text
from convcli.files.json_writing import json_document
from convcli.version import __version__

STYLE = "page.css"
# In the order in which they run. They share one scope, because a page without a server cannot load modules.
SCRIPTS = (
    "convolution.js",
    "words.js",
    "state.js",
    "layout.js",
    "heatmaps.js",
    "sum.js",
    "panel.js",
    "controls.js",
    "page.js",
    "start.js",
)


def write_page(page: Page, stream: BinaryIO) -> None:
    """Write the page as HTML. Raises OptionError if a number is not finite."""
    document = "".join(json_document(page_to_json(page)))
    text = Template(_text("page.html")).substitute(
        version=__version__,
        title=escape(f"{page.titles.kernel} on {page.titles.image}"),
        style=_text(STYLE),
        scripts="\n".join(map(_text, SCRIPTS)),
        document=in_script(document),
    )
    write_text(stream, [text])


def in_script(json: str) -> str:
    """Return JSON without ``<``, because ``</script>`` in one of its strings would end the script that holds it."""
    return json.replace("<", "\\u003c")


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
