"""GDAL's tags of a TIFF: items of metadata as XML, and the value that stands for missing numbers."""

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.pictures.xmp import require_harmless
from convcli.text import in_one_line

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ITEMS, NODATA = 42112, 42113
# The roles of items that say what the numbers stand for.
_UNITS = ("scale", "offset", "unittype")


class GdalTags(NamedTuple):
    """The values of GDAL's tags, or None."""

    items: str | None = None
    nodata: str | None = None

    @property
    def units(self) -> int:
        """The number of statements about what the numbers stand for."""
        return (self.nodata is not None) + sum(map(_is_unit, _parsed(self.items)))

    @property
    def shown_nodata(self) -> str:
        """The nodata value as messages show it."""
        return in_one_line((self.nodata or "").strip("\0 "))

    @np.errstate(over="ignore")
    def count_missing(self, pixels: Array) -> int:
        """Return how many pixels have the nodata value; 0 if it is no number."""
        try:
            value = float(self.shown_nodata)
        except ValueError:
            return 0
        # NumPy rounds the value, which may have more digits, to the type of floats.
        return int(np.count_nonzero(np.isnan(pixels) if isnan(value) else pixels == value))

    def of_output(self, *, same_units: bool, same_bands: bool) -> "GdalTags | None":
        """Return the tags for an output, whose statistics are others; None if nothing remains.

        same_units: whether its numbers stand for what those of the input stand for.
        same_bands: whether its channels are those of the input.
        """
        from xml.etree.ElementTree import tostring

        root = _parsed(self.items)
        for item in [*root]:
            is_stale = _is_statistic(item) or (_is_unit(item) and not same_units)
            if is_stale or ("sample" in item.attrib and not same_bands):
                root.remove(item)
        items = tostring(root, encoding="unicode") if len(root) else None
        tags = GdalTags(items, self.nodata if same_units else None)
        return tags if any(tags) else None


def gdal_tags(items: str | None, nodata: str | None) -> GdalTags | None:
    """Return GDAL's tags, or None without one; raise ValueError or ParseError if the items are damaged."""
    if not (items or nodata):
        return None
    _parsed(items)
    return GdalTags(items or None, nodata or None)


def _parsed(items: str | None) -> "Element":
    # Few pictures have items, and parsing them takes a long time to import.
    from xml.etree.ElementTree import Element, fromstring

    if not items:
        return Element("GDALMetadata")
    require_harmless(items.encode())
    return fromstring(items.strip("\0"))


def _is_unit(item: "Element") -> bool:
    return item.get("role") in _UNITS


def _is_statistic(item: "Element") -> bool:
    return item.get("name", "").startswith("STATISTICS_")
