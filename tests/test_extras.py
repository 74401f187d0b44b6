"""The advice to install an extra is a command that works where convcli came from."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.pages import ROOT

from convcli import extras

CLONE = Path(__file__).parents[1]


class Installed:
    """A distribution with this text in direct_url.json, or without that file."""

    def __init__(self, noted: str | None) -> None:
        self.noted = noted

    def read_text(self, name: str) -> str | None:
        return self.noted if name == "direct_url.json" else None


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'convcli[deep]'"),
        ({"url": CLONE.as_uri(), "dir_info": {}}, f"pip install '{CLONE}[deep]'"),
        ({"url": CLONE.as_uri(), "dir_info": {"editable": True}}, f"pip install -e '{CLONE}[deep]'"),
        ({"url": "file:///a/folder/that/is/gone", "dir_info": {}}, "pip install 'convcli[deep]'"),
        (
            {"url": "https://example.org/convcli.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            "pip install 'convcli[deep] @ git+https://example.org/convcli.git'",
        ),
        (
            {"url": "https://example.org/convcli-1-py3-none-any.whl", "archive_info": {}},
            "pip install 'convcli[deep] @ https://example.org/convcli-1-py3-none-any.whl'",
        ),
    ],
)
def test_the_command_names_the_origin(origin: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(noted))
    assert extras.install_command.__wrapped__("deep") == command


def test_a_clone_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    monkeypatch.setattr(extras, "__file__", str(ROOT / "convcli" / "extras.py"))
    assert extras.install_command.__wrapped__("dask") == f"pip install '{ROOT}[dask]'"


def test_no_other_module_writes_the_command() -> None:
    texts = {path: path.read_text() for path in (ROOT / "convcli").rglob("*.py")}
    assert [path.name for path, text in texts.items() if "pip install" in text] == ["extras.py"]
