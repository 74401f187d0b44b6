"""Which file format holds what."""

from typing import Literal, NamedTuple

from convcli.pictures import deep_extra
from convcli.text import choice


class Format(NamedTuple):
    """What a file format for output can hold.

    name: Pillow's name in lower case, or ``npy``.  extensions: without the dot, the usual one first.
    deep: whether one channel may be uint16.  deep_colour: whether several may, or one beside alpha; ``extra``: with
    the extra ``deep``.  floating: whether channels may be float32.
    metadata: which fields of ``Metadata`` it keeps.
    """

    name: str
    extensions: tuple[str, ...]
    holds_alpha: bool = False
    deep: bool = False
    deep_colour: Literal["no", "extra", "yes"] = "no"
    floating: bool = False
    metadata: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether it is ``.npy``, which holds any number of maps of any type, exactly."""
        return self.name == "npy"

    def max_depth(self, channels: int, *, alpha: bool = False) -> int:
        """The bits, 8 or 16, that a picture of so many channels, and alpha, can have in each."""
        alone = channels == 1 and not alpha
        return 16 if (self.deep if alone else self._holds_deep_colour()) else 8

    def _holds_deep_colour(self) -> bool:
        return self.deep_colour == "yes" or (self.deep_colour == "extra" and deep_extra.is_installed())

    def holds_float(self, channels: int) -> bool:
        """Whether a picture of so many channels can hold float32."""
        return self.floating and channels in (1, 3)


_ALL = ("icc", "exif", "dpi")
FORMATS = (
    Format("png", ("png",), holds_alpha=True, deep=True, deep_colour="extra", metadata=_ALL),
    Format("jpeg", ("jpg", "jpeg", "jpe", "jfif"), metadata=_ALL),
    Format("tiff", ("tif", "tiff"), holds_alpha=True, deep=True, deep_colour="yes", floating=True, metadata=_ALL),
    Format("webp", ("webp",), holds_alpha=True, metadata=("icc", "exif")),
    Format("avif", ("avif",), holds_alpha=True, metadata=("icc", "exif")),
    Format("gif", ("gif",), holds_alpha=True),
    Format("bmp", ("bmp",), metadata=("dpi",)),
    Format("ppm", ("ppm", "pgm", "pnm"), deep=True, deep_colour="yes"),
    Format("jpeg2000", ("jp2", "j2k", "jpx"), holds_alpha=True, deep=True, deep_colour="extra"),
    Format("tga", ("tga",), holds_alpha=True),
    Format("npy", ("npy",)),
)


_BY_NAME = {name: format for format in FORMATS for name in (format.name, *format.extensions)}


def format_of(name: str, option: str = "format") -> Format:
    """Return the format that a name (``png``, ``jpeg``) or an extension (``.tif``, ``JPG``) stands for.

    Raises OptionError, about the option that the name comes from, for a format that cannot be written.
    """
    return _BY_NAME[choice(option, name.lower().removeprefix("."), _BY_NAME)]
