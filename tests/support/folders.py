"""Read all files of a folder."""

from pathlib import Path


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder and its subfolders, in the order of their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
