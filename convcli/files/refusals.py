"""Outputs that are refused before any work: collisions, files that exist, missing folders, other inputs."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from convcli.errors import FileError, OptionError
from convcli.files.templates import fields, is_folder
from convcli.files.whole_files import existing_refused, is_special


def refuse_collisions(paths: Iterable[Path]) -> None:
    """Raises OptionError if two outputs would be one file; a device or FIFO may be written to repeatedly."""
    seen = set()
    real = RealPaths()
    for path in paths:
        name = real.of(path)
        if name in seen and not is_special(path):
            raise OptionError(
                f"two outputs would be named {path}: tell them apart with {{stem}}, {{kernel}} or {{dir}} in -o"
            )
        seen.add(name)


def refuse_existing(paths: Iterable[Path], overwrite: bool) -> None:
    """Raises FileError if an output is there already and no ``overwrite``.

    A folder with an output's name is never replaced, nor is what a link to nothing would name; a device or FIFO may
    always be written to.
    """
    for path in paths:
        if os.path.islink(path) and not os.path.exists(path):
            raise FileError(f"{path} is a link to nothing: remove it, or use -o to write elsewhere")
        if os.path.isdir(path):
            raise FileError(f"{path} is a folder: use -o to give the output another name")
        if os.path.isfile(path) and not overwrite:
            raise existing_refused(path)


def refuse_missing_folder(output: str | None, paths: Iterable[Path]) -> None:
    """Raises FileError if the folder of an output that was named in full is missing.

    Folders that are named as such, and those of a template, are made when they are written into.
    """
    if output is None or is_folder(output) or fields(output) != {None}:
        return
    for path in paths:
        if not os.path.isdir(path.parent):
            raise FileError(f"there is no folder {path.parent} to write {path.name} into: create it first")


def refuse_inputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raises OptionError if what is made of one input would replace another, or itself through a link."""
    real = RealPaths()
    inputs = {real.of(image): image for image in outputs}
    for image, paths in outputs.items():
        for path in paths:
            replaced = inputs.get(real.of(path))
            if replaced and (replaced != image or (path != image and os.path.islink(path))):
                raise OptionError(f"the output {path} is also an input: use -o to write elsewhere")


class RealPaths:
    """Paths with every link followed, each folder looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Like ``os.path.realpath``; FileError where the current folder, which it starts from, has been removed."""
        try:
            return self._of(path)
        except FileNotFoundError:
            raise FileError(f"cannot find the folder of {path}: the current one has been removed") from None

    def _of(self, path: Path) -> str:
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
