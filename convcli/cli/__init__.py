"""The command line."""

import os
import sys
import warnings

from convcli.cli.stopping import Stopped, raise_on_signals
from convcli.cli.tracebacks import wants_tracebacks
from convcli.errors import as_convcli_error


def main() -> None:
    """Run the console script."""
    try:
        raise_on_signals()
        # NumPy and others warn about numbers and about their future, which says nothing to who runs a program.
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        # Imported here, so that a signal while modules load is handled too.
        from convcli.cli.streams import prepare_streams

        prepare_streams()
        from convcli.cli.app import app

        app()
    except Stopped as stopped:
        code = 128 + stopped.number
        if stopped.at_once:
            # An ordinary exit would wait for other threads, whose work nobody wants any more.
            os._exit(code)
        sys.exit(code)
    # The app reports every error but those that keep it from being loaded.
    except Exception as error:
        if wants_tracebacks():
            raise
        sys.exit(f"convcli: error: cannot start: {as_convcli_error(error)}")
