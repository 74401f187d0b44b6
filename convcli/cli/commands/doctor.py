"""``convcli doctor``: show what a bug report needs to say about this installation."""

from convcli.cli import options
from convcli.cli.messages import Messages
from convcli.cli.streams import open_stdout


@options.with_option_groups
def doctor(*, json: options.Json = False, messages: Messages) -> None:
    """Show versions, libraries, limits and formats, for a bug report.

    Nothing is computed. If a part cannot be looked up, the problems say why, and the others are shown. No name of a
    machine is shown, and the home folder is written ~.

    convcli doctor
    convcli doctor --json
    """
    from json import dumps

    from convcli.cli.text.doctor import diagnosis_text
    from convcli.doctor.diagnosis import diagnose, diagnosis_to_json

    found = diagnose()
    # Without json_writing, which needs NumPy: that may be what is broken.
    text = f"{dumps(diagnosis_to_json(found))}\n" if json else "".join(f"{line}\n" for line in diagnosis_text(found))
    with open_stdout() as stdout:
        stdout.write(text.encode())
