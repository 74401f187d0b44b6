"""A frame of a picture that Pillow opens."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.files.file_bytes import contents
from convcli.pictures import deep_extra
from convcli.pictures.channels import channels_of, split_alpha
from convcli.pictures.colour_modes import convert_to_mode, working_mode
from convcli.pictures.formats import Format, format_read
from convcli.pictures.formats.format import Decoder
from convcli.pictures.formats.raw_modes import stores_gray_and_alpha
from convcli.pictures.formats.tiff_pages import is_tiff
from convcli.pictures.image import Header, Image, Metadata
from convcli.pictures.metadata import Description, description, kept_exif, orientation_in
from convcli.pictures.orientation import is_sideways, upright_array, upright_picture


def open_picture(file: Path | BytesIO) -> ImageFile:
    """Open a picture and read its header; raise ValueError if it is not a picture or its format is refused."""
    try:
        picture = _open(file)
    except PIL.UnidentifiedImageError:
        if is_tiff(file) and not deep_extra.is_installed():
            raise ValueError(
                "Pillow cannot read this kind of TIFF: to read more kinds, pip install 'convcli[deep]'"
            ) from None
        raise ValueError("expected a picture that Pillow can read, an .npy array or a JSON tensor") from None
    if refusal := format_read(picture.format).refusal:
        picture.close()
        raise ValueError(refusal)
    return picture


def _open(file: Path | BytesIO) -> ImageFile:
    try:
        return PIL.Image.open(file)
    except PIL.UnidentifiedImageError:
        # Pillow loads its formats on demand, and skips one that another thread is loading. By now all are loaded.
        return PIL.Image.open(file)


@dataclass(frozen=True)
class PillowFrame:
    """One frame of a picture, by its number from 0; frames must be decoded in order."""

    picture: ImageFile
    format: Format
    file: Path | BytesIO
    number: int

    def header(self) -> Header:
        """Return the header of the frame that ``decode`` would return, without decoding it."""
        picture = self._seek()
        mode = "LA" if stores_gray_and_alpha(picture) else self._mode()
        alpha = mode.endswith("A")
        # If Pillow turns the pixels upright as it loads them, the size is upright already.
        turned = not self.format.upright_once_loaded and is_sideways(self._describe().orientation)
        width, height = picture.size[::-1] if turned else picture.size
        dtype = np.dtype(np.uint16) if self._decoder() else self.format.level_type(picture)
        shape = (PIL.Image.getmodebands(mode) - alpha, height, width)
        return Header(shape, dtype, alpha=alpha or _transparent_level(picture) is not None)

    def decode(self) -> Image:
        """Return the frame upright, in L or RGB, or in its own single channel if that is deeper than 8 bits."""
        self._seek()
        decoder = self._decoder()
        return self._decode_past_pillow(decoder) if decoder else self._decode_by_pillow()

    def _seek(self) -> ImageFile:
        if self.number > 0:
            self.picture.seek(self.number)
        return self.picture

    def _mode(self) -> str:
        return working_mode(self.picture, in_colour=self.format.is_colour_in_every_frame(self.picture))

    def _bits(self) -> int:
        """Return the bits per channel in the file; 8 for a single channel, which Pillow reads at any depth."""
        return 8 if len(self.picture.getbands()) == 1 else self.format.stored_bits(self.picture)

    def _decoder(self) -> Decoder | None:
        """Return the decoder for the only frame of a file with more than 8 bits; None if Pillow decodes the frame."""
        alone = self._bits() > 8 and self.format.frame_count(self.picture) == 1
        return self.format.decoder(self.picture) if alone else None

    def _describe(self) -> Description:
        return description(self._description)

    def _description(self) -> tuple[int, Metadata]:
        exif = self.format.exif(self.picture)
        icc = self.picture.info.get("icc_profile") or None
        return orientation_in(exif), Metadata(icc, kept_exif(exif), self.format.dpi(self.picture))

    def _decode_past_pillow(self, decoder: Decoder) -> Image:
        described = self._describe()
        levels = decoder(contents(self.file))
        pixels, alpha = split_alpha(upright_array(np.moveaxis(levels, -1, 0), described.orientation))
        bits = self._bits()
        notes = () if bits == 16 else (f"{bits} bits scaled to 16",)
        return Image(pixels, alpha, described.metadata, notes, described.warnings)

    def _decode_by_pillow(self) -> Image:
        picture = self.picture
        # Determined before loading, because Pillow then forgets the mode in the file.
        losses, gray_and_alpha = tuple(self._depth_losses()), stores_gray_and_alpha(picture)
        described = self._load()
        converted = convert_to_mode(picture, self._mode())
        upright = upright_picture(converted.picture, described.orientation)
        pixels, alpha = channels_of(
            upright.convert("LA") if gray_and_alpha else upright, self.format.level_type(picture)
        )
        metadata = described.metadata if converted.keeps_profile else described.metadata._replace(icc=None)
        losses = (*losses, *converted.warnings, *described.warnings)
        image = Image(pixels, alpha, metadata, converted.notes, losses)
        return self._convert_deep_channel(image) if _has_deep_channel(picture) else image

    def _convert_deep_channel(self, image: Image) -> Image:
        """Return 16-bit gray in which 65535 is white, with alpha if one level is transparent."""
        if self.format.is_white_zero(self.picture):
            image = replace(image, pixels=65535 - image.pixels, notes=(*image.notes, "white-is-zero inverted"))
        if (level := _transparent_level(self.picture)) is not None:
            image = replace(image, alpha=np.where(image.pixels[0] == level, 0, 65535).astype(np.uint16))
        return image

    def _load(self) -> Description:
        """Load the pixels, and return the description of the loaded pixels."""
        if self.format.upright_once_loaded:
            described = self._describe()._replace(orientation=1)
            self.picture.load()
            return described
        # In other formats, metadata may come after the pixels.
        self.picture.load()
        return self._describe()

    def _depth_losses(self) -> Iterator[str]:
        """Yield a warning if Pillow reads a deeper file at 8 bits, which Pillow itself does not report."""
        bits, picture = self._bits(), self.picture
        if bits > 8:
            kind = "gray and alpha" if stores_gray_and_alpha(picture) or picture.mode == "LA" else picture.mode
            yield f"{bits}-bit {kind} {picture.format} read at 8 bits: {self._remedy()}"

    def _remedy(self) -> str:
        deep_extra_reads = self.picture.mode in ("RGB", "RGBA", "LA") and self.format.frame_count(self.picture) == 1
        if deep_extra_reads and not deep_extra.is_installed():
            return "to keep all bits, pip install 'convcli[deep]', or use an .npy array"
        return "to keep all bits, use an .npy array"


def _transparent_level(picture: ImageFile) -> int | None:
    """Return the transparent level of 16-bit gray, or None; in other modes Pillow converts it to alpha."""
    return picture.info.get("transparency") if _has_deep_channel(picture) else None


def _has_deep_channel(picture: ImageFile) -> bool:
    return picture.mode.startswith("I;16")
