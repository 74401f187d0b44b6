"""Read JPEG XL by the extra ``deep``; its header is read here (ISO/IEC 18181-1, annexes A to D)."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.errors import reason_of
from convcli.files.file_bytes import contents, open_file, require_fitting
from convcli.pictures import deep_extra
from convcli.pictures.channels import split_alpha
from convcli.pictures.formats.boxes import boxes, boxes_around
from convcli.pictures.formats.levels import decoding_by_extra
from convcli.pictures.image import Header, Image
from convcli.pictures.metadata import Readers, description, kept_exif_in
from convcli.pictures.orientation import upright_sides
from convcli.pictures.pixel_limit import refuse_beyond_limit
from convcli.pictures.xmp import kept_xmp
from convcli.text import in_one_line

_CODE = b"\xff\x0a"
# The most bytes that the header of a codestream may take here.
_LONGEST = 1 << 12

_RGB, _GRAY = 0, 1
_ALPHA = 0
_KNOWN_BOXES = (b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp", b"jxli", b"Exif", b"xml ")
_REMEDY = "convert it first, as in djxl FILE a.png"


class CodeHeader(NamedTuple):
    """The header of a codestream.

    width, height: of the pixels as they are stored.  orientation: by EXIF's numbers; decoders turn the pixels upright.
    bits, is_float: of the colours.  channels: 1 or 3.
    alpha: whether there is alpha, of the same depth.
    has_own_space: whether there is a colour profile, or a colour space other than sRGB.
    obstacle: what is not read, or "".
    """

    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    is_float: bool = False
    channels: int = 3
    alpha: bool = False
    has_own_space: bool = False
    obstacle: str = ""

    @property
    def kind(self) -> str:
        """The depth and the channels, in words."""
        colours = "gray" if self.channels == 1 else "RGB"
        return f"{self.bits}-bit {'float ' * self.is_float}{colours}{' with alpha' * self.alpha}"

    def require_readable(self) -> None:
        """Raise ValueError, with what to do, if the picture cannot be read."""
        refuse_beyond_limit(self.width * self.height)
        depths = (16, 32) if self.is_float else range(1, 17)
        if self.obstacle or self.bits not in depths or (self.is_float and self.alpha):
            raise ValueError(f"it is a JPEG XL picture of {self.obstacle or self.kind}, which is not read: {_REMEDY}")
        if not deep_extra.is_installed():
            raise ValueError(f"it is a JPEG XL picture: {deep_extra.advice('to read it')}")


def code_header(stream: BinaryIO) -> CodeHeader:
    """Return the header of the codestream in a stream, which may be a container; raise ValueError if there is none."""
    stream.seek(0)
    start = stream.read(_LONGEST)
    if start.startswith(_CODE):
        return _parsed(start)
    for kind, _ in boxes(stream):
        if kind in (b"jxlc", b"jxlp"):
            # A part of a codestream has its number before it.
            start = stream.read(_LONGEST + 4)
            return _parsed(start[4:] if kind == b"jxlp" else start)
    raise ValueError("it is a JPEG XL file without a picture")


class JpegXlFrame:
    """The picture of a JPEG XL file; raises ValueError if its header is damaged."""

    def __init__(self, file: Path | BytesIO) -> None:
        require_fitting(file)
        self._file = file
        with open_file(file) as stream:
            self._code = code_header(stream)

    def header(self) -> Header:
        """Return the header of the picture that ``decode`` would return."""
        code = self._code
        code.require_readable()
        sides = upright_sides((code.height, code.width), code.orientation)
        return Header((code.channels, *sides), self._decoding()[1], alpha=code.alpha)

    def decode(self) -> Image:
        """Return the picture, upright."""
        expected = self.header()
        decode, _, notes = self._decoding()
        try:
            levels = np.atleast_3d(decode(contents(self._file)))
        except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
            raise ValueError(f"it is a JPEG XL picture, damaged or incomplete: {reason_of(error)}") from error
        pixels, alpha = split_alpha(np.moveaxis(levels, -1, 0))
        if pixels.shape != expected.shape or (alpha is not None) != expected.alpha:
            raise ValueError(f"its headers contradict each other: {expected.shape} and {pixels.shape}")
        losses = ("its colour space or profile is not read",) * self._code.has_own_space
        # The decoder has turned the pixels upright.
        described = description(1, self._metadata(), self._dropped_boxes())
        return Image(pixels, alpha, described.metadata, (*notes, *described.notes), (*losses, *described.warnings))

    def _metadata(self) -> Readers:
        """Return the readers of the metadata in the boxes of a container."""
        return {"exif": lambda: _exif(self._box(b"Exif")), "xmp": lambda: kept_xmp(self._box(b"xml "))}

    def _box(self, name: bytes) -> bytes | None:
        """Return the content of the first box with this name, or None."""
        with open_file(self._file) as stream:
            return next((stream.read(length) for kind, length in boxes_around(_CODE, stream) if kind == name), None)

    def _dropped_boxes(self) -> Iterator[str]:
        with open_file(self._file) as stream:
            names = {kind for kind, _ in boxes_around(_CODE, stream) if kind not in _KNOWN_BOXES}
        if names:
            listed = in_one_line(b", ".join(sorted(names)).decode("latin-1"))
            yield f"boxes that are not read are dropped: {listed}"

    def _decoding(self) -> tuple[Callable[[bytes], Array], np.dtype[Any], tuple[str, ...]]:
        code = self._code
        if code.is_float:
            return _levels, np.dtype(f"f{code.bits // 8}"), ()
        decoding = decoding_by_extra(_levels, code.bits)
        assert decoding is not None
        return decoding.decode, decoding.dtype, decoding.notes


def _exif(data: bytes | None) -> bytes | None:
    """Return what is kept of EXIF, before which stands where its TIFF header begins."""
    if data is None:
        return None
    return kept_exif_in(data[4 + int.from_bytes(data[:4]) :])


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.jpegxl_decode(data)
    return levels


class _Bits:
    """A reader of numbers that are packed in bits, the lowest bit of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next number of so many bits."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the header of this JPEG XL file is damaged or too long")
        number = self._number & (1 << count) - 1
        self._number >>= count
        return number

    def number(self, *choices: tuple[int, int]) -> int:
        """Return a number in one of four forms, each a least number and the bits that are added to it."""
        least, bits = choices[self.take(2)]
        return least + self.take(bits)

    def choice(self) -> int:
        """Return a number that stands for a choice."""
        return self.number((0, 0), (1, 0), (2, 4), (18, 6))


def _parsed(code: bytes) -> CodeHeader:
    bits = _Bits(code[len(_CODE) :])
    if not code.startswith(_CODE):
        raise ValueError("it is a JPEG XL file without a picture")
    height, width = _size(bits)
    if bits.take(1):
        return CodeHeader(width, height)
    orientation, obstacle = _extra_fields(bits) if bits.take(1) else (1, "")
    is_float, depth = _depth(bits)
    header = CodeHeader(width, height, orientation, depth, is_float, obstacle=obstacle)
    # Whether 16 bits suffice for computing.
    bits.take(1)
    if obstacle:
        return header
    extra = [_extra_channel(bits) for _ in range(bits.number((0, 0), (1, 0), (2, 4), (1, 12)))]
    if extra not in ([], [(is_float, depth)]):
        return header._replace(obstacle="other extra channels than plain alpha of the depth of the colours")
    # Whether the colours are compressed as XYB.
    bits.take(1)
    space, is_own = _colours(bits)
    if space not in (_RGB, _GRAY):
        return header._replace(obstacle="colours of an unknown kind")
    return header._replace(channels=3 if space == _RGB else 1, alpha=bool(extra), has_own_space=is_own)


def _size(bits: _Bits) -> tuple[int, int]:
    """Return the height and the width."""
    is_small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if is_small else bits.number((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return height, side()
    over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height, height * over // under


def _extra_fields(bits: _Bits) -> tuple[int, str]:
    """Return the orientation, and the part of the file that is not read, or "" if there is none."""
    orientation = bits.take(3) + 1
    if bits.take(1):
        # The size that it should be shown at.
        _size(bits)
    if bits.take(1):
        return orientation, "two sizes, of which one is a preview"
    return orientation, "several frames" if bits.take(1) else ""


def _depth(bits: _Bits) -> tuple[bool, int]:
    """Return whether samples are floats, and their bits."""
    if not bits.take(1):
        return False, bits.number((8, 0), (10, 0), (12, 0), (1, 6))
    depth = bits.number((32, 0), (16, 0), (24, 0), (1, 6))
    # The bits of the exponent.
    bits.take(4)
    return True, depth


def _extra_channel(bits: _Bits) -> tuple[bool, int] | None:
    """Return the depth of an extra channel that is plain alpha; None for others, after which no more can be read."""
    if bits.take(1):
        return False, 8
    kind, depth = bits.choice(), _depth(bits)
    reduction = bits.number((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.number((0, 0), (0, 4), (16, 5), (48, 10)))
    is_plain = kind == _ALPHA and not bits.take(1) and not reduction
    return depth if is_plain else None


def _colours(bits: _Bits) -> tuple[int, bool]:
    """Return the number of the colour space, and whether it differs from sRGB, and from gray with the curve of sRGB."""
    if bits.take(1):
        return _RGB, False
    by_profile = bits.take(1)
    space = bits.choice()
    if by_profile or space not in (_RGB, _GRAY):
        return space, True
    white = bits.choice()
    if white != _D65:
        return space, True
    is_srgb = space == _GRAY or bits.choice() == _SRGB_PRIMARIES
    return space, not is_srgb or bool(bits.take(1)) or bits.choice() != _SRGB_CURVE


_D65, _SRGB_PRIMARIES, _SRGB_CURVE = 1, 1, 13
