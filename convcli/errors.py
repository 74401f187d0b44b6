"""The errors that convcli raises for its users, each a message of one line.

A message says what was expected, what was given, and what to do. A request that cannot be right (an option, a kernel,
a shape) is a ``ValueError``; a file that could not be read or written is an ``OSError``.

Messages name parameters, never flags of the command line. An error about one option carries the option's name, and
shows it in front of the message. Parameters inside a message are in backquotes:

    OptionError("expected float32 or float64, given 'x'", option="dtype")
    dtype: expected float32 or float64, given 'x'

    OptionError("2 maps need one file each, but '-' is one stream: use `format` npy")

The command line alone spells both as its flags (``convcli.cli.messages``):

    --dtype: expected float32 or float64, given 'x'
    2 maps need one file each, but '-' is one stream: use --format npy
"""


class ConvcliError(Exception):
    """The base of every error that convcli raises on purpose.

    Parameters
    ----------
    message
        What was expected, what was given, and what to do.
    option
        The parameter that the error is about, if it is about one.
    """

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.message, self.option = message, option

    def __str__(self) -> str:
        return self.message if self.option is None else f"{self.option}: {self.message}"


class GeometryError(ConvcliError, ValueError):
    """Shapes, stride, padding, dilation or groups that do not fit together."""


class KernelError(ConvcliError, ValueError):
    """A kernel, or its JSON, that cannot be used."""


class JsonError(ConvcliError, ValueError):
    """Text that is not JSON, or JSON of an unexpected structure; the message starts with ``source:line:column``."""


class OptionError(ConvcliError, ValueError):
    """An option with an invalid value, or one that contradicts another option."""


class FileError(ConvcliError, OSError):
    """A file that could not be read or written."""


class ClusterError(ConvcliError, OSError):
    """A cluster that cannot be reached, or that was lost."""


def reason_of(error: Exception) -> str:
    """Return the reason of another library's error in one line: the system's reason, else the text, else the type."""
    reason = getattr(error, "strerror", None) or str(error)
    return " ".join(reason.split()) or type(error).__name__
