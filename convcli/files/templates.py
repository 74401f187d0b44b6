"""Templates of file names: text with {placeholders}."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter

from convcli.errors import OptionError


def expand(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``{placeholder}`` replaced; ``{{`` and ``}}`` are braces.

    Raises OptionError for a placeholder that is not among ``values``, or a lone brace, and where what stands for one,
    as ``..``, leads out of the folder that the template itself names.
    """
    pieces = _parse(template)
    for _, field, conversion in pieces:
        if field is not None and (field not in values or conversion):
            raise OptionError(_unknown_placeholder(template, field + conversion, values))
    name = "".join(text + values.get(field or "", "") for text, field, _ in pieces)
    folder = _named_folder(pieces, values)
    if not _is_below(name, folder):
        raise OptionError(
            f"the output {name} would be outside of {folder or 'the current folder'}, because {{dir}} or {{stem}} "
            "leads out of it: use -o without that, or name the images from a folder that holds them"
        )
    return name


def fields(template: str) -> set[str | None]:
    """Return the names of the placeholders in a template."""
    return {field for _, field, _ in _parse(template)}


def safe_name(name: str) -> str:
    """A kernel's name without what a file's name cannot hold, on any system."""
    kept = "".join("-" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in name)
    return kept.strip(" .") or "kernel"


def _parse(template: str) -> list[tuple[str, str | None, str]]:
    """Pieces of plain text, each with the placeholder that follows it, if any, and what is wrongly put on it."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        message = f"the output name {template!r} has a lone brace: write {{{{ or }}}} for a brace in a name"
        raise OptionError(message) from error
    return [
        (text, field, (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else ""))
        for text, field, spec, conversion in pieces
    ]


def _unknown_placeholder(template: str, placeholder: str, values: Mapping[str, str]) -> str:
    *names, last = (f"{{{name}}}" for name in values)
    return (
        f"unknown placeholder {{{placeholder}}} in the output name {template!r}: use {', '.join(names)} or {last} "
        "({{ and }} for braces)"
    )


def _named_folder(pieces: Iterable[tuple[str, str | None, str]], values: Mapping[str, str]) -> str:
    """The folder that stands before the first placeholder, or is a leading ``{dir}``, which was asked for as it is."""
    head = ""
    for text, field, _ in pieces:
        head += text
        if field == "dir" and not head:
            head = values[field]
        elif field is not None:
            break
    return os.path.dirname(head)


def _is_below(name: str, folder: str) -> bool:
    """By their names alone, links not followed."""
    inner, outer = Path(os.path.normpath(name)).parts, Path(os.path.normpath(folder)).parts
    return inner[: len(outer)] == outer and os.pardir not in inner[len(outer) :]


def is_folder(output: str) -> bool:
    """Return whether an output names a folder: it ends in a slash, or a folder of this name exists."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output)
