"""JPEG 2000. Pillow reads it right at 8 bits, and gray at 16; the extra ``deep`` reads and writes the other depths."""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.files.file_bytes import open_again
from convcli.pictures import deep_extra
from convcli.pictures.formats.boxes import boxes, boxes_around
from convcli.pictures.formats.format import Coding, Decoding, Format, Parts
from convcli.pictures.formats.levels import decoding_by_extra
from convcli.pictures.formats.raw_modes import from_start
from convcli.pictures.formats.tiff_directories import pictures_of
from convcli.pictures.georeference import TAGS, Georeference, georeference_of
from convcli.pictures.image import Metadata
from convcli.pictures.metadata import Readers, bytes_in
from convcli.pictures.xmp import kept_xmp

# The start of a codestream; after it, the offset of the number of channels, which have 3 bytes each.
_CODESTREAM = b"\xff\x4f\xff\x51"
_CHANNELS = 40
# The offset of the end and the start of both axes.
_SIZE = 8

# The most bytes of the description of channels, which is at the start of a codestream.
_MOST = 1 << 16

# The numbers of the colour spaces that are read; None stands for a colour profile, or for a codestream alone.
_CMYK, _SRGB, _GRAY, _SYCC = 12, 16, 17, 18
_READ_SPACES = (None, _CMYK, _SRGB, _GRAY, _SYCC)

# The method by which a colour space is a number; by the others it is a profile. The colours of profiles that are kept.
_NUMBER = b"\1"
_PROFILED = (b"", b"RGB ", b"GRAY")

# The meanings of a channel, and those of the channels of gray and colours, with and without alpha.
_COLOUR, _ALPHA = 0, 1
_READ_MEANINGS = ((), (0,), (0, 0, 0), (0, 1), (0, 0, 0, 1))

# How boxes of an own kind begin that hold XMP and a GeoTIFF of one pixel, and how far into a box to look for GML.
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_GEOTIFF = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
_LONGEST_MARK = 256
_BY_ENCODER = b"Created by OpenJPEG"


class _Header(NamedTuple):
    """The header of a file.

    size: the width and height of the pixels that are stored, which another part of the header may contradict.
    bits: the depth of each channel.  signed: whether any channel is.  sampled: whether all have a sample per pixel.
    space: the number of the colour space, or None.  profile: the colour profile, or b"".
    palette_bits: the largest depth in the palette, or 0 without one.
    meanings: the meaning of each channel, or () if the file does not say it.
    """

    size: tuple[int, int]
    bits: tuple[int, ...]
    signed: bool
    sampled: bool
    space: int | None
    profile: bytes
    palette_bits: int
    meanings: tuple[int, ...]

    @property
    def is_read_by_pillow(self) -> bool:
        """Return whether Pillow reads the levels correctly.

        It shifts levels of other depths, so that white becomes a darker level, or even black.
        """
        return not self.signed and (self.bits[0] == 8 or self.bits == (16,))


class Jpeg2000(Format):
    """The format JPEG 2000."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        header = _header(picture)
        if contradiction := _contradiction(header, picture):
            return f"the headers of this JPEG 2000 file contradict each other: {contradiction}"
        if reason := _obstacle(header):
            return f"JPEG 2000 is not read if {reason}: convert it first, for example with opj_decompress"
        if not header.is_read_by_pillow and not deep_extra.is_installed():
            kind = f"{'signed ' * header.signed}{header.bits[0]}-bit {'gray' if len(header.bits) == 1 else 'colour'}"
            return f"Pillow cannot read {kind} JPEG 2000: {deep_extra.advice('to read it')}"
        return ""

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if a channel is taken for alpha although the file does not say so."""
        header = _header(picture)
        count = len(header.bits)
        if count in (2, 4) and not header.meanings and header.space != _CMYK:
            yield f"the last of {count} channels is taken for alpha, because the file does not say what it is"
        with from_start(picture) as stream:
            starts = [(kind, stream.read(_LONGEST_MARK)) for kind, _ in boxes_around(_CODESTREAM, stream)]
        has_geotiff = any(start.startswith(_GEOTIFF) for _, start in starts)
        if not has_geotiff and any(kind == b"asoc" and b"gml" in start for kind, start in starts):
            yield "the georeference is dropped, because it is not read from GML"

    def metadata_readers(self, picture: ImageFile, file: Path | BytesIO) -> Readers:
        """Return the readers of the metadata; XMP has a box of its own, and a georeference is a GeoTIFF in a box."""
        return {
            **super().metadata_readers(picture, file),
            "xmp": lambda: kept_xmp(_content(file, _XMP)),
            "geo": lambda: _georeference(_content(file, _GEOTIFF)),
        }

    def mend(self, picture: ImageFile) -> None:
        """Add the colour profile, which Pillow does not read, and drop the comment that names the encoder."""
        if profile := _header(picture).profile:
            picture.info["icc_profile"] = profile
        if (bytes_in(picture.info.get("comment")) or b"").startswith(_BY_ENCODER):
            del picture.info["comment"]

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding by the extra ``deep`` of depths that Pillow misreads; signed levels are not scaled."""
        header = _header(picture)
        if header.is_read_by_pillow:
            return None
        if header.signed:
            return Decoding(lambda data: np.atleast_3d(_levels(data)), _signed_type(header.bits[0]))
        return decoding_by_extra(_levels, header.bits[0])

    def deep_parts(self, levels: Array, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a lossless file."""
        import imagecodecs

        data = bytes(imagecodecs.jpeg2k_encode(levels, level=0, reversible=True, codecformat="jp2"))
        yield _with_alpha_defined(data, levels.shape[2]) if levels.shape[2] in (2, 4) else data


JPEG2000 = Jpeg2000(
    "jpeg2000",
    ("jp2", "j2k", "jpx"),
    holds_alpha=True,
    deep_gray=True,
    deep_colour="extra",
    decoded_by_extra=True,
)


def _content(file: Path | BytesIO, uuid: bytes) -> bytes | None:
    """Return the content of the first box of this own kind, or None."""
    with open_again(file) as stream:
        found = (stream.read(length) for kind, length in boxes_around(_CODESTREAM, stream) if kind == b"uuid")
        return next((each.removeprefix(uuid) for each in found if each.startswith(uuid)), None)


def _georeference(geotiff: bytes | None) -> Georeference | None:
    from tifffile import TiffFile

    if geotiff is None:
        return None
    # It refuses tags that claim more bytes than there are.
    pictures_of(BytesIO(geotiff))
    with TiffFile(BytesIO(geotiff)) as file:
        page: Any = file.pages[0]
        return georeference_of({tag: page.tags.valueof(tag) for tag in TAGS})


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.jpeg2k_decode(_without_profile(data))
    return levels


def _without_profile(data: bytes) -> bytes:
    """Return the file with the number of a colour space in place of a profile, which imagecodecs would apply."""
    at = data.find(b"colr", data.find(b"jp2h")) + 4
    if at < 4 or data[at : at + 1] == _NUMBER:
        return data
    space = _GRAY if data[at + 3 + 16 : at + 3 + 20] == b"GRAY" else _SRGB
    return data[:at] + _NUMBER + data[at + 1 : at + 3] + struct.pack(">I", space) + data[at + 7 :]


def _signed_type(bits: int) -> np.dtype[Any]:
    return np.dtype(np.int8 if bits <= 8 else np.int16)


def _contradiction(header: _Header, picture: ImageFile) -> str:
    """Return the difference between the header that Pillow reads and that of the codestream, or ""."""
    if header.size != picture.size:
        return " and ".join(f"{width} x {height}" for width, height in (picture.size, header.size)) + " pixels"
    given, stored = len(picture.getbands()), len(header.bits)
    return "" if header.palette_bits or given == stored else f"{given} and {stored} channels"


def _obstacle(header: _Header) -> str:
    """Return the feature of a picture that no library here reads correctly, or "" if it has none."""
    bits = header.bits[0]
    if len(set(header.bits)) > 1:
        return f"its channels have different depths ({', '.join(map(str, header.bits))} bits)"
    if bits > 16:
        return f"its channels have more than 16 bits ({bits})"
    if header.signed and len(header.bits) > 1:
        return "its colours are signed"
    if not header.sampled and (header.space, bits) != (_SYCC, 8):
        return "its channels have different sizes"
    return _colour_obstacle(header, bits)


def _colour_obstacle(header: _Header, bits: int) -> str:
    if header.space not in _READ_SPACES or (header.space == _CMYK and bits != 8):
        return f"its colour space is number {header.space} at {bits} bits"
    if header.profile[16:20] not in _PROFILED:
        return f"its colour profile is for {header.profile[16:20].decode('latin-1').strip()}"
    if header.palette_bits and (header.palette_bits, header.bits) != (8, (8,)):
        return f"its palette has {header.palette_bits} bits and its levels {bits}"
    if header.meanings not in _READ_MEANINGS and (header.space != _CMYK or any(header.meanings)):
        return "it has other channels than colours and one alpha, or colours multiplied by alpha"
    return ""


def _header(picture: ImageFile) -> _Header:
    """Return the header; raise ValueError if it is damaged."""
    with from_start(picture) as stream:
        header, codestream = _parts(stream)
    inner, parts = BytesIO(header), dict[bytes, bytes]()
    for kind, length in boxes(inner):
        # Of several colour spaces the first one counts.
        parts.setdefault(kind, inner.read(length))
    try:
        return _parsed(codestream, parts)
    except (struct.error, LookupError):
        raise ValueError("the header of this JPEG 2000 file is damaged") from None


def _parts(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Return the header and the start of the codestream; a file may also be a codestream alone."""
    header, start = b"", stream.read(_MOST)
    if start.startswith(_CODESTREAM):
        return header, start
    for kind, length in boxes(stream):
        if kind == b"jp2c":
            return header, stream.read(_MOST)
        if kind == b"jp2h":
            header = stream.read(length)
    return header, b""


def _parsed(codestream: bytes, header: Mapping[bytes, bytes]) -> _Header:
    right, bottom, left, top = struct.unpack_from(">4I", codestream, _SIZE)
    (count,) = struct.unpack_from(">H", codestream, _CHANNELS)
    channels = struct.unpack_from(f"{3 * count}B", codestream, _CHANNELS + 2)
    # The highest bit of a depth is the sign, and the others are the depth minus one.
    depths, steps = channels[::3], {*channels[1::3], *channels[2::3]}
    palette = header.get(b"pclr", b"")
    return _Header(
        size=(right - left, bottom - top),
        bits=tuple((depth & 0x7F) + 1 for depth in depths),
        signed=any(depth & 0x80 for depth in depths),
        sampled=steps == {1},
        space=_space(header.get(b"colr", b"")),
        profile=_profile(header.get(b"colr", b"")),
        palette_bits=max((depth & 0x7F) + 1 for depth in palette[3 : 3 + palette[2]]) if palette else 0,
        meanings=_meanings(header.get(b"cdef", b"")),
    )


def _space(colour: bytes) -> int | None:
    return int.from_bytes(colour[3:7]) if colour[:1] == _NUMBER else None


def _profile(colour: bytes) -> bytes:
    return b"" if colour[:1] == _NUMBER else colour[3:]


def _meanings(definitions: bytes) -> tuple[int, ...]:
    """Return the meanings of the channels in their order."""
    # Each definition is a channel, its meaning and its colour.
    return tuple(meaning for _, meaning, _ in sorted(struct.iter_unpack(">3H", definitions[2:])))


def _with_alpha_defined(data: bytes, channels: int) -> bytes:
    """Return the file with a definition of its channels, by which the last one is alpha."""
    definitions = [(number, _COLOUR, number + 1) for number in range(channels - 1)] + [(channels - 1, _ALPHA, 0)]
    content = b"".join(struct.pack(">3H", *definition) for definition in definitions)
    box = struct.pack(">I4sH", 10 + len(content), b"cdef", channels) + content
    start = data.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", data, start)
    end = start + length
    return data[:start] + struct.pack(">I", length + len(box)) + data[start + 4 : end] + box + data[end:]
