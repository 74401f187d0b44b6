"""ICO, CUR and ICNS: several pictures of one thing, of which the best is read."""

from collections.abc import Iterator
from typing import Any

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.png_chunks import SIGNATURE
from convcli.pictures.formats.raw_modes import from_start, head_of, raw_mode

# The first bytes of JPEG 2000, as a codestream alone and in its boxes.
_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")


class Ico(Format):
    """The format ICO."""

    def mend(self, picture: ImageFile) -> None:
        """Read the deepest of the largest pictures; Pillow has loaded the first of them, which is less deep."""
        icon: Any = picture
        icon.ico.entry.sort(key=lambda entry: (entry.square, entry.color_depth), reverse=True)
        icon._im = None
        icon.load()

    def within(self, picture: ImageFile) -> bytes | None:
        """Return the file of the PNG that is read in place of the icon, or None if it is no PNG."""
        icon: Any = picture
        icon.ico.buf.seek(icon.ico.entry[0].offset)
        # Pillow does not heed the size that the entry says either.
        data: bytes = icon.ico.buf.read()
        return data if data.startswith(SIGNATURE) else None

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if the file has more pictures."""
        icon: Any = picture
        yield from _others(len(icon.ico.entry), picture)


class Cur(Format):
    """The format CUR."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if raw_mode(picture) in ("1", "BGRA"):
            return ""
        return "a cursor is read only if it has 1 bit, or is alone and has 32 bits: convert it first, as with icotool"

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if the file has more pictures."""
        yield from _others(int.from_bytes(head_of(picture, 6)[4:], "little"), picture)


class Icns(Format):
    """The format ICNS."""

    def mend(self, picture: ImageFile) -> None:
        """Load the picture if it has planes of its own; only then Pillow knows its mode."""
        if self.within(picture) is None:
            picture.load()

    def within(self, picture: ImageFile) -> bytes | None:
        """Return the file of the PNG or JPEG 2000 that is read in place of the icon, or None if it is neither."""
        icon: Any = picture
        places = icon.icns.dct
        start, length = next(places[code] for code, _ in icon.icns.SIZES[icon.best_size] if code in places)
        with from_start(picture) as stream:
            stream.seek(start)
            data = stream.read(length)
        return data if data.startswith((SIGNATURE, *_JPEG_2000)) else None

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if the file has more pictures."""
        yield from _others(len(picture.info["sizes"]), picture)


ICO, CUR, ICNS = Ico("ico"), Cur("cur"), Icns("icns")


def _others(count: int, picture: ImageFile) -> Iterator[str]:
    if count > 1:
        yield f"{count} pictures: only the one of {picture.width} x {picture.height} is read"
