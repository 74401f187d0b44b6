"""The options that several commands share.

Options that go together are the fields of a dataclass, which a command takes as one parameter. Typer knows only single
options, so ``with_option_groups`` shows it one parameter per field. Listing the options in every command instead would
take about 60 more lines, and a new convolution option would change six commands.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from convcli.cli import completion
from convcli.errors import OptionError
from convcli.geometry.fills import FILLS
from convcli.text import any_of, integer, real

Number = TypeVar("Number", int, float)


class Panel(StrEnum):
    """The headings under which the help lists a command's options, in their order."""

    TASK = "What to compute"
    KERNEL = "Kernel and geometry"
    PICTURES = "Pictures"
    OUTPUT = "Output"
    BATCHES = "Batches"
    MACHINE = "Speed and machine"
    MESSAGES = "Messages and help"


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


_IMAGES = typer.Argument(
    metavar="IMAGE...",
    autocompletion=completion.images,
    show_default=False,
    help="Pictures; arrays (H,W) or (...,C,H,W), or as --layout says, in .npy, .npz:NAME, .safetensors:NAME or JSON; "
    "folders of them; quoted patterns such as 'photos/**/*.jpg'; inline JSON such as [[1,2],[3,4]]; sample:NAME; or - "
    "for stdin.",
)
Images = Annotated[list[str], _IMAGES]
OptionalImages = Annotated[list[str] | None, _IMAGES]
Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=completion.images,
        show_default=False,
        help="A picture; an array in .npy, .npz:NAME, .safetensors:NAME or JSON; inline JSON such as [[1,2],[3,4]]; "
        "sample:NAME; or - for stdin.",
    ),
]
HeaderOnly = Annotated[
    str | None,
    typer.Argument(
        metavar="[IMAGE]",
        autocompletion=completion.images,
        show_default=False,
        help="A picture, .npy or sample:NAME, of which only the header is read; or, without -k, an ONNX model, whose "
        "convolutions are listed.",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        rich_help_panel=Panel.KERNEL,
        metavar="C,H,W",
        show_default=False,
        help="The input's shape, instead of an image; with --layout, in that order.",
    ),
]


def _kernel_option(more: str = "") -> object:
    """Return the option for a kernel. more: follows in its help."""
    return typer.Option(
        "--kernel",
        "-k",
        autocompletion=completion.kernels,
        rich_help_panel=Panel.KERNEL,
        metavar="KERNEL",
        show_default=False,
        help="A preset, such as gaussian:2 (convcli kernels lists all); JSON, or rows such as '1 2 1; 2 4 2; 1 2 1', "
        "in a file or inline; weights in .npy, .npz:NAME or .safetensors:NAME; a convolution of a model, .onnx:NODE, "
        f"with its options; or - for stdin.{more}",
    )


KernelSource = Annotated[str, _kernel_option()]
OptionalKernelSource = Annotated[str | None, _kernel_option()]
KernelSources = Annotated[list[str], _kernel_option(" May be repeated.")]


def _relu_option(more: str = "") -> object:
    """Return the option for a ReLU. more: follows in its help."""
    description = f"Apply a ReLU to the output: A = max(Z, 0).{more}"
    return typer.Option("--relu", rich_help_panel=Panel.KERNEL, help=description)


Relu = Annotated[bool, _relu_option()]
ReluAfterwards = Annotated[bool, _relu_option(" -G is then dJ/dA.")]
UPSTREAM_HELP = (
    "The upstream gradient dJ/dZ: ones; at:I,J,K (1 in one place of Z); normal:SEED (random numbers); mse:TARGET "
    "(Z - TARGET); a file (.npy, .npz:NAME, JSON or picture); inline JSON; or - for stdin."
)
Upstream = Annotated[
    str,
    typer.Option(
        "--upstream",
        "-G",
        autocompletion=completion.UPSTREAMS,
        rich_help_panel=Panel.TASK,
        metavar="G",
        help=UPSTREAM_HELP,
    ),
]
Gray = Annotated[
    bool, typer.Option("--gray", rich_help_panel=Panel.PICTURES, help="Convert colours to gray first (ITU-R 601 luma).")
]
Unit = Annotated[bool, typer.Option("--unit", rich_help_panel=Panel.PICTURES, help="Scale pixel values to 0..1 first.")]
# Pillow's own limit.
MOST_PIXELS = 178_956_970
MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        rich_help_panel=Panel.PICTURES,
        metavar="N",
        parser=whole_number,
        help="Refuse pictures with more pixels in a frame (0: no limit).",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        rich_help_panel=Panel.MACHINE,
        metavar="[ADDRESS]",
        show_default=False,
        help="Compute in N processes of this machine (local:N), or on a Dask cluster (tcp://HOST:PORT or "
        "file:SCHEDULER.json); without ADDRESS, on the cluster that DASK_SCHEDULER_ADDRESS names.",
    ),
]


def output_option(fields: str, more: str = "") -> object:
    """Return the option for where an output goes. fields: those of a template.  more: follows in its help."""
    description = f"A file; a folder; a template of {fields}; or - for stdout.{more}"
    return typer.Option("--output", "-o", rich_help_panel=Panel.OUTPUT, metavar="OUT", help=description)


KERNEL_FIELDS = "{kernel} {ext}"
KernelOutput = Annotated[str, output_option(KERNEL_FIELDS)]


def format_option(autocompletion: completion.Complete, description: str) -> object:
    """Return the option for the format of an output."""
    return typer.Option(
        "--format",
        "-f",
        autocompletion=autocompletion,
        rich_help_panel=Panel.OUTPUT,
        metavar="NAME",
        help=description,
    )


Overwrite = Annotated[bool, typer.Option("--overwrite", rich_help_panel=Panel.OUTPUT, help="Replace existing files.")]
Preview = Annotated[
    bool,
    typer.Option(
        "--preview", rich_help_panel=Panel.OUTPUT, help="Show the arrays as pictures if stdout is a terminal."
    ),
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=Panel.OUTPUT, help="Print JSON, for programs.")]


@dataclass(frozen=True)
class ConvolutionOptions:
    """A convolution's options as the user typed them; None for those that the kernel's model or a default decides."""

    stride: Annotated[
        str | None,
        typer.Option(
            "--stride",
            "-s",
            rich_help_panel=Panel.KERNEL,
            metavar="S|SY,SX",
            show_default="1",
            help="Pixels from each window to the next.",
        ),
    ] = None
    padding: Annotated[
        str | None,
        typer.Option(
            "--padding",
            "-p",
            autocompletion=completion.members("geometry.options", "PADDING_RULES"),
            rich_help_panel=Panel.KERNEL,
            metavar="PAD",
            show_default="same",
            help="Pixels to add around the input: same (the output keeps the size, divided by the stride; an odd pixel "
            "goes last), same-lower (it goes first), valid (none), full, or numbers N, Y,X or T,B,L,R.",
        ),
    ] = None
    dilation: Annotated[
        str | None,
        typer.Option(
            "--dilation",
            "-d",
            rich_help_panel=Panel.KERNEL,
            metavar="D|DY,DX",
            show_default="1",
            help="Pixels from each tap of the kernel to the next.",
        ),
    ] = None
    edge: Annotated[
        str | None,
        typer.Option(
            "--edge",
            "-e",
            autocompletion=completion.fills,
            rich_help_panel=Panel.KERNEL,
            metavar="FILL",
            show_default="replicate for pictures; zero for arrays, matrix and --transpose",
            help=f"What fills the padding: {any_of(FILLS)}.",
        ),
    ] = None
    groups: Annotated[
        int | None,
        typer.Option(
            "--groups",
            "-g",
            rich_help_panel=Panel.KERNEL,
            metavar="N",
            parser=whole_number,
            show_default="the kernel's, or 1",
            help="Number of groups of channels, each with kernels of its own.",
        ),
    ] = None
    divisor: Annotated[
        float | None,
        typer.Option(
            "--divisor",
            rich_help_panel=Panel.KERNEL,
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
            rich_help_panel=Panel.KERNEL,
            help="Divide the kernel's weights by their sum, or by the sum of their magnitudes if that is 0.",
        ),
    ] = False
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            rich_help_panel=Panel.KERNEL,
            help="Rotate the kernel by 180 degrees (true convolution, as MATLAB conv2 and scipy convolve2d).",
        ),
    ] = False
    bias: Annotated[
        str | None,
        typer.Option(
            "--bias",
            rich_help_panel=Panel.KERNEL,
            metavar="B",
            show_default=False,
            help="Numbers to add to the output: one for all channels, one per channel (1,2,3), or one per output unit "
            "(JSON, .npy, .npz:NAME or .safetensors:NAME).",
        ),
    ] = None


@dataclass(frozen=True)
class TransposeOptions:
    """The options of a transposed convolution, as the user typed them."""

    transpose: Annotated[
        bool,
        typer.Option(
            "--transpose",
            rich_help_panel=Panel.KERNEL,
            help="Transpose the convolution, as PyTorch's conv_transpose2d: a stride of 2 doubles the size. With a "
            "bank (C_out, C_in/groups, kh, kw), V has C_out channels, and Z has C_in.",
        ),
    ] = False
    output_shape: Annotated[
        str | None,
        typer.Option(
            "--output-shape",
            rich_help_panel=Panel.KERNEL,
            metavar="N|H,W",
            show_default="for -p same, V's times the stride; else the least",
            help="The rows and columns of Z under --transpose.",
        ),
    ] = None
    output_padding: Annotated[
        str | None,
        typer.Option(
            "--output-padding",
            rich_help_panel=Panel.KERNEL,
            metavar="N|Y,X",
            show_default=False,
            help="The rows and columns of Z beyond the least, instead of --output-shape.",
        ),
    ] = None


# What a command gets if none of these options is given.
NO_TRANSPOSE = TransposeOptions()


KernelLayout = Annotated[
    str | None,
    typer.Option(
        "--kernel-layout",
        autocompletion=completion.members("layouts", "KERNEL_LAYOUTS"),
        rich_help_panel=Panel.KERNEL,
        metavar="ORDER",
        show_default="oihw",
        help="The axes of K and dK in arrays, read and written: oihw (C_out, C_in/groups, kh, kw), hwio or ohwi.",
    ),
]


@dataclass(frozen=True)
class LayoutOptions:
    """The orders of the axes of tensors, as the user typed them."""

    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            autocompletion=completion.members("layouts", "MAP_LAYOUTS"),
            rich_help_panel=Panel.KERNEL,
            metavar="ORDER",
            show_default="chw",
            help="The axes of V, Z, G and dV in arrays, read and written: chw or nchw; hwc or nhwc, as in TensorFlow "
            "and JAX.",
        ),
    ] = None
    kernel_layout: KernelLayout = None


@dataclass(frozen=True)
class ExecutionOptions:
    """The options of the execution, as the user typed them."""

    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm",
            autocompletion=completion.members("engine", "CONVOLUTIONS", "auto"),
            rich_help_panel=Panel.MACHINE,
            metavar="NAME",
            help="auto (the fastest) or a name; convcli plan lists all with their costs.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            rich_help_panel=Panel.MACHINE,
            metavar="N",
            parser=whole_number,
            show_default="one per CPU",
            help="Number of threads.",
        ),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            rich_help_panel=Panel.MACHINE,
            metavar="BYTES",
            show_default="16M; up to 256M where that saves more than a second",
            help="Workspace of each thread, besides the images, as in 500K, 64M or 2G.",
        ),
    ] = None


Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        autocompletion=completion.DTYPES,
        rich_help_panel=Panel.MACHINE,
        metavar="TYPE",
        show_default="by the image's type",
        help="The type to compute in: float32 or float64.",
    ),
]

GradientDtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        autocompletion=completion.DTYPES,
        rich_help_panel=Panel.MACHINE,
        metavar="TYPE",
        help="The type to compute in: float32 or float64.",
    ),
]

AlwaysFloat64 = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        autocompletion=completion.words("float64"),
        rich_help_panel=Panel.MACHINE,
        metavar="TYPE",
        show_default="float64",
        help="The type to compute in, which is always float64 here.",
    ),
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
            rich_help_panel=Panel.BATCHES,
            metavar="N",
            parser=whole_number,
            help="Number of files to process in parallel; they share --threads (0: one per CPU).",
        ),
    ] = 0
    files_from: Annotated[
        str | None,
        typer.Option(
            "--files-from",
            rich_help_panel=Panel.BATCHES,
            metavar="LIST",
            show_default=False,
            help="Also process the images whose names this file (- for stdin) lists, one per line.",
        ),
    ] = None
    null: Annotated[
        bool,
        typer.Option(
            "--null", "-0", rich_help_panel=Panel.BATCHES, help="Names in LIST end in NUL, as find -print0 writes them."
        ),
    ] = False
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            rich_help_panel=Panel.BATCHES,
            help="Skip images whose outputs exist, for instance to resume a stopped batch.",
        ),
    ] = False
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", rich_help_panel=Panel.BATCHES, help="Do not start more files after a failure."),
    ] = False
    all_frames: Annotated[
        bool,
        typer.Option(
            "--all-frames",
            rich_help_panel=Panel.PICTURES,
            help="Process every frame or page, not only the first; write animations and pages again.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=Panel.BATCHES,
            help="Write nothing; read only headers, and print the names, shapes and sizes of the outputs.",
        ),
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
