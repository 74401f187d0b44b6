"""``convcli doctor --compile`` compiles the loops of common kernels into the cache folder."""

import pytest

from convcli.engine import ahead
from convcli.engine.compiled import machine_code
from convcli.errors import FileError, OptionError


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The recipes that were compiled, by a compiler that writes empty files."""
    names = []

    def compile_recipe(recipe):
        names.append(recipe.name)
        machine_code.cache_path(recipe.name).write_bytes(b"")

    (tmp_path / "convcli").mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code, "missing", str)
    monkeypatch.setattr(machine_code, "broken", str)
    monkeypatch.setattr(machine_code, "loops", compile_recipe)
    return names


def test_each_recipe_is_compiled_once(made, tmp_path):
    done = ahead.compile_ahead()
    assert done == (len(made), 0, tmp_path / "convcli")
    assert len(set(made)) == len(made)
    assert all(any(f"{dtype}-{side}x" in name for name in made) for dtype in ahead.TYPES for side in (3, 5, 7))
    assert ahead.compile_ahead() == (0, len(made), tmp_path / "convcli")


def test_a_folder_that_cannot_be_written_is_an_error(made, monkeypatch):
    monkeypatch.setattr(machine_code, "loops", made.append)
    with pytest.raises(FileError, match=r"cannot write compiled loops to .*convcli: set NUMBA_CACHE_DIR"):
        ahead.compile_ahead()
    assert len(made) == 1


def test_without_numba_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(machine_code, "missing", lambda: machine_code.NOT_INSTALLED)
    reason = "nothing is compiled, because that needs Numba, which is not installed"
    with pytest.raises(OptionError, match=rf"^{reason}: to install it, pip install .*\[fast\]"):
        ahead.compile_ahead()
