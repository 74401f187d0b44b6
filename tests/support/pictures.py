"""Small pictures, their files, and their metadata."""

from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
from PIL import ImageCms
from PIL.ExifTags import GPS, IFD, Base

from convcli.arrays import Array
from convcli.pictures.gdal import GdalTags
from convcli.pictures.georeference import Georeference
from convcli.pictures.image import Metadata, Text

HEIGHT, WIDTH = 5, 7
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def random_pixels(channels: int, dtype: type = np.uint8, seed: int = 3) -> Array:
    """Return ``(C, H, W)`` with all levels of an integer type, or numbers up to 1000."""
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1000
    return np.random.default_rng(seed).integers(0, top, (channels, HEIGHT, WIDTH), endpoint=True).astype(dtype)


def picture(mode: str) -> PIL.Image.Image:
    """Return a picture of random bands."""
    bands = [PIL.Image.fromarray(band) for band in random_pixels(len(PIL.Image.new(mode, (1, 1)).getbands()))]
    return PIL.Image.merge(mode, bands)


def encoded(image: PIL.Image.Image, format: str, **options: Any) -> bytes:
    """Return the file that Pillow writes."""
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def planes(image: PIL.Image.Image) -> Array:
    """Return the bands ``(C, H, W)``."""
    return np.stack([np.asarray(band) for band in image.split()])


def exif_of(orientation: int | None = None) -> PIL.Image.Exif:
    """Return EXIF with tags of the picture, of its lens and place, and of the layout of its file."""
    exif = PIL.Image.Exif()
    exif[Base.Make] = "Maker"
    exif[Base.YCbCrPositioning] = 2
    exif.get_ifd(IFD.Exif)[Base.LensModel] = "Lens"
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    if orientation is not None:
        exif[Base.Orientation] = orientation
    return exif


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="\xc3\xa4"/></rdf:RDF></x:xmpmeta>'
)
# The keyword "word".
IPTC = b"\x1c\x02\x19\0\x04word"
FULL_METADATA = Metadata(
    SRGB,
    exif_of().tobytes(),
    (300.0, 150.0),
    XMP,
    IPTC,
    "größer".encode(),
    (Text("Title", "night"), Text("Long", "x" * 3000), Text("Title", "夜", "ja", "題")),
    Georeference(
        (
            (33550, (10.0, 5.0, 0.0)),
            (33922, (0.0, 0.0, 0.0, 5e5, 5.4e6, 0.0)),
            (34735, (1, 1, 0, 1, 1025, 0, 1, 1)),
            (34736, (0.1, 0.2)),
            (34737, "WGS 84|"),
        )
    ),
    GdalTags('<GDALMetadata><Item name="Größe">1 &amp; 2</Item></GDALMetadata>', "-9999"),
)


def parsed(exif: bytes | None) -> PIL.Image.Exif:
    """Return the tags of an image's EXIF, which it must have."""
    assert exif is not None
    tags = PIL.Image.Exif()
    tags.load(exif)
    return tags
