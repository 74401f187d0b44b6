"""A frame of a picture that Pillow opens."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile, StubImageFile

from convcli.files.file_bytes import contents, first_bytes
from convcli.files.kinds import HEAD, foreign_kind, is_text
from convcli.pictures import deep_extra
from convcli.pictures.channels import Loan, channels_of, split_alpha
from convcli.pictures.colour_modes import convert_to_mode, working_mode
from convcli.pictures.formats import Format, format_read, jpeg
from convcli.pictures.formats.format import Decoding, FileTraits
from convcli.pictures.formats.raw_modes import stores_gray_and_alpha
from convcli.pictures.image import Header, Image
from convcli.pictures.metadata import Description, description, orientation_in
from convcli.pictures.orientation import upright_array, upright_picture, upright_sides

# How Pillow begins to say that it does not read a kind of file, which it has recognised.
_UNREAD = re.compile("unsupported |unimplemented |unknown |cannot read this ", re.IGNORECASE)
_DAMAGED = ", but damaged or of a kind that is not read"


def open_picture(file: Path | BytesIO) -> ImageFile:
    """Open a picture and read its header; raise ValueError if it is not a picture or its format is refused."""
    picture = _open(file) or jpeg.open_deep(file)
    if picture is None:
        raise ValueError(_what_it_is(file))
    try:
        _prepare(picture, file)
    except Exception:
        picture.close()
        raise
    return picture


def _prepare(picture: ImageFile, file: Path | BytesIO) -> None:
    """Raise ValueError if the picture is not read; otherwise mend what Pillow misunderstands."""
    # Pillow recognises some formats that it only reads with another program's help.
    if isinstance(picture, StubImageFile):
        raise ValueError(_what_it_is(file))
    format = format_read(picture.format)
    if refusal := format.refusal_of(picture):
        raise ValueError(refusal)
    format.mend(picture)


def _what_it_is(file: Path | BytesIO) -> str:
    """Return the reason why a file is not read, by its first bytes."""
    head = first_bytes(file, HEAD)
    if kind := foreign_kind(head):
        return f"it is {kind.name}" + (f": {kind.remedy}" if kind.remedy else _DAMAGED)
    given = ", given text" if is_text(head) else ""
    return f"expected a picture that Pillow can read, an .npy array or a JSON tensor{given}"


def _open(file: Path | BytesIO) -> ImageFile | None:
    """Open a picture, or return None if Pillow does not know it."""
    # Pillow loads its formats on demand, and skips one that another thread is loading. At last all are loaded.
    for _ in range(2):
        try:
            with suppress(PIL.UnidentifiedImageError), _limits_of_text():
                return PIL.Image.open(file)
        except (OSError, ValueError, NotImplementedError) as error:
            # Pillow has sought something before the start of the file, which is shorter than its format allows.
            if isinstance(error, OSError) and error.errno == errno.EINVAL:
                return None
            if not _UNREAD.match(str(error)):
                raise
            kind = re.sub("^cannot read this ", "unsupported ", str(error))
            raise ValueError(f"{kind}: convert it first, for example with ImageMagick") from None
    return None


@contextmanager
def _limits_of_text() -> Iterator[None]:
    """Say in other words than Pillow's that a PNG has too much text."""
    try:
        yield
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
        raise ValueError(
            "a text or the colour profile unpacks to more than 1 MB: remove it first, as in exiftool -all= FILE"
        ) from None


class PillowFrame:
    """One frame of a picture, by its number from 0; frames must be decoded in order."""

    def __init__(
        self, picture: ImageFile, format: Format, file: Path | BytesIO, number: int, traits: FileTraits
    ) -> None:
        self._picture, self._format, self._file, self._number, self._traits = picture, format, file, number, traits

    def header(self) -> Header:
        """Return the header of the frame that ``decode`` would return, without decoding it."""
        picture = self._seek()
        # Determined before the mode, because Pillow may load the picture to look at its palette.
        decoding = self._decoding()
        mode = "LA" if stores_gray_and_alpha(picture) else self._mode()
        alpha = mode.endswith("A")
        width, height = upright_sides(picture.size, self._orientation())
        dtype = decoding.dtype if decoding else _level_type(picture)
        shape = (PIL.Image.getmodebands(mode) - alpha, height, width)
        return Header(shape, dtype, alpha=alpha or _transparent_level(picture) is not None)

    def decode(self) -> Image:
        """Return the frame upright, in L or RGB, or in its own single channel if that is deeper than 8 bits."""
        self._seek()
        decoding = self._decoding()
        return self._decode_past_pillow(decoding) if decoding else self._decode_by_pillow()

    def _seek(self) -> ImageFile:
        if self._number > 0:
            self._format.seek(self._picture, self._number)
        return self._picture

    def _mode(self) -> str:
        return self._traits.mode or working_mode(self._picture)

    def _decoding(self) -> Decoding | None:
        """Return the decoding of the only frame of a file without Pillow; None if Pillow decodes the frame."""
        decoding = self._format.decoding(self._picture)
        return decoding if decoding and self._format.frame_count(self._picture) == 1 else None

    def describe(self) -> Description:
        """Return the orientation and the metadata in the part of the file that has been read."""
        readers = self._format.metadata_readers(self._picture, self._file)
        return description(self._orientation(), readers, self._format.dropped_parts(self._picture, self._file))

    def _orientation(self) -> int:
        # If EXIF is damaged in any way, its reader reports it.
        with suppress(Exception):
            return orientation_in(self._format.exif(self._picture))
        return 1

    def _decode_past_pillow(self, decoding: Decoding) -> Image:
        described, losses = self.describe(), tuple(self._format.losses(self._picture))
        levels = decoding.decode(contents(self._file))
        if levels.shape[1::-1] != self._picture.size:
            raise ValueError(
                f"its headers contradict each other: {self._picture.size} and {levels.shape[1::-1]} pixels"
            )
        pixels, alpha = split_alpha(upright_array(np.moveaxis(levels, -1, 0), described.orientation))
        notes = (*decoding.notes, *described.notes)
        return Image(pixels, alpha, described.metadata, notes, (*losses, *described.warnings))

    def _decode_by_pillow(self) -> Image:
        picture = self._picture
        # Determined before loading, because Pillow then forgets the mode in the file.
        losses = (*self._depth_losses(), *self._format.losses(picture))
        notes = tuple(self._format.notes(picture))
        stored = self._format.stored(picture)._replace(lossless=self._traits.lossless)
        gray_and_alpha, loan = stores_gray_and_alpha(picture), self._loan()
        described = self._load()
        converted = convert_to_mode(picture, self._mode())
        channels = loan.channels() if loan else None
        if channels is not None:
            pixels, alpha = split_alpha(upright_array(channels, described.orientation))
        else:
            upright = upright_picture(converted.picture, described.orientation)
            pixels, alpha = channels_of(upright.convert("LA") if gray_and_alpha else upright, _level_type(picture))
        metadata = described.metadata if converted.keeps_profile else described.metadata._replace(icc=None)
        losses = (*losses, *converted.warnings, *described.warnings)
        image = Image(
            pixels,
            alpha,
            metadata,
            (*notes, *converted.notes, *described.notes),
            losses,
            stored=stored,
            duration=None if self._traits.plays is None else picture.info.get("duration", 0),
        )
        return self._convert_deep_channel(image) if _has_deep_channel(picture) else image

    def _loan(self) -> Loan | None:
        """Return an array that the picture is decoded into; None if its pixels are turned or converted afterwards."""
        picture = self._picture
        is_kept = picture.mode == self._mode() and not stores_gray_and_alpha(picture) and self._orientation() == 1
        is_first = self._format.decoded_in_place and self._number == 0
        return Loan(picture) if is_first and is_kept and Loan.suits(picture) else None

    def _convert_deep_channel(self, image: Image) -> Image:
        """Return 16-bit gray with alpha if one level is transparent."""
        if (level := _transparent_level(self._picture)) is not None:
            image = image._replace(alpha=np.where(image.pixels[0] == level, 0, 65535).astype(np.uint16))
        return image

    def _load(self) -> Description:
        """Load the pixels, and return the description, which may come after them."""
        with _limits_of_text():
            self._picture.load()
        return self.describe()

    def _depth_losses(self) -> Iterator[str]:
        """Yield a warning if Pillow reads a deeper file at 8 bits, which Pillow itself does not report."""
        bits, picture = self._format.stored_bits(self._picture), self._picture
        if bits > 8:
            kind = "LA" if stores_gray_and_alpha(picture) else picture.mode
            kind = {"L": "gray", "LA": "gray and alpha"}.get(kind, kind)
            yield f"{bits}-bit {kind} {picture.format} read at 8 bits: {self._remedy()}"

    def _remedy(self) -> str:
        read_by_extra = self._format.decoded_by_extra and self._format.frame_count(self._picture) == 1
        if read_by_extra and not deep_extra.is_installed():
            return f"{deep_extra.advice('to keep all bits')}, or use an .npy array"
        return "to keep all bits, use an .npy array"


def _level_type(picture: ImageFile) -> np.dtype[Any]:
    """Return the type of the levels that Pillow decodes."""
    if picture.mode[0] not in "IF":
        return np.dtype(np.uint8)
    return np.dtype({"F": np.float32, "I": np.int32}.get(picture.mode, np.uint16))


def _transparent_level(picture: ImageFile) -> int | None:
    """Return the transparent level of 16-bit gray, or None; in other modes Pillow converts it to alpha."""
    return picture.info.get("transparency") if _has_deep_channel(picture) else None


def _has_deep_channel(picture: ImageFile) -> bool:
    return picture.mode.startswith("I;16")
