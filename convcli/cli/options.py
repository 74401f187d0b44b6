"""The options that commands share: the same letters, the same words, everywhere.

Options that go together are the fields of a dataclass. A command takes the dataclass as one parameter, and
``spread`` shows typer a parameter for each field.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
import typer.core

from convcli.cli.streams import say
from convcli.errors import OptionError
from convcli.text import integer, real

if TYPE_CHECKING:
    pass

Number = TypeVar("Number", int, float)


def whole_number(word: str) -> int:
    """The value of an option that takes one."""
    return _number(integer, "a whole number", word)


def real_number(word: str) -> float:
    """The value of an option that takes one."""
    return _number(real, "a number", word)


def _number(convert: Callable[[str], Number], expected: str, word: str) -> Number:
    # Defaults pass through here too, as numbers.
    try:
        return convert(str(word))
    except ValueError:
        raise typer.BadParameter(f"expected {expected}, given {word!r}") from None


IMAGES_HELP = (
    "Pictures, .npy or JSON arrays (H,W), (C,H,W), folders of them, quoted patterns 'photos/**/*.jpg'; inline "
    "[[1,2],[3,4]]; - is stdin."
)
Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", show_default=False, help=IMAGES_HELP)]
ManyImages = Annotated[list[str] | None, typer.Argument(metavar="IMAGE...", show_default=False, help=IMAGES_HELP)]
KERNEL_HELP = "Preset name:params, kernel JSON (file or inline), .npy of weights, or - for stdin."
KernelSource = Annotated[str, typer.Option("--kernel", "-k", metavar="KERNEL", show_default=False, help=KERNEL_HELP)]
KernelSources = Annotated[
    list[str],
    typer.Option("--kernel", "-k", metavar="KERNEL", show_default=False, help=f"{KERNEL_HELP} Repeatable."),
]
Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", show_default=False, help="A picture, .npy or JSON array; inline [[1,2],[3,4]]; - is stdin."
    ),
]
Upstream = Annotated[
    str,
    typer.Option(
        "--upstream",
        "-G",
        metavar="G",
        help="dJ/dZ: ones, normal:SEED, mse:TARGET (Z - TARGET), a file (.npy, JSON, picture), inline JSON, or -.",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option("--input-shape", metavar="C,H,W", show_default=False, help="Instead of an image."),
]
HeaderOnly = Annotated[
    str | None,
    typer.Argument(metavar="[IMAGE]", show_default=False, help="A picture or .npy, of which the header is read."),
]
Gray = Annotated[bool, typer.Option("--gray", help="Convert colour to gray first (ITU-R 601 luma).")]
Unit = Annotated[bool, typer.Option("--unit", help="Scale pixel values to 0..1 first.")]
# Where Pillow refuses too, by itself.
MOST_PIXELS = 178_956_970
MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        metavar="N",
        parser=whole_number,
        help="Refuse pictures, or frames, of more pixels; 0 is no limit.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="[ADDRESS]",
        show_default=False,
        help="Compute on a Dask cluster: tcp://HOST:PORT, file:SCHEDULER.json, or local:N for N processes here; "
        "without an address, that in DASK_SCHEDULER_ADDRESS.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Preview = Annotated[bool, typer.Option("--preview", help="Show the arrays as pictures, if stdout is a terminal.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class OptionalAddress(typer.core.TyperCommand):
    """A command whose ``--cluster`` may stand alone, which typer's options cannot: it then has an empty value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line."""
        alone = (word == "--cluster" and after.startswith("-") for word, after in pairwise([*args, "-"]))
        return super().parse_args(ctx, [f"{word}=" if bare else word for word, bare in zip(args, alone, strict=True)])


def source_of(upstream: str) -> str:
    """What an upstream gradient is read from, or made by."""
    return upstream.removeprefix("mse:")


@dataclass(frozen=True)
class Words:
    """A convolution's options as they were typed."""

    stride: Annotated[str, typer.Option("--stride", "-s", metavar="S|SY,SX", help="Step between windows.")] = "1"
    padding: Annotated[
        str,
        typer.Option("--padding", "-p", metavar="PAD", help="valid, same, same-lower, full, N, Y,X or T,B,L,R."),
    ] = "same"
    dilation: Annotated[str, typer.Option("--dilation", "-d", metavar="D|DY,DX", help="Step between taps.")] = "1"
    edge: Annotated[
        str,
        typer.Option(
            "--edge",
            "-e",
            metavar="FILL",
            help="What pads hold: zero, constant:VALUE, replicate, reflect, symmetric or wrap.",
        ),
    ] = "zero"
    groups: Annotated[
        int | None,
        typer.Option(
            "--groups",
            "-g",
            metavar="N",
            parser=whole_number,
            show_default="the kernel's, or 1",
            help="Groups of channels.",
        ),
    ] = None
    flip: Annotated[
        bool, typer.Option("--flip", help="Turn the kernel by half a turn: true convolution, as conv2, convolve2d.")
    ] = False
    bias: Annotated[
        str | None,
        typer.Option(
            "--bias",
            metavar="B",
            show_default=False,
            help="A number, a list 1,2,3, JSON or .npy: one for all, one a channel, or one a unit.",
        ),
    ] = None


@dataclass(frozen=True)
class Engine:
    """How to compute, as it was typed."""

    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm",
            metavar="NAME",
            help="auto, toeplitz, separable, im2col, winograd, fft, direct or unshared; convcli plan tells what each "
            "would take.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            parser=whole_number,
            show_default="every processor",
            help="Threads that compute.",
        ),
    ] = None
    memory: Annotated[
        str, typer.Option("--memory", metavar="BYTES", help="What a thread may take beside images, as in 500K or 64M.")
    ] = "16M"


@dataclass(frozen=True)
class Files:
    """Which files beside those that are named, and how they are gone through."""

    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            parser=whole_number,
            show_default="0, one a processor",
            help="Files at once.",
        ),
    ] = 0
    listed: Annotated[
        str | None,
        typer.Option(
            "--files-from",
            metavar="LIST",
            show_default=False,
            help="Images that a file, or - for stdin, names, one a line.",
        ),
    ] = None
    null: Annotated[bool, typer.Option("--null", "-0", help="Names in LIST end in NUL, as find -print0 has it.")] = (
        False
    )
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out images whose outputs are there: go on where it stopped.")
    ] = False
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Begin no further file once one has failed.")] = False
    all_frames: Annotated[
        bool, typer.Option("--all-frames", help="Every frame or page of an image, each to a file of its own.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read headers alone; print outputs, their shapes and bytes of pixels.")
    ] = False


@dataclass(frozen=True)
class Talk:
    """What is said on stderr beside errors."""

    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No warnings or notes.")] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what was converted and which numbers were used.")
    ] = False

    def warn(self, message: str) -> None:
        """Something was lost."""
        if not self.quiet:
            say("warning", message)

    def tell(self, kind: str, message: str) -> None:
        """What was asked for, where it is not among the data."""
        if not self.quiet:
            say(kind, message)

    def note(self, message: str) -> None:
        """Something was done that need not be asked about."""
        if self.verbose and not self.quiet:
            say("note", message)


def asked_format(format: str, *, json: bool) -> str:
    """What ``-f`` and ``--json`` come to together; OptionError where they contradict each other."""
    if not json:
        return format
    if format not in ("auto", "json"):
        raise OptionError(f"`json` and `format` {format} contradict each other: give one")
    return "json"


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command, taking the fields of its dataclass parameters instead of the dataclasses."""
    signature = inspect.signature(command)
    groups = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def gathered(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    parameters = [
        replaced
        for parameter in signature.parameters.values()
        for replaced in (_field_parameters(groups[parameter.name]) if parameter.name in groups else [parameter])
    ]
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    gathered.__signature__ = signature.replace(parameters=keyword_only)  # type: ignore[attr-defined]
    return gathered


def _field_parameters(group: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(group).parameters.values())
