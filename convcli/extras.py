"""The command that installs an extra of convcli, from the place that convcli itself came from."""

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
