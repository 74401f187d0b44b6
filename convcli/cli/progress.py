"""How far a batch is, on stderr: a bar on a terminal, a line now and then elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Protocol

from convcli.cli.options import Talk

# Seconds until the first line, each of the next after twice as many, up to the last.
FIRST_LINE = 1
MOST_APART = 60


class Progress(Protocol):
    """Something that is told of each file that is done."""

    def advance(self, pixels: int) -> None:
        """One more, of an image of so many pixels."""


@contextmanager
def progress(files: int, talk: Talk, *, crowded: bool = False) -> Iterator[Progress]:
    """Shows how many of so many files are done; of a single file, and when all is quiet, nothing.

    crowded: whether data goes to the terminal too, which a bar would garble.
    """
    if files == 1 or talk.quiet or sys.stderr is None:
        yield _Silence()
    elif sys.stderr.isatty() and not crowded and os.environ.get("TERM") != "dumb":
        with _Bar(files) as bar:
            yield bar
    else:
        yield _Lines(files, talk)


class _Silence:
    def advance(self, pixels: int) -> None:
        """Nothing is shown."""


class _Pace:
    """How many files and pixels are done, and how quickly."""

    def __init__(self, files: int) -> None:
        self.files, self.done, self.pixels = files, 0, 0
        self._began = monotonic()

    def add(self, pixels: int) -> None:
        self.done += 1
        self.pixels += pixels

    @property
    def seconds(self) -> float:
        return monotonic() - self._began

    @property
    def megapixels_a_second(self) -> float:
        return self.pixels / 1e6 / max(self.seconds, 1e-9)

    @property
    def left(self) -> float:
        """Seconds, if the rest goes as what is done."""
        return self.seconds / self.done * (self.files - self.done)


class _Lines:
    """A line after a second, and then ever more rarely; nothing about what is done sooner."""

    def __init__(self, files: int, talk: Talk) -> None:
        self._pace, self._talk = _Pace(files), talk
        self._next = self._interval = float(FIRST_LINE)
        self._said = False

    def advance(self, pixels: int) -> None:
        pace = self._pace
        pace.add(pixels)
        is_last = self._said and pace.done == pace.files
        if pace.seconds < self._next and not is_last:
            return
        self._said = True
        self._interval = min(2 * self._interval, MOST_APART)
        self._next = pace.seconds + self._interval
        self._talk.tell(
            "progress",
            f"{pace.done} of {pace.files} files, {pace.megapixels_a_second:.1f} megapixels a second, "
            f"{_clock(pace.left)} left",
        )


class _Bar:
    """A bar with files, megapixels a second and the time that is left."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._pace = _Pace(files)
        self._shown = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files  {task.fields[rate]:.1f} megapixels a second  {task.fields[left]} left"),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._shown.add_task("", total=files, rate=0.0, left="-:--")

    def __enter__(self) -> "_Bar":
        # A terminal that has gone, as signals will tell: nobody looks at the bar.
        with suppress(OSError):
            self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._shown.stop()

    def advance(self, pixels: int) -> None:
        pace = self._pace
        pace.add(pixels)
        self._shown.update(self._task, advance=1, rate=pace.megapixels_a_second, left=_clock(pace.left))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
