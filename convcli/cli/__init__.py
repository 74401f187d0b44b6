"""The command line."""

import sys


def main() -> None:
    """The console script."""
    try:
        # Inside, so that Ctrl-C is quiet even while modules are loaded.
        from convcli.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
