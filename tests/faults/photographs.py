"""Make many small files to filter."""

import re
from pathlib import Path

import numpy as np
from support.command_line import save_picture

TEMPORARY = re.compile(r"\.convcli-[0-9a-f]{16}\.tmp")


def photographs(folder: Path, count: int, shape: tuple[int, int] = (30, 40)) -> list[str]:
    """Save ``count`` JPEGs and PNGs in two folders within this one; return their names, sorted."""
    random = np.random.default_rng(count)
    names = [f"{'ab'[number % 2]}/{number:03}.{('png', 'jpg')[number % 3 == 0]}" for number in range(count)]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        save_picture(folder / name, random.integers(0, 256, (3, *shape), np.uint8))
    return sorted(names)


def without_temporaries(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files without those that a killed process may leave behind."""
    return {name: data for name, data in files.items() if not TEMPORARY.fullmatch(Path(name).name)}
