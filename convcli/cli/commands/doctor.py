"""``convcli doctor``: show what a bug report needs to say about this installation."""

from typing import Annotated

import typer

from convcli.cli import options
from convcli.cli.messages import Messages
from convcli.cli.streams import open_stdout


@options.with_option_groups
def doctor(
    *,
    compile_ahead: Annotated[
        bool,
        typer.Option(
            "--compile",
            rich_help_panel=options.Panel.MACHINE,
            help="First compile the loops of common kernels into the cache folder, which takes a minute and needs the "
            "extra fast; no later command waits for them.",
        ),
    ] = False,
    json: options.Json = False,
    messages: Messages,
) -> None:
    """Show versions, libraries, limits and formats, for a bug report.

    Without --compile nothing is computed. If a part cannot be looked up, the problems say why, and the others are
    shown. No name of a machine is shown, and the home folder is written ~.

    convcli doctor
    convcli doctor --json
    """
    from json import dumps

    from convcli.cli.text.doctor import diagnosis_text
    from convcli.doctor.diagnosis import diagnose, diagnosis_to_json

    if compile_ahead:
        _compile(messages)
    found = diagnose()
    # Without json_writing, which needs NumPy: that may be what is broken.
    text = f"{dumps(diagnosis_to_json(found))}\n" if json else "".join(f"{line}\n" for line in diagnosis_text(found))
    with open_stdout() as stdout:
        stdout.write(text.encode())


def _compile(messages: Messages) -> None:
    from convcli.engine.ahead import compile_ahead

    done = compile_ahead()
    messages.tell(None, f"compiled {done.compiled} loops into {done.folder}, which had {done.found} already")
