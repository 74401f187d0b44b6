"""The command line."""

import sys


def main() -> None:
    """The console script."""
    try:
        # Inside, so that Ctrl-C is quiet even while modules are loaded.
        from convcli.cli.app import app
        from convcli.cli.streams import keep_stderr

        keep_stderr()
        app()
    except KeyboardInterrupt:
        sys.exit(130)
