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


class UnexpectedError(ConvcliError):
    """An error that convcli does not raise on purpose: a defect of convcli, or a library that broke its promise."""


def as_convcli_error(error: Exception, name: str | None = None) -> ConvcliError:
    """Return an error of convcli as it is, and any other error as the cause of one.

    name: the file that it happened to, if it happened to one.
    """
    if isinstance(error, ConvcliError):
        return error
    found = _described(error, name)
    found.__cause__ = error
    return found


def _described(error: Exception, name: str | None) -> ConvcliError:
    if isinstance(error, MemoryError):
        return FileError(f"not enough memory{f' for {name}' if name else ''}: {reason_of(error)}")
    # Python has no class of its own for this error.
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return FileError("cannot start a thread: use smaller `jobs` and `threads`, or raise the limit (ulimit -u)")
    if isinstance(error, OSError):
        file = error.filename or name
        return FileError(f"{f'cannot open {file}' if file else 'the system reports an error'}: {reason_of(error)}")
    if isinstance(error, ImportError):
        return FileError(f"cannot load {error.name or 'a module'}: {reason_of(_first_cause(error))}")
    return UnexpectedError(f"{f'{name}: ' if name else ''}unexpected {type(error).__name__}: {reason_of(error)}")


def _first_cause(error: BaseException) -> Exception:
    """Return the error that led to this one, through all errors between them."""
    while error.__cause__ is not None:
        error = error.__cause__
    assert isinstance(error, Exception)
    return error


def reason_of(error: Exception) -> str:
    """Return the reason of another library's error in one line: the system's reason, else the text, else the type.

    A long text is cut, because some libraries quote all that they could not read.
    """
    reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
    most = 300
    return (reason if len(reason) <= most else f"{reason[:most]}...") or type(error).__name__
