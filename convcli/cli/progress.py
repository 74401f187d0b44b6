"""Show the progress of a batch on stderr: a bar on a terminal, and occasional lines elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Protocol

from convcli.cli.messages import Messages
from convcli.cli.streams import has_colours

# Seconds until the first line; the interval doubles with each line, up to the longest.
FIRST_LINE = 1
LONGEST_INTERVAL = 60
# A convolution that is estimated to take so many seconds is announced.
LONG = 10


class Progress(Protocol):
    """Shows how many files are done."""

    def advance(self, pixels: int) -> None:
        """Count one more finished file, whose image has this many pixels."""


@contextmanager
def progress(files: int, messages: Messages, *, shared_terminal: bool = False) -> Iterator[Progress | None]:
    """Show how many files are done; yield None, and show nothing, for a single file or if messages are quiet.

    shared_terminal: whether data goes to the terminal too, which a bar would garble.
    """
    if files == 1 or messages.quiet or sys.stderr is None:
        yield None
    elif sys.stderr.isatty() and not shared_terminal and has_colours() and os.environ.get("TERM") != "dumb":
        with _Bar(files) as bar:
            yield bar
    else:
        yield _Lines(files, messages)


class _Lines:
    """Progress as lines, the first after FIRST_LINE seconds, then at intervals that double."""

    def __init__(self, files: int, messages: Messages) -> None:
        self._files, self._messages = files, messages
        self._done = self._pixels = 0
        self._began = monotonic()
        self._next = self._interval = float(FIRST_LINE)

    def advance(self, pixels: int) -> None:
        self._done += 1
        self._pixels += pixels
        seconds = monotonic() - self._began
        is_last = self._done == self._files and self._interval > FIRST_LINE
        if seconds < self._next and not is_last:
            return
        self._interval = min(2 * self._interval, LONGEST_INTERVAL)
        self._next = seconds + self._interval
        left = timedelta(seconds=round(seconds / self._done * (self._files - self._done)))
        rate = _megapixels_per_second(self._pixels, seconds)
        self._messages.tell("progress", f"{self._done} of {self._files} files, {rate}, {left} left")


class _Bar:
    """Progress as a bar, with the number of files, megapixels per second and the time left."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._shown = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files  {task.fields[rate]} "),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._shown.add_task("", total=files, rate="")
        self._pixels = 0

    def __enter__(self) -> "_Bar":
        # Writing fails when the terminal has closed. The bar is then useless, and SIGHUP ends the program.
        with suppress(OSError):
            self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._shown.stop()

    def advance(self, pixels: int) -> None:
        self._pixels += pixels
        seconds = self._shown.tasks[self._task].elapsed or 0.0
        self._shown.update(self._task, advance=1, rate=_megapixels_per_second(self._pixels, seconds))


def _megapixels_per_second(pixels: int, seconds: float) -> str:
    return f"{pixels / 1e6 / max(seconds, 1e-9):.1f} megapixels per second"


class LongWork:
    """The messages about work that takes long: its estimate before it begins, then how much is left."""

    def __init__(self, messages: Messages) -> None:
        self._messages, self._lock = messages, Lock()
        self._estimated = self._done = 0.0
        self._began = self._next = 0.0
        self._interval = float(LONG)

    def begin(self, seconds: float) -> None:
        """Say how long work will take, if that is long. Short work counts from then on, but is not announced."""
        with self._lock:
            if seconds < LONG and not self._estimated:
                return
            self._began = self._began or monotonic()
            self._estimated += seconds
        if seconds < LONG:
            return
        self._messages.tell("progress", f"this will take about {_rounded(seconds)}, as convcli plan explains")

    def advance(self, seconds: float) -> None:
        """Say now and then how much is left, at the rate so far."""
        if not self._estimated:
            return
        with self._lock:
            self._done += seconds
            passed = monotonic() - self._began
            if passed < self._next + self._interval:
                return
            self._next, self._interval = passed, min(2 * self._interval, LONGEST_INTERVAL)
            left = passed / self._done * (self._estimated - self._done)
            share = self._done / self._estimated
        self._messages.tell("progress", f"{share:.0%}, {_rounded(left)} left")


def _rounded(seconds: float) -> timedelta:
    return timedelta(seconds=max(0, round(seconds)))
