"""Compile the loops of common kernels ahead, so that no later process waits for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcli.engine.algorithms import CONVOLUTIONS, KERNEL_GRADIENTS
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.machine_code import Recipe
from convcli.engine.execution import MEMORY
from convcli.engine.interface import Workload
from convcli.errors import FileError, OptionError
from convcli.extras import advice
from convcli.geometry.options import parse_options

# The sides of common kernels, and the types in which their outputs and their gradients are computed.
SIDES, TYPES = (3, 5, 7, 9), ("float32", "float64")


class CompiledAhead(NamedTuple):
    """The numbers of loops that were compiled, and that were found in the cache folder; and this folder."""

    compiled: int
    found: int
    folder: Path


def compile_ahead() -> CompiledAhead:
    """Compile the loops of common kernels, one after the other, into the cache folder.

    Raises OptionError if Numba is not installed or does not work, and FileError if there is no folder to write to.
    """
    if machine_code.missing() == machine_code.NOT_INSTALLED:
        remedy = advice("fast", "to install it")
        raise OptionError(f"nothing is compiled, because that needs Numba, which is not installed: {remedy}")
    if reason := machine_code.missing() or machine_code.broken():
        raise OptionError(f"nothing is compiled, because {reason}")
    paths = {recipe: machine_code.cache_path(recipe.name) for recipe in _recipes()}
    missing = [recipe for recipe, path in paths.items() if path is None or not path.is_file()]
    folder = machine_code.cache_folder()
    for recipe in missing:
        machine_code.loops(recipe)
        path = paths[recipe]
        if path is None or not path.is_file():
            raise FileError(f"cannot write compiled loops to {folder or 'a home folder'}: set NUMBA_CACHE_DIR")
    assert folder is not None
    return CompiledAhead(len(missing), len(paths) - len(missing), folder)


def _recipes() -> Iterator[Recipe]:
    """Yield what the loops of common kernels are compiled for; some of it several times."""
    for side in SIDES:
        geometry = parse_options(padding="same").geometry((1, 512, 512), (side, side))
        for dtype in TYPES:
            work = Workload(geometry, np.dtype(dtype), MEMORY)
            for convolution in CONVOLUTIONS.values():
                yield from convolution.loops(work)
            for gradient in KERNEL_GRADIENTS.values():
                yield from gradient.loops(work)
