"""What this installation can decode: Pillow may be built without a library, and extras may be missing."""

from collections.abc import Callable
from functools import partial

import PIL
from PIL import features

from convcli.pictures import deep_extra, heic_extra
from convcli.pictures.formats import Format

# Pillow's names for the libraries that it is built with.
_CODECS = ("jpg", "libjpeg_turbo", "jpg_2000", "zlib", "libtiff", "webp", "avif")
_NEEDS: dict[str, Callable[[], bool | None]] = {
    "avif": partial(features.check, "avif"),
    "heif": heic_extra.is_installed,
    "jpeg": partial(features.check, "jpg"),
    "jpeg2000": partial(features.check, "jpg_2000"),
    "jpegxl": deep_extra.is_installed,
    "mpo": partial(features.check, "jpg"),
    "png": partial(features.check, "zlib"),
    "webp": partial(features.check, "webp"),
}

# The first version of Pillow without a known vulnerability.
_SAFE_PILLOW = 13


def vulnerable_pillow() -> str:
    """Return a warning if pictures from strangers may harm this installation; empty text if not."""
    if int(PIL.__version__.partition(".")[0]) >= _SAFE_PILLOW:
        return ""
    return (
        f"Pillow {PIL.__version__} has known vulnerabilities, which {_SAFE_PILLOW}.0 does not have: "
        "upgrade it, or read only pictures that you trust"
    )


def codec_versions() -> dict[str, str | None]:
    """Return the versions of the libraries in Pillow; None for one that it is built without."""
    return {name: features.version(name) for name in _CODECS}


def is_usable(format: Format) -> bool:
    """Return whether what decodes the format, and encodes it if convcli writes it, is here."""
    return bool(_NEEDS.get(format.name, lambda: True)())
