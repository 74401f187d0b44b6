"""Fixtures for several files."""

import pytest
from many_commands import Commands


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Yield the process in which the commands of a test file run."""
    with Commands(tmp_path_factory.mktemp("commands")) as found:
        yield found
