"""A frame of a picture that Pillow opens."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from convcli.files.file_bytes import contents
from convcli.pictures import deep_extra
from convcli.pictures.channels import channels_of, pixel_type, split_alpha
from convcli.pictures.colour_modes import in_working_mode, working_mode
from convcli.pictures.deep import Decoder, decoder_for
from convcli.pictures.depth import stored_bits, stores_gray_and_alpha
from convcli.pictures.image import Header, Image
from convcli.pictures.metadata import Description, description, read_metadata, read_orientation
from convcli.pictures.orientation import is_sideways, upright_array, upright_picture
from convcli.pictures.tiff_pages import is_tiff

# An MPO, which is what many phones write as .jpg, holds previews and depth maps; a PSD holds the layers of one picture.
_PARTS_OF_ONE = ("MPO", "PSD")


def open_picture(file: Path | BytesIO) -> ImageFile:
    """The picture with its header read; a file that is none is an error of Pillow's."""
    try:
        picture = _opened(file)
    except PIL.UnidentifiedImageError:
        if is_tiff(file) and not deep_extra.is_installed():
            raise ValueError("Pillow knows TIFF, but not this kind; pip install 'convcli[deep]' knows more") from None
        raise ValueError("it is neither a picture that Pillow knows, nor an .npy array, nor a JSON tensor") from None
    if picture.format == "EPS":
        picture.close()
        raise ValueError("EPS is a program that draws, and is not run: expected a picture, as Ghostscript makes of it")
    return picture


def _opened(file: Path | BytesIO) -> ImageFile:
    try:
        return PIL.Image.open(file)
    except PIL.UnidentifiedImageError:
        # Pillow tries its formats as it loads them, and skips one that another thread is loading: now all are loaded.
        return PIL.Image.open(file)


def frame_count(picture: ImageFile) -> int:
    """Of those that show something of their own."""
    return 1 if picture.format in _PARTS_OF_ONE else getattr(picture, "n_frames", 1)


class PillowFrame(NamedTuple):
    """The frame of that number, from 0; frames are to be taken in order."""

    picture: ImageFile
    file: Path | BytesIO
    number: int

    def header(self) -> Header:
        """What ``decode`` would give, from the header."""
        picture = self._sought()
        mode = "LA" if stores_gray_and_alpha(picture) else working_mode(picture)
        alpha = mode.endswith("A")
        # The size of a TIFF Pillow has turned already.
        turned = picture.format != "TIFF" and is_sideways(_described(picture).orientation)
        width, height = picture.size[::-1] if turned else picture.size
        dtype = np.dtype(np.uint16) if self._decoder() else _unsigned(picture, pixel_type(mode, picture.format))
        shape = (PIL.Image.getmodebands(mode) - alpha, height, width)
        return Header(shape, dtype, alpha=alpha or _transparent_level(picture) is not None)

    def decode(self) -> Image:
        """Upright, in L or RGB, or in its own single channel if that is deeper than 8 bits."""
        self._sought()
        decoder = self._decoder()
        return self._deep(decoder) if decoder else self._of_pillow()

    def _sought(self) -> ImageFile:
        if self.number > 0:
            self.picture.seek(self.number)
        return self.picture

    def _decoder(self) -> Decoder | None:
        """For a file of a single picture, deeper than Pillow would read it."""
        alone = stored_bits(self.picture) > 8 and frame_count(self.picture) == 1
        return decoder_for(self.picture) if alone else None

    def _deep(self, decoder: Decoder) -> Image:
        orientation, metadata, losses = _described(self.picture)
        levels = decoder(contents(self.file), self.picture)
        pixels, alpha = split_alpha(upright_array(np.moveaxis(levels, -1, 0), orientation))
        bits = stored_bits(self.picture)
        return Image(pixels, alpha, metadata, () if bits == 16 else (f"{bits} bits scaled to 16",), losses)

    def _of_pillow(self) -> Image:
        picture = self.picture
        depth_losses, gray_and_alpha = tuple(_depth_losses(picture)), stores_gray_and_alpha(picture)
        orientation, metadata, losses = _loaded(picture)
        converted = in_working_mode(picture)
        upright = upright_picture(converted.picture, orientation)
        pixels, alpha = channels_of(upright.convert("LA") if gray_and_alpha else upright, picture.format)
        notes = converted.notes
        if not converted.keeps_profile:
            metadata = metadata._replace(icc=None)
        pixels = pixels.view(_unsigned(picture, pixels.dtype))
        if _is_white_zero(picture):
            pixels, notes = 65535 - pixels, (*notes, "white-is-zero inverted")
        if (level := _transparent_level(picture)) is not None:
            alpha = np.where(pixels[0] == level, 0, 65535).astype(np.uint16)
        return Image(pixels, alpha, metadata, notes, (*depth_losses, *converted.warnings, *losses))


def _loaded(picture: ImageFile) -> Description:
    """What the file says of the picture as it is once it has been loaded."""
    # What other files say may stand behind the pixels; a TIFF Pillow turns upright as it loads it.
    if picture.format != "TIFF":
        picture.load()
        return _described(picture)
    described = _described(picture)._replace(orientation=1)
    picture.load()
    return described


def _transparent_level(picture: ImageFile) -> int | None:
    """That of 16-bit gray; Pillow makes alpha of others."""
    return picture.info.get("transparency") if picture.mode.startswith("I;16") else None


def _unsigned(picture: ImageFile, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """uint32 for a TIFF of those, of which Pillow makes int32, bit by bit."""
    tags = getattr(picture, "tag_v2", None)
    unsigned = dtype == np.int32 and tags is not None and tags.get(_SAMPLE_FORMAT, (1,)) == (1,)
    return np.dtype(np.uint32) if unsigned else dtype


# 1: unsigned, which it is if nothing is said.
_SAMPLE_FORMAT = 339


def _is_white_zero(picture: ImageFile) -> bool:
    """Of 16-bit gray; Pillow inverts others itself."""
    return picture.mode.startswith("I;16") and getattr(picture, "tag_v2", {}).get(Base.PhotometricInterpretation) == 0


def _depth_losses(picture: ImageFile) -> Iterator[str]:
    """What of the file's depth Pillow gives up, and says nothing."""
    bits = stored_bits(picture)
    if bits > 8:
        kind = "gray and alpha" if stores_gray_and_alpha(picture) or picture.mode == "LA" else picture.mode
        yield f"{bits}-bit {kind} {picture.format} read at 8 bits: {_remedy(picture)}"


def _remedy(picture: ImageFile) -> str:
    if picture.mode in ("RGB", "RGBA", "LA") and frame_count(picture) == 1 and not deep_extra.is_installed():
        return "pip install 'convcli[deep]' reads them all, and an .npy array holds them"
    return "an .npy array would hold them all"


def _described(picture: ImageFile) -> Description:
    return description(lambda: (read_orientation(picture), read_metadata(picture)))
