"""ICO, CUR and ICNS: several pictures of one thing, of which the best is read."""

from collections.abc import Iterator
from typing import Any

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of, raw_mode


class Ico(Format):
    """The format ICO."""

    def mend(self, picture: ImageFile) -> None:
        """Read the deepest of the largest pictures; Pillow has loaded the first of them, which is less deep."""
        icon: Any = picture
        icon.ico.entry.sort(key=lambda entry: (entry.square, entry.color_depth), reverse=True)
        icon._im = None
        icon.load()

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

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        # Only then Pillow knows the mode, and it has forgotten the palette.
        picture.load()
        return (
            "" if picture.mode in ("RGB", "RGBA") else "an icon is read only in RGB: convert it first, as with icns2png"
        )

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if the file has more pictures."""
        yield from _others(len(picture.info["sizes"]), picture)


ICO, CUR, ICNS = Ico("ico"), Cur("cur"), Icns("icns")


def _others(count: int, picture: ImageFile) -> Iterator[str]:
    if count > 1:
        yield f"{count} pictures: only the one of {picture.width} x {picture.height} is read"
