"""Imports without a search for garbage."""

import gc
from collections.abc import Iterator

import pytest

from convcli.cli.importing import without_collection


@pytest.fixture(autouse=True)
def enabled_afterwards() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_search_for_garbage_is_left_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_an_import_that_fails_ends_the_pause() -> None:
    with pytest.raises(ImportError, match="no_such_module"), without_collection():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()
