"""The errors a user can cause, and the reason of any other in one line.

Each says in one line what was expected, what came, and what to do. A request that cannot be right (an
option, a kernel, a shape) is a ``ValueError``; a file that could not be read or written is an ``OSError``.
"""


class ConvcliError(Exception):
    """Base of every error that convcli raises on purpose."""


class GeometryError(ConvcliError, ValueError):
    """Shapes, stride, padding, dilation or groups that do not fit together."""


class KernelError(ConvcliError, ValueError):
    """A kernel, or its JSON, that cannot be used."""


class JsonError(ConvcliError, ValueError):
    """JSON that is not JSON, or not what was expected; the message starts with its place."""


class OptionError(ConvcliError, ValueError):
    """An option whose value is not one of those that exist, or that contradicts another."""


class FileError(ConvcliError, OSError):
    """A file that could not be read or written."""


class ClusterError(ConvcliError, OSError):
    """A cluster that cannot be reached, or was lost."""


def reason_of(error: Exception) -> str:
    """Return what another library's error says, in one line: the system's reason, or the text, or else the type."""
    reason = getattr(error, "strerror", None) or str(error)
    return " ".join(reason.split()) or type(error).__name__
