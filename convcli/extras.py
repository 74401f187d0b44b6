"""The extras of convcli: whether the library of one is there, and the command that installs it."""

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@cache
def install_command(extra: str) -> str:
    """Return the command: ``pip install '/x/convcli[deep]'`` or (from an index) ``pip install 'convcli[deep]'``."""
    origin = _origin()
    url, folder = origin.get("url", ""), origin.get("dir_info")
    path = unquote(urlsplit(url).path)
    if folder is not None and Path(path).is_dir():
        return f"pip install {'-e ' * bool(folder.get('editable'))}'{path}[{extra}]'"
    source = f"{origin['vcs_info']['vcs']}+{url}" if "vcs_info" in origin else url
    return f"pip install 'convcli[{extra}]{f' @ {source}' * (folder is None and bool(source))}'"


def advice(extra: str, aim: str) -> str:
    """Return how to reach an aim with an extra: the aim, and the command that installs the extra."""
    return f"{aim}, {install_command(extra)}"


def can_import(library: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    return importlib.util.find_spec(library) is not None


def _origin() -> dict[str, Any]:
    """Return what pip noted about the origin of convcli (PEP 610); nothing if that is an index of packages."""
    # Imported here, because it takes longer than most commands need to start.
    from importlib import metadata

    try:
        noted = metadata.distribution("convcli").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        clone = Path(__file__).parents[1]
        return {"url": clone.as_uri(), "dir_info": {}} if (clone / "pyproject.toml").is_file() else {}
    origin: dict[str, Any] = json.loads(noted or "{}")
    return origin
