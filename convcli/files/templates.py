"""Templates of file names: text with {placeholders}."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from convcli.errors import OptionError
from convcli.text import any_of


def expand(template: str, values: Mapping[str, str]) -> str:
    """Return the template with each ``{placeholder}`` replaced; ``{{`` and ``}}`` are braces.

    Raises OptionError for a placeholder that is not among ``values``, for a lone brace, and for a value, such as
    ``..``, that leads out of the folder that the template itself names.
    """
    pieces = _parse(template)
    for piece in pieces:
        if piece.field is not None and (piece.field not in values or piece.suffix):
            raise OptionError(_unknown_placeholder(template, piece.field + piece.suffix, values))
    name = "".join(piece.text + values.get(piece.field or "", "") for piece in pieces)
    folder = _named_folder(pieces, values)
    if not _is_below(name, folder):
        raise OptionError(
            f"the output {name} would be outside of {folder or 'the current folder'}, because {{dir}} or {{stem}} "
            "leads out of it: use an `output` without these, or run this in a folder that contains the images"
        )
    return name


def fields(template: str) -> set[str]:
    """Return the names of the placeholders in a template. Raises OptionError for a lone brace."""
    return {piece.field for piece in _parse(template) if piece.field is not None}


def escaped(text: str) -> str:
    """Return the template that expands to the text itself."""
    return text.replace("{", "{{").replace("}", "}}")


def safe_name(name: str) -> str:
    """Return a kernel's name with ``-`` in place of each character that some system does not allow in file names."""
    safe = "".join("-" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in name)
    return safe.strip(" .") or "kernel"


class _Piece(NamedTuple):
    """A part of a template: plain text, and the placeholder that follows it, if any.

    suffix: the conversion or format after the placeholder's name, as in ``{stem!r:>8}``, which is refused.
    """

    text: str
    field: str | None
    suffix: str


def _parse(template: str) -> list[_Piece]:
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        message = f"the output name {template!r} has a lone brace: write {{{{ or }}}} for a brace in a name"
        raise OptionError(message) from error
    return [
        _Piece(text, field, (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else ""))
        for text, field, spec, conversion in pieces
    ]


def _unknown_placeholder(template: str, placeholder: str, values: Mapping[str, str]) -> str:
    names = any_of([f"{{{name}}}" for name in values])
    return (
        f"unknown placeholder {{{placeholder}}} in the output name {template!r}: use {names} ({{{{ and }}}} for braces)"
    )


def _named_folder(pieces: Iterable[_Piece], values: Mapping[str, str]) -> str:
    """Return the folder before the first placeholder. A leading ``{dir}`` belongs to it, because the user named it."""
    head = ""
    for piece in pieces:
        head += piece.text
        if piece.field == "dir" and not head:
            head = values["dir"]
        elif piece.field is not None:
            break
    return os.path.dirname(head)


def _is_below(name: str, folder: str) -> bool:
    """Return whether the path lies in the folder, judged by their names alone: links are not followed."""
    inner, outer = Path(os.path.normpath(name)).parts, Path(os.path.normpath(folder)).parts
    return inner[: len(outer)] == outer and os.pardir not in inner[len(outer) :]
