"""Kernels, images and tensors from the words of a command line, where ``-`` is stdin."""

import os
from pathlib import Path

import numpy as np
import typer

from convcli.arrays import Array
from convcli.cli.options import Engine, Talk, Words
from convcli.cli.streams import STREAM, read_stdin
from convcli.cluster import Cluster, open_cluster
from convcli.engine import Execution
from convcli.errors import ConvcliError, OptionError
from convcli.filtering import Appearance, network_input, prepared
from convcli.images import Header, Image, decode_header, decode_image, open_header, open_image
from convcli.kernel_loading import load_kernel, parse_kernel
from convcli.kernels import Kernel
from convcli.request import Request
from convcli.settings import parse_settings, parse_shape
from convcli.tensors import load_tensor, parse_tensor
from convcli.upstream import Readers, Upstream, upstream_gradient

STDIN = "<stdin>"
INLINE = "inline image"


def read_kernel(source: str) -> Kernel:
    """A kernel from a preset's name, a file, JSON, or stdin."""
    return parse_kernel(read_stdin(), STDIN, "stdin") if source == STREAM else load_kernel(source)


def read_image(source: str, talk: Talk) -> Image:
    """A picture or array from a file, inline JSON or stdin; what was lost or converted in reading it is said."""
    data, name = _given(source)
    image = open_image(Path(source)) if data is None else decode_image(data, name)
    for warning in image.warnings:
        talk.warn(f"{source}: {warning}")
    for note in image.notes:
        talk.note(f"{source}: {note}")
    return image


def read_input(source: str, appearance: Appearance, talk: Talk) -> Array:
    """V ``(C_in, H, W)``: an image as a network sees it, without alpha."""
    image = read_image(source, talk)
    if image.alpha is not None:
        talk.note(f"{source}: alpha is left out of the gradients")
    return network_input(prepared(image, appearance), appearance)


def read_header(source: str) -> Header:
    """The shape and type of a picture or array from a file, inline JSON or stdin."""
    data, name = _given(source)
    return open_header(Path(source)) if data is None else decode_header(data, name)


def _given(source: str) -> tuple[bytes | None, str]:
    """The bytes that an image's words stand for and what to call them; no bytes for a file's name."""
    if source == STREAM:
        return read_stdin(), STDIN
    return (source.encode(), INLINE) if _is_inline(source) else (None, source)


def _is_inline(source: str) -> bool:
    return source.lstrip().startswith("[") and not os.path.lexists(source)


def read_shape(image: str | None, input_shape: str | None, *, gray: bool) -> Header:
    """V's shape and type: from an image's header, or the shape that was given instead, of float32."""
    if image is not None and input_shape is None:
        header = read_header(image)
        return header._replace(shape=(1, *header.shape[1:])) if gray else header
    if image is None and input_shape is not None:
        return Header(parse_shape(input_shape), np.dtype(np.float32))
    raise OptionError("expected an image or --input-shape, one of them")


def read_tensor(source: str) -> Array:
    """A tensor from a file, JSON, or stdin."""
    return parse_tensor(read_stdin(), STDIN) if source == STREAM else load_tensor(source)


def read_upstream(words: str, request: Request, V: Array, appearance: Appearance) -> Upstream:
    """G from a rule, a file, JSON or stdin; a target is read as V was."""

    def read_target(source: str) -> Array:
        return network_input(prepared(Image(read_tensor(source)), appearance), appearance)

    return upstream_gradient(words, request, V, Readers(read_tensor, read_target))


def image_path(source: str) -> Path:
    """The path that outputs are named after."""
    if source == STREAM:
        return Path("stdin")
    return Path("inline" if _is_inline(source) else source)


def cluster_of(context: typer.Context, words: str | None) -> Cluster | None:
    """The cluster that the words of ``--cluster`` stand for, until the command ends; None without any."""
    return None if words is None else context.with_resource(open_cluster(words))


def read_request(source: str, words: Words, engine: Engine, cluster: Cluster | None = None) -> Request:
    """A convolution from a kernel's source and the options' words."""
    kernel = read_kernel(source)
    if words.bias is not None:
        kernel = kernel._replace(bias=_bias(words.bias))
    settings = parse_settings(
        stride=words.stride,
        padding=words.padding,
        dilation=words.dilation,
        groups=kernel.groups if words.groups is None else words.groups,
        edge=words.edge,
    )
    execution = Execution(engine.algorithm, engine.threads, _bytes(engine.memory), cluster)
    return Request(kernel, settings, words.flip, execution)


# With less, tiles are a few pixels, and take hours.
LEAST_MEMORY = 64 << 10
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _bytes(text: str) -> int:
    digits = text.rstrip("kKmMgG")
    unit = text[len(digits) :].upper()
    count = int(digits) * UNITS[unit] if digits.isascii() and digits.isdecimal() and unit in UNITS else 0
    if count < LEAST_MEMORY:
        raise OptionError(f"memory: expected at least 64K bytes, as in 500K, 64M or 2G, given {text!r}")
    return count


def _bias(text: str) -> Array:
    if text == STREAM:
        raise OptionError("bias: expected a number, a list 1,2,3, JSON or a .npy file; stdin is for images and kernels")
    try:
        return load_tensor(f"[{text}]" if "," in text and not text.lstrip().startswith("[") else text)
    except ConvcliError as error:
        expected = "expected a number, a list 1,2,3, JSON or a .npy file"
        raise OptionError(f"bias: {expected}, given {text!r}: {error}") from None
