"""Write gradients to files: JSON, .npz, .npy and CSV, whose numbers read back exactly; heatmaps as PNG; and LaTeX."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.arrays import Array, FloatArray, finite_or_none
from convcli.drawing.heatmap_layout import LARGE, SMALL, Bounds
from convcli.drawing.heatmaps import draw_heatmap, stack_heatmaps, tile_heatmaps
from convcli.errors import OptionError
from convcli.files.file_bytes import write_text
from convcli.files.json_writing import tensor_to_json, write_json
from convcli.files.npy_files import save_npy
from convcli.files.output_names import Destination, format_extension
from convcli.files.templates import safe_name
from convcli.grad.equations import write_latex
from convcli.grad.report import GradientReport
from convcli.names import SYMBOLS
from convcli.pictures.writing import encode_png


def report_to_json(report: GradientReport) -> dict[str, Any]:
    """Return the members of a JSON document: shapes, edge fill, the loss if it is known, and the gradients as lists.

    Raises OptionError if a gradient is not finite.
    """
    loss = {} if report.loss is None else {"loss": finite_or_none(report.loss)}
    gradients = {
        name: tensor_to_json(f"the {name} gradient", tensor, "use `format` npz")
        for name, tensor in report.stored.items()
    }
    edge = str(report.prepared.geometry.edge)
    return {"shape": report.shapes, "edge": edge, **report.layouts.to_json(), **loss, "gradients": gradients}


def write_npz(report: GradientReport, stream: BinaryIO) -> None:
    """Write the report's tensors as an ``.npz``, under the names kernel, input and bias."""
    arrays: dict[str, Any] = {**report.stored}
    np.savez(stream, **arrays)


def write_npy(report: GradientReport, stream: BinaryIO) -> None:
    """Write the report's only tensor as ``.npy``."""
    (tensor,) = report.stored.values()
    save_npy(stream, tensor)


def write_csv(report: GradientReport, stream: BinaryIO) -> None:
    """Write one row per number: the columns ``tensor``, one per index, and ``value``.

    Each letter of an index has a column, which is empty for tensors without this index.
    """
    letters = {name: report.layouts.of(name).order(report.letters(name)) for name in report.tensors}
    columns = _merged(letters.values())
    write_text(stream, [f"{','.join(['tensor', *columns, 'value'])}\n"])
    for name, tensor in report.stored.items():
        write_text(stream, _csv_rows(name, tensor, letters[name], columns))


def _merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """Return all letters, each once, in an order that agrees with each of the orders: readers take it for theirs.

    There is one, because the gradients of two parameters have at most one letter in common.
    """
    waiting, merged = [list(order) for order in orders if order], []
    while waiting:
        first = next(order[0] for order in waiting if not any(order[0] in other[1:] for other in waiting))
        merged.append(first)
        waiting = [rest for order in waiting if (rest := order[order[0] == first :])]
    return merged


def _csv_rows(name: str, tensor: FloatArray, letters: Sequence[str], columns: list[str]) -> Iterator[str]:
    """Yield the lines of a tensor, row by row; only the last index varies within a row."""
    if not letters:
        yield f"{','.join([name, *('' for _ in columns), repr(tensor.item())])}\n"
        return
    last = columns.index(letters[-1])
    tail = "," * (len(columns) - last)
    for position in np.ndindex(tensor.shape[:-1]):
        index = dict(zip(letters, map(str, position), strict=False))
        head = ",".join([name, *(index.get(letter, "") for letter in columns[:last]), ""])
        yield "".join(f"{head}{k}{tail}{value!r}\n" for k, value in enumerate(tensor[position].tolist()))


def write_png(report: GradientReport, stream: BinaryIO) -> None:
    """Write a PNG of heatmaps: one per tensor, one below the other, each with its own scale."""
    stream.write(encode_png(stack_heatmaps(_heatmaps(report))))


def write_panels(report: GradientReport, stream: BinaryIO) -> None:
    """Write a PNG of heatmaps: V, K, b, Z and G side by side, and below them the gradients."""
    operands = [
        draw_heatmap(symbol, tensor, report.operand_letters(symbol, tensor.ndim), SMALL)
        for symbol, tensor in report.operands().items()
    ]
    stream.write(encode_png(stack_heatmaps([tile_heatmaps(operands), tile_heatmaps(_heatmaps(report, SMALL))])))


def _heatmaps(report: GradientReport, bounds: Bounds = LARGE) -> list[Array]:
    return [draw_heatmap(SYMBOLS[name], each, report.letters(name), bounds) for name, each in report.tensors.items()]


WRITERS: dict[str, Callable[[GradientReport, BinaryIO], None]] = {
    "json": lambda report, stream: write_json(stream, report_to_json(report)),
    "npz": write_npz,
    "npy": write_npy,
    "csv": write_csv,
    "png": write_png,
    "latex": write_latex,
}
FORMATS = ("text", *WRITERS)
HOLDING_LOSS = ("text", "json", "latex")
ONE_TENSOR = ("npy",)


def gradient_paths(
    destination: Destination, format: str, wrt: tuple[str, ...], image: Path, kernel: str
) -> dict[Path, tuple[str, ...]]:
    """Return the gradients that each file holds: one file holds all, or one each if the name has ``{wrt}``.

    In a folder, a file is called ``{stem}.{kernel}.{ext}``, with ``.{wrt}`` before the extension if there are several
    gradients and the format holds only one tensor.
    Raises OptionError for an invalid template, or if one file would have to hold more tensors than its format can;
    FileError as ``Destination.require_writable`` does.
    """
    several = format in ONE_TENSOR and len(wrt) > 1
    default = f"{{stem}}.{{kernel}}{'.{wrt}' * several}.{{ext}}"
    values = {
        "stem": image.stem,
        "kernel": safe_name(kernel),
        "ext": format_extension(format),
        "dir": str(image.parent),
    }
    paths = destination.paths(default, ({"wrt": name, **values} for name in wrt))
    separate = len(set(paths)) == len(wrt)
    if several and not separate:
        raise OptionError(
            f"{format} holds one tensor, given {len(wrt)} ({', '.join(wrt)}): use `format` npz, json or "
            f"csv, choose one with `wrt`, or name a file for each, as in `output` 'grad-{{wrt}}.{format}'"
        )
    destination.require_writable(paths)
    return {path: (name,) for path, name in zip(paths, wrt, strict=True)} if separate else {paths[0]: wrt}
