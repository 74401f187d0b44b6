"""The most seconds to wait for other processes: every wait has an end."""

from typing import NamedTuple


class Patience(NamedTuple):
    """The most seconds to wait for other processes.

    start: for a scheduler to answer at first, and for a first worker.
    answer: for a sign of life of a scheduler or worker that answered before.
    process: for the first sign of life of a process that starts on this machine.
    """

    start: float = 5
    answer: float = 20
    process: float = 60


PATIENCE = Patience()
