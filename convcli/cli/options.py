"""The options that several commands share.

Options that go together are the fields of a dataclass, which a command takes as one parameter. Typer knows only single
options, so ``with_option_groups`` shows it one parameter per field. Listing the options in every command instead would
take about 60 more lines, and a new convolution option would change six commands.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from convcli.errors import OptionError
from convcli.geometry.fills import FILLS
from convcli.text import any_of, integer, real

Number = TypeVar("Number", int, float)


def whole_number(text: str) -> int:
    """Parse the value of an option that takes a whole number."""
    return _number(integer, "a whole number", text)


def real_number(text: str) -> float:
    """Parse the value of an option that takes a number."""
    return _number(real, "a number", text)


def _number(convert: Callable[[str], Number], expected: str, text: str) -> Number:
    # Typer also passes the default, which is a number already.
    try:
        return convert(str(text))
    except ValueError:
        raise typer.BadParameter(f"expected {expected}, given {text!r}") from None


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the fields of its dataclass parameters instead of the dataclasses."""
    signature = inspect.signature(command)
    groups = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def grouped(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    parameters = [
        single.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for single in (inspect.signature(groups[name]).parameters.values() if name in groups else [parameter])
    ]
    grouped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return grouped


IMAGES_HELP = (
    "Pictures, .npy or JSON arrays (H,W) or (C,H,W), folders of them, quoted patterns 'photos/**/*.jpg', inline JSON "
    "[[1,2],[3,4]], sample:astronaut, or - for stdin."
)
Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", show_default=False, help=IMAGES_HELP)]
OptionalImages = Annotated[list[str] | None, typer.Argument(metavar="IMAGE...", show_default=False, help=IMAGES_HELP)]
Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        show_default=False,
        help="A picture, an .npy or JSON array, inline JSON [[1,2],[3,4]], sample:NAME, or - for stdin.",
    ),
]
HeaderOnly = Annotated[
    str | None,
    typer.Argument(metavar="[IMAGE]", show_default=False, help="A picture or .npy; only its header is read."),
]
InputShape = Annotated[
    str | None,
    typer.Option("--input-shape", metavar="C,H,W", show_default=False, help="The input's shape, instead of an image."),
]
KERNEL_HELP = (
    "A preset name:params, kernel JSON or rows '1 2 1; 2 4 2; 1 2 1' (file or inline), .npy weights, or - for stdin."
)
KernelSource = Annotated[str, typer.Option("--kernel", "-k", metavar="KERNEL", show_default=False, help=KERNEL_HELP)]
KernelSources = Annotated[
    list[str],
    typer.Option("--kernel", "-k", metavar="KERNEL", show_default=False, help=f"{KERNEL_HELP} Repeatable."),
]
UPSTREAM_HELP = (
    "The upstream gradient dJ/dZ: ones, normal:SEED (random), mse:TARGET (Z - TARGET), a file (.npy, JSON, picture), "
    "inline JSON, or - for stdin."
)
Upstream = Annotated[str, typer.Option("--upstream", "-G", metavar="G", help=UPSTREAM_HELP)]
Gray = Annotated[bool, typer.Option("--gray", help="Convert colour to gray first (ITU-R 601 luma).")]
Unit = Annotated[bool, typer.Option("--unit", help="Scale pixel values to 0..1 first.")]
# Pillow's own limit.
MOST_PIXELS = 178_956_970
MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        metavar="N",
        parser=whole_number,
        help="Refuse pictures, or frames, with more pixels (0: no limit).",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="[ADDRESS]",
        show_default=False,
        help="Compute in N processes of this machine (local:N), or on a Dask cluster (tcp://HOST:PORT or "
        "file:SCHEDULER.json); without an address, on the one in DASK_SCHEDULER_ADDRESS.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Preview = Annotated[bool, typer.Option("--preview", help="Show the arrays as pictures if stdout is a terminal.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True)
class ConvolutionOptions:
    """A convolution's options as the user typed them."""

    stride: Annotated[str, typer.Option("--stride", "-s", metavar="S|SY,SX", help="Step between windows.")] = "1"
    padding: Annotated[
        str,
        typer.Option(
            "--padding",
            "-p",
            metavar="PAD",
            help="Pixels to add around the input: valid (none), same, same-lower, full, N, Y,X or T,B,L,R.",
        ),
    ] = "same"
    dilation: Annotated[str, typer.Option("--dilation", "-d", metavar="D|DY,DX", help="Step between kernel taps.")] = (
        "1"
    )
    edge: Annotated[
        str | None,
        typer.Option(
            "--edge",
            "-e",
            metavar="FILL",
            show_default="replicate for pictures; zero for arrays, and for matrix",
            help=f"What fills the padding: {any_of(FILLS)}.",
        ),
    ] = None
    groups: Annotated[
        int | None,
        typer.Option(
            "--groups",
            "-g",
            metavar="N",
            parser=whole_number,
            show_default="the kernel's, or 1",
            help="Number of channel groups.",
        ),
    ] = None
    divisor: Annotated[
        float | None,
        typer.Option(
            "--divisor",
            metavar="D",
            parser=real_number,
            show_default=False,
            help="Divide the kernel's weights by D.",
        ),
    ] = None
    normalize: Annotated[
        bool,
        typer.Option(
            "--normalize",
            help="Divide the kernel's weights by their sum, or by the sum of their magnitudes if that is 0.",
        ),
    ] = False
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            help="Rotate the kernel by 180 degrees (true convolution, as MATLAB conv2 and scipy convolve2d).",
        ),
    ] = False
    bias: Annotated[
        str | None,
        typer.Option(
            "--bias",
            metavar="B",
            show_default=False,
            help="A number, a list 1,2,3, JSON or .npy: one for all channels, one per channel, or one per output unit.",
        ),
    ] = None


@dataclass(frozen=True)
class ExecutionOptions:
    """The options of the execution, as the user typed them."""

    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm",
            metavar="NAME",
            help="auto for the fastest, or a name; convcli plan lists all with their costs.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            parser=whole_number,
            show_default="one per CPU",
            help="Number of threads that compute.",
        ),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="BYTES",
            show_default="16M; up to 256M where that saves more than a second",
            help="Workspace per thread, besides images: 500K, 64M, 2G.",
        ),
    ] = None


Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        show_default="by the image's type",
        help="float32 or float64: the type to compute in.",
    ),
]

GradientDtype = Annotated[
    str, typer.Option("--dtype", metavar="TYPE", help="float32 or float64: the type to compute in.")
]

# For commands without these options, because they compute little.
DEFAULT_EXECUTION = ExecutionOptions()


@dataclass(frozen=True)
class BatchOptions:
    """The options for choosing and processing a batch of images, as the user typed them."""

    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            parser=whole_number,
            help="Number of files to process in parallel (0: one per CPU).",
        ),
    ] = 0
    files_from: Annotated[
        str | None,
        typer.Option(
            "--files-from",
            metavar="LIST",
            show_default=False,
            help="Also process the images whose names this file (- for stdin) lists, one per line.",
        ),
    ] = None
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Names in LIST end in NUL, as find -print0 writes them.")
    ] = False
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip images whose outputs exist, as to resume a stopped batch.")
    ] = False
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Do not start more files after a failure.")] = False
    all_frames: Annotated[
        bool, typer.Option("--all-frames", help="Process every frame or page, each into a file of its own.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read only headers; print the outputs, their shapes and sizes.")
    ] = False


def requested_format(format: str, *, json: bool) -> str:
    """Return the format that ``--format`` and ``--json`` ask for; OptionError if they contradict each other."""
    if not json:
        return format
    if format not in ("auto", "json"):
        raise OptionError(f"`json` and `format` {format} contradict each other: give one")
    return "json"


def upstream_source(upstream: str) -> str:
    """Return the text of ``--upstream`` without ``mse:``, so that ``mse:-`` is recognised as stdin."""
    return upstream.removeprefix("mse:")
