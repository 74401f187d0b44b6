"""The reference: a page for each command, from its help, and the Python pages, from the docstrings."""

import inspect
import re
from collections.abc import Iterator

import convcli
from convcli.cli.help import HelpPage
from convcli.cli.manual import help_pages

# These characters have a meaning in Markdown.
SPECIAL = re.compile(r"([\\`*_\[\]<>{}#|~^])")
OPTION = re.compile(r"((?<![\w-])--?[a-z0-9][\w-]*)")


def command_pages() -> dict[str, str]:
    """Return the page of each command, by the name of its file."""
    return {f"{name}.md": "\n".join(_command(name, page)) for name, page in help_pages().items()}


def python_pages() -> dict[str, str]:
    """Return the pages of the public functions, classes and errors, by the names of their files."""
    pages: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name in convcli.__all__:
        if name != "__version__":
            pages[_kind(getattr(convcli, name))].append(name)
    return {
        f"{title.lower()}.md": "\n\n".join([f"# {title}", *(f"::: convcli.{name}" for name in names)]) + "\n"
        for title, names in pages.items()
    }


def _kind(value: object) -> str:
    if not inspect.isclass(value):
        return "Functions"
    return "Errors" if issubclass(value, Exception) else "Classes"


def _command(name: str, page: HelpPage) -> Iterator[str]:
    yield f"# convcli {name}"
    yield from ("", _marked(page.summary), "", "```text", page.usage, "```")
    for paragraph in page.description:
        yield from ("", *_paragraph(paragraph))
    if page.examples:
        yield from ("", "## Examples", "", "```sh", *page.examples, "```")
    for section in page.sections:
        yield from ("", f"## {section.heading}")
        for row, text in section.rows:
            yield from ("", _term(row), f":   {_marked(text)}")
    yield ""


def _term(row: str) -> str:
    """Return the names of an option as a link to themselves, so that the address of an option can be copied."""
    place = max(re.findall(r"-*\w[\w-]*", row), key=lambda name: name.startswith("--"))
    return f"[`{row}`](#{place}){{ #{place} }}"


def _paragraph(text: str) -> Iterator[str]:
    """Yield the lines of a paragraph, or those of a formula as they are."""
    if "\n " in text or " = " in text:
        yield from ("```text", text, "```")
    else:
        yield _marked(text)


def _marked(text: str) -> str:
    """Return text that Markdown shows literally, with options as code."""
    pieces = OPTION.split(" ".join(text.split()))
    return "".join(f"`{piece}`" if number % 2 else SPECIAL.sub(r"\\\1", piece) for number, piece in enumerate(pieces))
