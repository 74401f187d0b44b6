"""Results of commands: JSON lines, notes and warnings, and gradients in the format that was asked for."""

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from convcli.batch import Written
from convcli.cli.options import Talk
from convcli.cli.streams import STREAM, binary_stdout, text_stdout
from convcli.geometry import Geometry
from convcli.gradient_files import BINARY, WRITERS, GradientReport
from convcli.outputs import write_atomically


def geometry_in_words(geometry: Geometry) -> str:
    """The numbers that words such as 'same' came to."""
    top, bottom, left, right = geometry.pads
    shape = "x".join(map(str, geometry.output_shape))
    return f"pads: top {top}, bottom {bottom}, left {left}, right {right}; output {shape}"


def show_written(written: Written, talk: Talk, *, as_json: bool) -> None:
    """One output of apply: its warnings, and a line of JSON if that was asked for."""
    for warning in written.warnings:
        talk.warn(f"{written.output}: {warning}")
    talk.note(f"{written.output}: {'x'.join(map(str, written.shape))} {written.dtype}, pads {written.pads}")
    if as_json:
        print_json({name: value for name, value in asdict(written).items() if name != "warnings"})


def save_gradients(report: GradientReport, name: str, format: str) -> None:
    """Gradients into a file, or as ``-`` onto stdout."""
    if format == "text":
        _save_text(report, name)
        return
    with _stream(name, binary=format in BINARY) as stream:
        WRITERS[format](report, stream)


def _save_text(report: GradientReport, name: str) -> None:
    # Rich takes a while to import, and nothing but text needs it.
    from convcli.cli.tables import print_gradients, write_gradients

    if name == STREAM:
        print_gradients(report)
        return
    with write_atomically(Path(name)) as stream:
        write_gradients(report, stream)


def _stream(name: str, *, binary: bool) -> AbstractContextManager[BinaryIO]:
    if name != STREAM:
        return write_atomically(Path(name))
    return binary_stdout() if binary else text_stdout()


def print_json(value: list[Any] | Mapping[str, Any]) -> None:
    """A value as JSON, on stdout."""
    sys.stdout.write(json.dumps(value) + "\n")
