"""What the site makes of docstrings: one entry for parameters described together, and links to public names."""

import re
from typing import Any

import griffe

import convcli

# A line that begins the description of several parameters, such as "stride, padding".
TOGETHER = re.compile(r"^\w+(?:, \w+)+$", re.MULTILINE)
NAME = re.compile(r"``(\w+)``")
# Griffe splits names at a comma with a common space, and gives all of them the type and the default of the first.
SPACE = "\N{FOUR-PER-EM SPACE}"


class Docstrings(griffe.Extension):
    """Change docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Change the docstring of an object, if it has one."""
        if obj.docstring:
            text = TOGETHER.sub(lambda names: names[0].replace(", ", f",{SPACE}"), obj.docstring.value)
            obj.docstring.value = NAME.sub(lambda name: _linked(name, obj.name), text)


def _linked(name: re.Match[str], own: str) -> str:
    """Return a public name as a link to its description, unless the description is its own."""
    return f"[`{name[1]}`][convcli.{name[1]}]" if name[1] in convcli.__all__ and name[1] != own else name[0]
