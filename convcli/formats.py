"""Which file format holds what."""

from typing import NamedTuple

from convcli.errors import OptionError


class Format(NamedTuple):
    """What a file format for output can hold.

    name: Pillow's name in lower case, or ``npy``.  extensions: without the dot, the usual one first.
    deep, floating: whether one channel may be uint16, float32.
    """

    name: str
    extensions: tuple[str, ...]
    holds_alpha: bool = False
    deep: bool = False
    floating: bool = False

    @property
    def is_array(self) -> bool:
        """Whether it is ``.npy``, which holds any number of maps of any type, exactly."""
        return self.name == "npy"

    def max_depth(self, channels: int) -> int:
        """The bits, 8 or 16, that a picture of so many channels can have in each."""
        return 16 if self.deep and channels == 1 else 8

    def holds_float(self, channels: int) -> bool:
        """Whether a picture of so many channels can hold float32."""
        return self.floating and channels == 1


FORMATS = (
    Format("png", ("png",), holds_alpha=True, deep=True),
    Format("jpeg", ("jpg", "jpeg", "jpe", "jfif")),
    Format("tiff", ("tif", "tiff"), holds_alpha=True, deep=True, floating=True),
    Format("webp", ("webp",), holds_alpha=True),
    Format("avif", ("avif",), holds_alpha=True),
    Format("gif", ("gif",), holds_alpha=True),
    Format("bmp", ("bmp",)),
    Format("ppm", ("ppm", "pgm", "pnm"), deep=True),
    Format("jpeg2000", ("jp2", "j2k", "jpx"), holds_alpha=True, deep=True),
    Format("tga", ("tga",), holds_alpha=True),
    Format("npy", ("npy",)),
)


def format_of(name: str) -> Format:
    """The format that a name (``png``, ``jpeg``) or an extension (``.tif``, ``JPG``) stands for.

    Raises OptionError for one that cannot be written.
    """
    wanted = name.lower().removeprefix(".")
    for format in FORMATS:
        if wanted in (format.name, *format.extensions):
            return format
    names = [format.name for format in FORMATS]
    raise OptionError(f"unknown image format {name!r}: use {', '.join(names[:-1])} or {names[-1]}")
