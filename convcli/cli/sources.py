"""Kernels, images and tensors from the words of a command line, where ``-`` is stdin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import typer

from convcli.apply.appearance import Appearance, network_input, prepare_header, prepare_image
from convcli.arrays import Array
from convcli.cli.lost_pages import explain_lost_pages
from convcli.cli.options import Engine, Talk, Words
from convcli.cli.streams import STREAM, read_stdin
from convcli.convolution.prepared import Convolution, Prepared
from convcli.convolution.request import Request
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import ConvcliError, OptionError
from convcli.files.file_bytes import read_file
from convcli.files.source import Source, require_pixel_limit
from convcli.geometry.options import parse_options, parse_shape
from convcli.grad.upstream import Readers, Upstream, upstream_gradient
from convcli.kernels import loading
from convcli.kernels.kernel import Kernel
from convcli.pictures.image import Header, Image
from convcli.pictures.reading import read_header, read_image, read_tensor
from convcli.pictures.sources import source_of, sources_in_list, sources_of, stdin_source, tensor_source_of
from convcli.text import integer

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster


def begin_reading(max_pixels: int) -> "Inputs":
    """Return what reads a command's inputs; from now on a mapped file that becomes shorter is explained."""
    require_pixel_limit(max_pixels)
    explain_lost_pages()
    return Inputs(max_pixels)


@dataclass(frozen=True)
class Inputs:
    """Reads a command's inputs, of which pictures may have so many pixels.

    read_stdin: reads stdin once, however often it is asked for: headers first, then the image.
    """

    max_pixels: int
    read_stdin: Callable[[], bytes] = field(default_factory=lambda: cache(read_stdin))

    def image_sources(self, words: Sequence[str], list_: str | None, *, null: bool) -> list[Source]:
        """The images that words stand for, and those that a list in a file or stdin names."""
        if not words and list_ is None:
            raise OptionError("expected images: files, folders or patterns, or `files_from`")
        if null and list_ is None:
            raise OptionError("`null` says how names end in a list: expected `files_from` too")
        found = sources_of(words, self.read_stdin)
        if list_ is not None:
            found += sources_in_list(self.read_stdin() if list_ == STREAM else read_file(list_), null=null)
        return [self._limited(source) for source in found]

    def image_source(self, word: str) -> Source:
        """The one image that a word stands for."""
        return self._limited(source_of(word, self.read_stdin))

    def read_shape(self, image: str | None, input_shape: str | None, *, gray: bool) -> Header:
        """V's shape and type: from an image's header, or the shape that was given instead, of float32."""
        if image is not None and input_shape is None:
            header = read_header(self.image_source(image))
            return prepare_header(header, Appearance(gray=gray))
        if image is None and input_shape is not None:
            return Header(parse_shape(input_shape), np.dtype(np.float32))
        raise OptionError("expected an image or `input_shape`, one of them")

    def read_tensor(self, text: str) -> Array:
        """A tensor from a file, JSON, or stdin."""
        return read_tensor(self._limited(tensor_source_of(text, self.read_stdin)))

    def read_upstream(
        self, words: str, convolution: Prepared, V: Array, appearance: Appearance, execution: Execution = AUTOMATIC
    ) -> Upstream:
        """G from a rule, a file, JSON or stdin; a target is read as V was."""

        def read_target(text: str) -> Array:
            return network_input(prepare_image(Image(self.read_tensor(text)), appearance), appearance)

        return upstream_gradient(words, convolution, V, Readers(self.read_tensor, read_target), execution)

    def read_request(self, source: str, words: Words, engine: Engine) -> Request:
        """A convolution from a kernel's source and the options' words."""
        kernel = read_kernel(source)
        if words.bias is not None:
            kernel = kernel._replace(bias=self._bias(words.bias))
        parsed = parse_options(
            stride=words.stride,
            padding=words.padding,
            dilation=words.dilation,
            groups=kernel.groups if words.groups is None else words.groups,
            edge=words.edge,
            flip=words.flip,
        )
        execution = Execution(engine.algorithm, engine.threads, _bytes(engine.memory))
        return Request(kernel.name, Convolution(kernel.weights, kernel.bias, parsed), execution)

    def _bias(self, text: str) -> Array:
        if text == STREAM:
            raise OptionError(f"{BIAS_FORMS}; stdin is for images and kernels", option="bias")
        try:
            return self.read_tensor(f"[{text}]" if "," in text and not text.lstrip().startswith("[") else text)
        except ConvcliError as error:
            raise OptionError(f"{BIAS_FORMS}, given {text!r}: {error}", option="bias") from None

    def _limited(self, source: Source) -> Source:
        return replace(source, max_pixels=self.max_pixels)


def read_kernel(source: str) -> Kernel:
    """A kernel from a preset's name, a file, JSON, or stdin."""
    return loading.read_kernel(stdin_source(read_stdin)) if source == STREAM else loading.load_kernel(source)


def read_input(source: Source, appearance: Appearance, talk: Talk) -> Array:
    """V ``(C_in, H, W)``: an image as a network sees it, without alpha; what was lost or converted is said."""
    image = read_image(source)
    for warning in image.warnings:
        talk.warn(f"{source.name}: {warning}")
    for note in image.notes:
        talk.note(f"{source.name}: {note}")
    if image.alpha is not None:
        talk.note(f"{source.name}: alpha is left out of the gradients")
    return network_input(prepare_image(image, appearance), appearance)


def cluster_of(context: typer.Context, words: str | None) -> "Cluster | None":
    """The cluster that the words of ``--cluster`` stand for, until the command ends; None without any."""
    if words is None:
        return None
    from convcli.engine.cluster import open_cluster

    return context.with_resource(open_cluster(words))


# With less, tiles are a few pixels, and take hours.
LEAST_MEMORY = 64 << 10
BIAS_FORMS = "expected a number, a list 1,2,3, JSON or a .npy file"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


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
