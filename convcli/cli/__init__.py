"""The command line."""

import os
import sys

from convcli.cli.stopping import Stopped, heed_signals


def main() -> None:
    """The console script."""
    try:
        heed_signals()
        # Inside, so that a signal is heeded even while modules are loaded.
        from convcli.cli.app import app
        from convcli.cli.streams import keep_stderr

        keep_stderr()
        app()
    except Stopped as stopped:
        code = 128 + stopped.number
        if stopped.at_once:
            # Without waiting for other threads, which may be busy with what nobody wants any more.
            os._exit(code)
        sys.exit(code)
