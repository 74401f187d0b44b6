"""Read a command's inputs: kernels, images and tensors from text that the user typed, where ``-`` is stdin."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import typer

from convcli.apply.appearance import Appearance, input_type, network_input, prepare_header
from convcli.arrays import Array, computing_type
from convcli.cli.messages import Messages
from convcli.cli.options import (
    DEFAULT_EXECUTION,
    ConvolutionOptions,
    ExecutionOptions,
    LayoutOptions,
    TransposeOptions,
)
from convcli.cli.stopping import explain_lost_pages
from convcli.cli.streams import read_stdin
from convcli.convolution.layers import Layer, PreparedLayer
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.convolution.transposed import TransposedConvolution
from convcli.engine import AUTOMATIC, Execution, Limits, Watch
from convcli.errors import ConvcliError, OptionError
from convcli.files.file_bytes import first_bytes, read_errors, read_file
from convcli.files.kinds import HEAD, Kind, kind_of
from convcli.files.source import STREAM, Source, require_pixel_limit, split_key
from convcli.geometry.fills import OF_ARRAYS, OF_PICTURES
from convcli.geometry.options import parse_shape
from convcli.kernels import loading
from convcli.kernels.kernel import Kernel, divided, normalised
from convcli.kernels.rows import row_doubt
from convcli.layouts import CHANNEL_MAJOR, Layout, Layouts, parse_layouts
from convcli.pictures.image import Header, Image
from convcli.pictures.reading import read_header, read_image, read_tensor
from convcli.pictures.sources import source_of, sources_in_list, sources_of, stdin_source, tensor_source_of
from convcli.text import integer

if TYPE_CHECKING:
    from convcli.convolution.network import Network
    from convcli.engine.cluster import Cluster
    from convcli.grad.upstream import Upstream

DEFAULT_PADDING = "same"
# With less memory, tiles are a few pixels large, and take hours.
LEAST_MEMORY = 64 << 10
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
BIAS_FORMS = "expected a number, a list 1,2,3, JSON or a .npy file"


def begin_reading(max_pixels: int, layouts: LayoutOptions, messages: Messages) -> "Inputs":
    """Return a reader of a command's inputs. From now on, an error explains if a mapped file becomes shorter.

    ``--verbose`` also warns about a version of Pillow with known vulnerabilities.
    """
    require_pixel_limit(max_pixels)
    explain_lost_pages()
    if messages.verbose:
        from convcli.pictures.capabilities import vulnerable_pillow

        if warning := vulnerable_pillow():
            messages.warn(warning)
    return Inputs(max_pixels, parse_layouts(layouts.layout, layouts.kernel_layout), messages)


@dataclass(frozen=True)
class Inputs:
    """The reader of a command's inputs.

    max_pixels: the most pixels that a picture may have.  layouts: the order of the axes of arrays.
    messages: takes notes about kernels.
    read_stdin: returns all of stdin, which it reads only once: it is called for an image's header, then for the image.
    """

    max_pixels: int
    layouts: Layouts
    messages: Messages
    read_stdin: Callable[[], bytes] = field(default_factory=lambda: cache(read_stdin))

    def image_sources(self, names: Sequence[str], files_from: str | None, *, null: bool) -> list[Source]:
        """Return the sources of the images with these names, and of those that a file (``-``: stdin) lists.

        null: whether the names in the list end in NUL.
        """
        if not names and files_from is None:
            raise OptionError("expected images: files, folders or patterns, or `files_from`")
        if null and files_from is None:
            raise OptionError("`null` is for the names in a list: expected `files_from` too")
        found = sources_of(names, self.read_stdin)
        if files_from is not None:
            found += sources_in_list(self.read_stdin() if files_from == STREAM else read_file(files_from), null=null)
        return [self._limited(source) for source in found]

    def image_source(self, name: str) -> Source:
        """Return the source of one image."""
        return self._limited(source_of(name, self.read_stdin))

    def read_shape(self, image: str | None, input_shape: str | None, *, gray: bool) -> Header:
        """Return V's shape and type: from an image's header, or the given shape with type float32."""
        if image is not None and input_shape is None:
            header = read_header(self.image_source(image))
        elif image is None and input_shape is not None:
            header = Header(parse_shape(input_shape, self.layouts.maps), np.dtype(np.float32), is_picture=False)
        else:
            raise OptionError("expected either an image or `input_shape`")
        appearance = Appearance(gray=gray)
        return prepare_header(header, appearance)._replace(dtype=input_type(header, appearance))

    def read_network(self, model: str | None, input_shape: str | None) -> "Network":
        """Return the convolutions of an ONNX model; OptionError for any other file, or for none."""
        # Imported here, because few commands read models.
        from convcli.convolution.network import network_of
        from convcli.kernels.onnx_models import read_model

        expected = "expected a kernel, or an ONNX model in place of the image"
        if model is None:
            raise OptionError(f"{expected}, given neither", option="kernel")
        source = self.image_source(model)
        with read_errors(source.label):
            if kind_of(first_bytes(source.file(), HEAD)) is not Kind.ONNX:
                raise OptionError(f"{expected}, given {model}, which is no such model", option="kernel")
            return network_of(read_model(source), None if input_shape is None else parse_shape(input_shape))

    def read_tensor(self, text: str, letter: str, shape: tuple[int, ...] | None = None) -> Array:
        """Return a tensor from a file, inline JSON, or stdin. letter, shape: as for ``reading.read_tensor``."""
        source = self._limited(tensor_source_of(text, self.read_stdin))
        return read_tensor(replace(source, layout=self.layouts.of(letter)), letter, shape)

    def read_upstream(
        self, text: str, convolution: PreparedLayer, V: Array, appearance: Appearance, execution: Execution = AUTOMATIC
    ) -> "Upstream":
        """Return G from a rule, a file, inline JSON or stdin. A target of ``mse:`` is prepared in the same way as V."""
        # Imported here, because only commands about gradients need it.
        from convcli.grad.upstream import Readers, upstream_gradient, upstream_through_relu

        shape = convolution.output_shape

        def read_target(text: str) -> Array:
            return network_input(Image(self.read_tensor(text, "Z", shape)), appearance)

        readers = Readers(partial(self.read_tensor, letter="G", shape=shape), read_target, self.layouts.maps)
        through = upstream_through_relu if appearance.relu else upstream_gradient
        return through(text, convolution, V, readers, execution)

    def read_request(
        self,
        source: str,
        options: ConvolutionOptions,
        transpose: TransposeOptions,
        execution: ExecutionOptions = DEFAULT_EXECUTION,
        dtype: str | None = None,
        watch: Watch | None = None,
    ) -> Request:
        """Return the convolution that the options and the kernel from this source define, and how to execute it.

        dtype: the requested float type, or None for the default of each input.  watch: is told how far the work is.
        """
        kernel = _rescaled(read_kernel(source, self.layouts.kernel), options)
        if doubt := row_doubt(source, kernel):
            self.messages.tell("note", doubt)
        done = ("bias", "divisor", "normalize")
        given = {name: value for name, value in vars(options).items() if name not in done and value is not None}
        if kernel.options is not None:
            kernel.options.require_agreement(given)
            given = {}
        else:
            kernel = kernel._replace(groups=given.pop("groups", kernel.groups))
            given = {"padding": DEFAULT_PADDING, **given}
        if options.bias is not None:
            kernel = _with_bias(kernel, self._bias(options.bias).astype(np.float64))
        convolution = _layer(kernel, given, transpose)
        memory = None if execution.memory is None else _bytes(execution.memory)
        how = Execution(execution.algorithm, execution.threads, memory, watch=watch, limits=Limits(inputs=1))
        requested = None if dtype is None else computing_type(np.dtype(np.float32), dtype)
        return Request(
            kernel.name,
            convolution,
            how,
            requested,
            edge_by_source=options.edge is None and kernel.options is None and not transpose.transpose,
            rescaled_by=_rescaling_option(options),
            layouts=self.layouts,
            is_layer=kernel.options is not None,
        )

    def _bias(self, text: str) -> Array:
        if text == STREAM:
            raise OptionError(f"{BIAS_FORMS}; stdin is for images and kernels", option="bias")
        try:
            return self.read_tensor(f"[{text}]" if "," in text and not text.lstrip().startswith("[") else text, "b")
        except ConvcliError as error:
            raise type(error)(f"{BIAS_FORMS}, given {text!r}: {error}", option="bias") from None

    def _limited(self, source: Source) -> Source:
        return replace(source, max_pixels=self.max_pixels, layout=self.layouts.maps)


def require_float64(dtype: str | None) -> None:
    """Raise OptionError for a type other than float64, for commands whose results are exact or are proofs."""
    if dtype is not None and computing_type(np.dtype(np.float64), dtype) != np.float64:
        raise OptionError(f"this command always computes in float64: expected float64, given {dtype}", option="dtype")


def existing_files(texts: Sequence[str | None]) -> list[Path]:
    """Return the files among the texts of options that may also be names, numbers or JSON."""
    files = [split_key(text)[0] for text in texts if text]
    return [Path(file) for file in files if os.path.isfile(file)]


def read_kernel(source: str, layout: Layout = CHANNEL_MAJOR) -> Kernel:
    """Return a kernel from a preset's name, a file, inline JSON, or stdin. layout: the order of the axes of arrays."""
    if source != STREAM:
        return loading.named_kernel(source, layout)
    return loading.read_kernel(replace(stdin_source(cache(read_stdin)), layout=layout))


def _with_bias(kernel: Kernel, bias: Array) -> Kernel:
    """Return a kernel with another bias. Raises OptionError for the kernel of a model's layer that has one."""
    if kernel.options is not None and kernel.bias is not None:
        raise OptionError("the kernel's model has a bias already: expected no other", option="bias")
    return kernel._replace(bias=bias)


def _layer(kernel: Kernel, options: dict[str, Any], transpose: TransposeOptions) -> Layer:
    """Return the convolution of a kernel, or its transpose. Raises OptionError for the size of another output."""
    sizes = {"output_shape": transpose.output_shape, "output_padding": transpose.output_padding}
    if transpose.transpose:
        return TransposedConvolution.of(kernel, **options, **sizes)
    for name, value in sizes.items():
        if value is not None:
            raise OptionError("a convolution has only one size of output: add `transpose`", option=name)
    return Convolution.of(kernel, **options)


def _rescaled(kernel: Kernel, options: ConvolutionOptions) -> Kernel:
    """Return the kernel with its weights divided as ``--divisor`` or ``--normalize`` ask."""
    if options.divisor is not None and options.normalize:
        raise OptionError("`divisor` and `normalize` contradict each other: give one")
    if options.divisor is not None:
        return divided(kernel, options.divisor)
    return normalised(kernel) if options.normalize else kernel


def _rescaling_option(options: ConvolutionOptions) -> str | None:
    """Return the name of the option that divides the kernel's weights, or None."""
    if options.divisor is not None:
        return "divisor"
    return "normalize" if options.normalize else None


class NetworkInput(NamedTuple):
    """V ``(..., C_in, H, W)``, and whether it comes from a picture."""

    V: Array
    is_picture: bool


def read_input(source: Source, appearance: Appearance, messages: Messages) -> NetworkInput:
    """Return an image's channels without alpha. Report what was lost or converted."""
    image = read_image(source)
    messages.tell_conversion(source.name, image.warnings, image.notes)
    if image.alpha is not None:
        # Told without --verbose, because apply weights colours by alpha.
        messages.tell("note", f"{source.name}: alpha is ignored: the numbers are those of the colours alone")
    return NetworkInput(network_input(image, appearance), image.is_picture)


def suited(request: Request, shape: tuple[int, ...], messages: Messages, *, picture: bool) -> Request:
    """Return the request with the default edge fill of its input. Say if the input may be in another layout."""
    complete = request.suited_to(shape, picture=picture)
    _tell_doubt(complete, shape, messages, picture=picture)
    return complete


def require_order(request: Request, shape: tuple[int, ...], messages: Messages, *, picture: bool) -> None:
    """Raise GeometryError if the axes of an input or of the kernel seem to be in another order; say if they may be."""
    request.require_order(shape, picture=picture)
    _tell_doubt(request, shape, messages, picture=picture)


def _tell_doubt(request: Request, shape: tuple[int, ...], messages: Messages, *, picture: bool) -> None:
    if doubt := request.order_doubt(shape, picture=picture):
        messages.tell("note", doubt)


def suited_to_all(request: Request, inputs: Sequence[NetworkInput], messages: Messages) -> Request:
    """Return the request with the default edge fill of its inputs; OptionError if they have different ones."""
    pictures = sum(each.is_picture for each in inputs)
    if request.edge_by_source and 0 < pictures < len(inputs):
        raise OptionError(
            f"a batch of pictures and arrays has no default fill ({OF_PICTURES} for pictures, {OF_ARRAYS} for arrays): "
            "give one",
            option="edge",
        )
    return suited(request, inputs[0].V.shape, messages, picture=pictures > 0)


def open_cluster(context: typer.Context, address: str | None) -> "Cluster | None":
    """Return the cluster at an address, or None without an address. The cluster is closed when the command ends."""
    if address is None:
        return None
    from convcli.engine import cluster

    return context.with_resource(cluster.open_cluster(address))


def _bytes(text: str) -> int:
    digits = text.rstrip("kKmMgG")
    unit = text[len(digits) :].upper()
    try:
        count = integer(digits) * UNITS[unit]
    except (KeyError, ValueError):
        count = 0
    if count < LEAST_MEMORY:
        raise OptionError(f"expected at least 64K bytes, as in 500K, 64M or 2G, given {text!r}", option="memory")
    return count
