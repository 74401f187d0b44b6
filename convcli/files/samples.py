"""The sample pictures that are installed with convcli, named ``sample:astronaut``."""

from pathlib import Path

from convcli.errors import OptionError
from convcli.text import any_of, did_you_mean

PREFIX = "sample:"
_PACKAGE = Path(__file__).parents[1]
# A package that is installed has the pictures in it; a clone has them beside it.
_FOLDERS = (_PACKAGE / "samples", _PACKAGE.parent / "sample_images")


def sample_path(name: str) -> Path:
    """Return the file of a sample picture; raise OptionError for another name."""
    paths = _paths()
    if name not in paths:
        raise OptionError(
            f"expected a sample picture: {any_of(sorted(paths))}, given {name!r}{did_you_mean(name, paths)}"
        )
    return paths[name]


def sample_names() -> list[str]:
    """Return the names of the sample pictures."""
    return sorted(_paths())


def _paths() -> dict[str, Path]:
    return {path.stem: path for folder in _FOLDERS for ext in ("png", "jpg") for path in folder.glob(f"*.{ext}")}
