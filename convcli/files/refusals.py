"""Refuse outputs before any work: collisions, existing files, missing folders, and paths of inputs."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from convcli.errors import FileError, OptionError
from convcli.files.whole_files import IfExists, already_exists, is_special


def refuse_collisions(outputs: Iterable[tuple[Path, Path]], used: Collection[str]) -> None:
    """Raise OptionError if two outputs would be one file; a device or FIFO may be written to repeatedly.

    outputs: pairs of an input and an output.  used: the placeholders that the names of outputs have already.
    """
    seen: dict[str, Path] = {}
    real = RealPaths()
    for source, path in outputs:
        name = real.of(path)
        if name in seen and not is_special(path):
            raise OptionError(f"two outputs would be named {path}: {_telling_apart(seen[name], source, used)}")
        seen[name] = source


def _telling_apart(one: Path, other: Path, used: Collection[str]) -> str:
    """Return how outputs of these inputs, which may be one, get different names."""
    if one == other:
        kernel = "" if "kernel" in used else ", or add {kernel} to `output`"
        return f"give each image{' and each kernel' * (not kernel)} once{kernel}"
    differing = {"stem": one.stem != other.stem, "dir": one.parent != other.parent}
    helpful = [f"{{{name}}}" for name, differs in differing.items() if differs and name not in used]
    if helpful:
        return f"tell them apart with {helpful[0]} in `output`"
    if one.suffix != other.suffix and "ext" not in used:
        return "end the names in .{ext} in `output`, so that each keeps its format"
    return "write them into different folders"


def refuse_existing(paths: Iterable[Path], if_exists: IfExists) -> None:
    """Raise FileError if an output cannot get its name.

    An existing file is an error only if ``if_exists`` says so. A folder and a broken link are always errors;
    a device or FIFO never is.
    """
    for path in paths:
        if os.path.islink(path) and not os.path.exists(path):
            raise FileError(f"{path} is a broken link: remove it, or use `output` to write elsewhere")
        if os.path.isdir(path):
            raise FileError(f"{path} is a folder: use `output` to give the output another name")
        if os.path.isfile(path) and if_exists is IfExists.FAIL:
            raise already_exists(path)


def refuse_missing_folders(paths: Iterable[Path]) -> None:
    """Raise FileError if the folder of an output does not exist."""
    for path in paths:
        if not os.path.isdir(path.parent):
            raise FileError(f"there is no folder {path.parent} to write {path.name} into: create it first")


def refuse_inputs(
    outputs: Mapping[Path, Sequence[Path]], shared: Iterable[Path] = (), *, into_folder: bool = False
) -> None:
    """Raise OptionError if an output would replace another output's input, or its own input through a link.

    outputs: the paths of the outputs of each input.  shared: inputs of all outputs, such as kernels.
    into_folder: whether outputs go into a folder under default names, which may not replace their own inputs either.
    """
    real = RealPaths()
    read_for_all = {real.of(path) for path in shared}
    inputs = {real.of(image): image for image in outputs}
    for image, paths in outputs.items():
        for path in paths:
            name = real.of(path)
            replaced = inputs.get(name)
            by_mistake = replaced and (into_folder or replaced != image or (path != image and os.path.islink(path)))
            if by_mistake or name in read_for_all:
                raise OptionError(f"the output {path} is also an input: use `output` to write elsewhere")


class RealPaths:
    """Paths with every link followed; each folder is looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Return ``os.path.realpath(path)``; raise FileError if it is relative and the current folder is gone."""
        try:
            return self._of(path)
        except FileNotFoundError:
            raise FileError(f"cannot find the folder of {path}: the current folder has been removed") from None

    def _of(self, path: Path) -> str:
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
