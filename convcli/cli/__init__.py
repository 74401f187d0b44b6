"""The command line."""

import os
import sys
import warnings
from typing import TYPE_CHECKING

from convcli.cli.importing import without_collection
from convcli.cli.stopping import Stopped, raise_on_signals
from convcli.cli.tracebacks import wants_tracebacks
from convcli.errors import as_convcli_error

if TYPE_CHECKING:
    from typer import Typer


def main() -> None:
    """Run the console script."""
    try:
        raise_on_signals()
        # NumPy and other libraries warn about numbers and about future versions, which is of no use to convcli's users.
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        # Modules are imported here, so that a signal while they load is handled too.
        from convcli.cli.streams import prepare_streams

        prepare_streams()
        app = _load_app()
        app()
    except Stopped as stopped:
        code = 128 + stopped.number
        if stopped.at_once:
            # An ordinary exit would wait for other threads, whose work is not needed any more.
            os._exit(code)
        sys.exit(code)
    # The app reports every error, except an error while the app itself is imported.
    except Exception as error:
        if wants_tracebacks():
            raise
        sys.exit(f"convcli: error: cannot start: {as_convcli_error(error)}")


def _load_app() -> "Typer":
    with without_collection():
        from convcli.cli.app import app
    return app
