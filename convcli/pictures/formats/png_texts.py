"""The text chunks of PNG, which also hold XMP and IPTC. ImageMagick writes them after the pixels."""

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from convcli.files.file_bytes import open_again
from convcli.pictures.formats.png_chunks import chunks
from convcli.pictures.image import Metadata, Text
from convcli.pictures.photoshop import IPTC, require_iptc, resource
from convcli.pictures.xmp import kept_xmp
from convcli.text import in_one_line

_XMP, _COMMENT, _RAW = "XML:com.adobe.xmp", "Comment", "Raw profile type "
# What is not text of the picture: the copies that ImageMagick makes of other metadata, and its dates of the old file.
_COPIES = tuple(_RAW + kind for kind in ("exif", "APP1", "app1", "icc", "icm", "xmp", "iptc", "8bim"))
# The most bytes of all texts together, unpacked; a longer text than this is worth compressing.
_MOST, _LONG = 16 << 20, 1024
_TOO_LONG = f"expected at most {_MOST:,} bytes in all texts"
# The chunks that are read, or that are about how the pixels are stored.
_KNOWN = b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP bKGD hIST pHYs sPLT eXIf tIME acTL fcTL fdAT".split()


class PngTexts:
    """The texts of a file, read once: XMP, IPTC, the comment, and all others."""

    def __init__(self, file: Path | BytesIO) -> None:
        self._file = file
        self._texts: list[Text] | None = None

    def readers(self) -> dict[str, Callable[[], Any]]:
        """Return a function for each field of the metadata that is kept in texts."""
        return {"xmp": self._xmp, "iptc": self._iptc, "comment": self._comment, "texts": self._others}

    def _all(self) -> list[Text]:
        if self._texts is None:
            self._texts = [*_texts(self._file)]
        return self._texts

    def _named(self, *keywords: str) -> str | None:
        return next((each.content for each in self._all() if each.keyword in keywords), None)

    def _xmp(self) -> bytes | None:
        if packet := self._named(_XMP):
            return kept_xmp(packet.encode())
        return kept_xmp(_unpacked(self._named(_RAW + "xmp")))

    def _iptc(self) -> bytes | None:
        data = _unpacked(self._named(_RAW + "iptc", _RAW + "8bim"))
        return require_iptc(resource(data, IPTC) if data and data.startswith(b"8BIM") else data)

    def _comment(self) -> bytes | None:
        comment = next((each.content for each in self._all() if _is_comment(each)), None)
        return comment.encode() if comment else None

    def _others(self) -> tuple[Text, ...] | None:
        others = [each for each in self._all() if not (_is_comment(each) or each.keyword in (_XMP, *_COPIES))]
        return tuple(others) or None


def png_info(metadata: Metadata) -> PngInfo:
    """Return the chunks of the metadata that PNG keeps in texts."""
    info = PngInfo()
    if metadata.xmp:
        # Readers of XMP expect it uncompressed.
        info.add_itxt(_XMP, metadata.xmp)
    if metadata.iptc:
        info.add_text(_RAW + "iptc", _packed("iptc", metadata.iptc), zip=True)
    comment = [Text(_COMMENT, _decoded(metadata.comment))] if metadata.comment else []
    for text in (*comment, *(metadata.texts or ())):
        _add(info, text)
    return info


def dropped_chunks(file: Path | BytesIO) -> Iterator[str]:
    """Yield a sentence with the names of the chunks that are not read, if there are any."""
    with open_again(file) as stream:
        names = {name for name, _ in chunks(stream) if name not in _KNOWN and name not in _READERS}
    if names:
        listed = in_one_line(b" ".join(sorted(names)).decode("latin-1"))
        yield f"chunks of other programs are dropped: {listed}"


def _add(info: PngInfo, text: Text) -> None:
    is_long = len(text.content) > _LONG
    if text.language or text.translated:
        info.add_itxt(text.keyword, text.content, text.language, text.translated, zip=is_long)
    else:
        info.add_text(text.keyword, text.content, zip=is_long)


def _decoded(comment: bytes) -> str:
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _is_comment(text: Text) -> bool:
    return text.keyword.lower() == _COMMENT.lower()


def _texts(file: Path | BytesIO) -> Iterator[Text]:
    """Yield the texts of a file; raise ValueError or zlib.error if one is damaged, or all are too long."""
    left = _MOST
    with open_again(file) as stream:
        for kind, length in chunks(stream):
            if kind not in _READERS:
                continue
            if length > left:
                raise ValueError(_TOO_LONG)
            text = _READERS[kind](stream.read(length), left)
            left -= len(text.content)
            yield text


def _text(data: bytes, most: int) -> Text:
    keyword, _, content = data.partition(b"\0")
    return Text(keyword.decode("latin-1"), content.decode("latin-1"))


def _compressed_text(data: bytes, most: int) -> Text:
    keyword, _, content = data.partition(b"\0")
    return Text(keyword.decode("latin-1"), _inflated(content[1:], most).decode("latin-1"))


def _international_text(data: bytes, most: int) -> Text:
    keyword, _, rest = data.partition(b"\0")
    is_compressed, rest = rest[:1] == b"\1", rest[2:]
    language, translated, content = rest.split(b"\0", 2)
    content = _inflated(content, most) if is_compressed else content
    return Text(keyword.decode("latin-1"), content.decode(), language.decode("latin-1"), translated.decode())


_READERS = {b"tEXt": _text, b"zTXt": _compressed_text, b"iTXt": _international_text}


def _inflated(data: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj()
    content = inflater.decompress(data, most)
    if inflater.unconsumed_tail:
        raise ValueError(_TOO_LONG)
    return content


def _packed(kind: str, data: bytes) -> str:
    """Return bytes as text in ImageMagick's form, which other programs read too."""
    return f"\n{kind}\n{len(data):8d}\n{data.hex()}\n"


def _unpacked(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex("".join(text.split("\n")[3:]))
