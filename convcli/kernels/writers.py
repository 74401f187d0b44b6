"""Write a kernel to files: JSON, and ``.npy``, CSV and text, which hold only weights. The numbers read back exactly."""

from collections.abc import Callable
from typing import BinaryIO

from convcli.arrays import numerals
from convcli.errors import OptionError
from convcli.files.file_bytes import write_text
from convcli.files.json_writing import write_json
from convcli.files.npy_files import save_npy
from convcli.kernels.json_format import kernel_to_json
from convcli.kernels.kernel import Kernel
from convcli.layouts import DEFAULT, Layouts


def write_npy(kernel: Kernel, stream: BinaryIO, layouts: Layouts = DEFAULT) -> None:
    """Write the weights as ``.npy``. Raises OptionError for a kernel with a bias or groups."""
    _require_weights_only(kernel, "npy")
    save_npy(stream, layouts.kernel.stored(kernel.weights))


def write_csv(kernel: Kernel, stream: BinaryIO) -> None:
    """Write a 2-D kernel as CSV, one line per row.

    Raises OptionError for a bank, and for a kernel with a bias or groups.
    """
    _require_plane(kernel, "csv")
    write_text(stream, (f"{','.join(numerals(row))}\n" for row in kernel.weights))


def write_rows(kernel: Kernel, heading: str, stream: BinaryIO) -> None:
    """Write a 2-D kernel as text: a comment, which is one line, and a line per row.

    Raises OptionError for a bank, and for a kernel with a bias or groups.
    """
    _require_plane(kernel, "text")
    rows = [[number.removesuffix(".0") for number in numerals(row)] for row in kernel.weights]
    longest = max((len(number) for row in rows for number in row), default=0)
    # Without the commas, two rows of two numbers could be a matrix of vips.
    lines = (", ".join(number.rjust(longest) for number in row) for row in rows)
    write_text(stream, (f"# {heading}\n", *(f"{line}\n" for line in lines)))


def _require_plane(kernel: Kernel, format: str) -> None:
    _require_weights_only(kernel, format)
    if kernel.weights.ndim != 2:
        raise OptionError(
            f"{format} holds a 2-D kernel, given shape {kernel.weights.shape}: use json or npy", option="format"
        )


def _require_weights_only(kernel: Kernel, format: str) -> None:
    extra = "a bias" if kernel.bias is not None else f"{kernel.groups} groups" if kernel.groups > 1 else None
    if extra:
        raise OptionError(f"{format} holds weights only, and this kernel has {extra}: use json", option="format")


def write_kernel_json(kernel: Kernel, stream: BinaryIO, layouts: Layouts = DEFAULT) -> None:
    """Write a kernel as JSON."""
    write_json(stream, kernel_to_json(kernel, layouts))


WRITERS: dict[str, Callable[[Kernel, BinaryIO], None]] = {
    "json": write_kernel_json,
    "npy": write_npy,
    "csv": write_csv,
}
