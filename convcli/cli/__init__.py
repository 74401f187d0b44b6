"""The command line."""

import os
import sys

from convcli.cli.stopping import Stopped, raise_on_signals


def main() -> None:
    """Run the console script."""
    try:
        raise_on_signals()
        # Imported here, so that a signal while modules load is handled too.
        from convcli.cli.app import app
        from convcli.cli.streams import reserve_stderr

        reserve_stderr()
        app()
    except Stopped as stopped:
        code = 128 + stopped.number
        if stopped.at_once:
            # An ordinary exit would wait for other threads, whose work nobody wants any more.
            os._exit(code)
        sys.exit(code)
