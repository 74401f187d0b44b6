"""Read an image, its frames, its header or a tensor from any source. Its content, not its name, decides its kind."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from convcli.arrays import Array, fit, in_native_order
from convcli.files.file_bytes import first_bytes, read_errors
from convcli.files.kinds import HEAD, Kind, kind_of
from convcli.files.large_arrays import by_rows
from convcli.files.source import Source, SourceLike
from convcli.files.tensor_files import holds_tensors, read_stored
from convcli.files.thread_warnings import catch_thread_warnings
from convcli.layouts import Layout
from convcli.pictures.frames import Frames, picture_frames
from convcli.pictures.image import Header, Image
from convcli.pictures.libtiff_words import SILENT_LIBTIFF
from convcli.pictures.pillow_frames import open_picture
from convcli.pictures.pixel_limit import limit_pixels
from convcli.pictures.profiles import DROPPED, is_whole


def read_image(given: SourceLike) -> Image:
    """Return the image that a source holds: a picture, or an array in a file of arrays or JSON, channel-major.

    An ``.npy`` file is memory-mapped, unless its axes are in another order. Of several frames the first is read, with a
    warning.
    Raises FileError if the source is missing, broken or of another kind; JsonError for JSON that is not a tensor;
    OptionError if it has no tensor of the name in the source.
    """
    source = Source.of(given)
    with _reading(source) as messages, _frames(source) as frames:
        image = frames.frame(0).decode()
        if frames.total > 1:
            # Without their number, so that a batch warns once about all files.
            loss = "of its frames only the first is read (apply with `all_frames` reads each)"
            image = image._replace(warnings=(loss, *image.warnings))
    return _checked(image, messages)


def iter_frames(given: SourceLike) -> Iterator[Image]:
    """Yield every frame or page in order; each is decoded when the iterator reaches it. An array is one frame.

    Raises the errors of ``read_image``, at the earliest when the iterator starts.
    """
    source = Source.of(given)
    with ExitStack() as opened:
        with _reading(source) as messages:
            frames = opened.enter_context(_frames(source))
        for number in range(frames.total):
            label = f"frame {number + 1} of {source.label}" if number else source.label
            with _reading(replace(source, label=label)) as more:
                image = frames.frame(number).decode()
            yield _checked(image, messages + more)
            messages = []


def read_header(given: SourceLike) -> Header:
    """Return the header of the image that ``read_image`` would return, without decoding it; raise the same errors."""
    source = Source.of(given)
    with _reading(source), _frames(source) as frames:
        return frames.frame(0).header()._replace(frames=frames.total, plays=frames.plays)


def format_name(given: SourceLike) -> str | None:
    """Return the name of a source's format, by its content; None for what is not recognised."""
    source = Source.of(given)
    with suppress(Exception), _reading(source):
        file = source.file()
        kind = kind_of(first_bytes(file, HEAD))
        if holds_tensors(kind):
            return "json" if kind in (Kind.JSON, Kind.CSV) else "npy"
        with open_picture(file) as picture:
            # Many phones write a JPEG with previews.
            return {"mpo": "jpeg"}.get(name := (picture.format or "").lower(), name)
    return None


def read_tensor(given: SourceLike, letter: str | None = None, shape: tuple[int, ...] | None = None) -> Array:
    """Return a tensor of any rank from a file of arrays or JSON, or the pixels ``(C, H, W)`` of a picture.

    It is channel-major, whatever the source's layout. shape: its shape, if known, to which it is reshaped if its own
    differs only by axes of length 1. Without it, a tensor that lacks such an axis could be taken for another.
    letter: what the tensor is: ``V``, ``K``, ``b``, ``G``, ``Z``, ``dK``, ``dV`` or ``db``. In a file that holds
    several tensors, it chooses the one of that name, unless the source names one.
    An ``.npy`` file is memory-mapped. Raises the errors of ``read_image``.
    """
    source = Source.of(given)
    with _reading(source), _frames(source, letter) as frames:
        first = frames.frame(0)
        array = first.array if isinstance(first, _ArrayFrame) else source.layout.stored(first.decode().pixels)
    fitted = None if shape is None else fit(array, source.layout.order(shape))
    return source.layout.channel_major(array if fitted is None else fitted)


class _ArrayFrame:
    """An array that stands for an image. layout: the order of its axes."""

    def __init__(self, array: Array, layout: Layout) -> None:
        self.array, self._layout = array, layout

    def header(self) -> Header:
        if self.array.ndim < 2 or self.array.size == 0:
            axes = ", ".join(self._layout.order("CHW"))
            raise ValueError(
                f"expected an array (H, W) or (..., {axes}) that is not empty, given shape {self.array.shape}"
            )
        shape = self._layout.channel_major_order(self.array.shape)
        return Header(shape, self.array.dtype.newbyteorder("="), is_picture=False)

    def decode(self) -> Image:
        header, pixels = self.header(), self._layout.channel_major(self.array)
        if self._layout.is_channel_major:
            return Image(in_native_order(pixels), is_picture=False)
        # A convolution reads each channel by rows, whose numbers lie far apart in other orders.
        return Image(by_rows(in_native_order, header.shape, header.dtype, pixels), is_picture=False)


@contextmanager
def _reading(source: Source) -> Iterator[list[str]]:
    """Yield a list that gets the warnings of libraries; turn every error within into a FileError or a JsonError."""
    quiet = catch_thread_warnings()
    with SILENT_LIBTIFF, read_errors(source.label), limit_pixels(source.max_pixels), quiet as messages:
        yield messages


@contextmanager
def _frames(source: Source, letter: str | None = "V") -> Iterator[Frames]:
    """Yield the frames of a source, which stays open meanwhile. letter: what a tensor is, as in ``Wanted``."""
    file = source.file()
    head = first_bytes(file, HEAD)
    kind = kind_of(head)
    if kind is Kind.EMPTY:
        raise ValueError("it is empty")
    if holds_tensors(kind):
        array = read_stored(source, kind, letter)
        yield Frames(1, lambda _: _ArrayFrame(array, source.layout))
    elif source.key is not None and kind is not Kind.ONNX:
        raise ValueError("a name after a colon is for files of tensors, such as .npz and .safetensors")
    else:
        with picture_frames(file, head) as frames:
            yield frames


def _checked(image: Image, messages: Sequence[str]) -> Image:
    """Return the image with the warnings of libraries, and without a damaged colour profile."""
    losses = tuple(dict.fromkeys(messages))
    if image.metadata.icc and not is_whole(image.metadata.icc):
        image = image._replace(metadata=image.metadata._replace(icc=None))
        losses = (DROPPED, *losses)
    return image._replace(warnings=(*image.warnings, *losses))
