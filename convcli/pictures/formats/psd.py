"""PSD. Pillow reads the picture of all layers together; here its channels are counted."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from PIL.ImageFile import ImageFile

from convcli.files.file_bytes import open_again
from convcli.pictures.formats.format import Format
from convcli.pictures.formats.psd_sections import LAB, MULTICHANNEL, ZIP, Sections, refusal_of_psd, sections
from convcli.pictures.formats.raw_modes import from_start, read_as
from convcli.pictures.metadata import Readers
from convcli.pictures.photoshop import resource_readers

_UNREAD = {MULTICHANNEL: "channels without colours", LAB: "Lab colours"}


class Psd(Format):
    """The format PSD."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        kind = _UNREAD.get(_sections(picture).mode, "" if picture.tile else ZIP)
        return refusal_of_psd(kind) if kind else ""

    def mend(self, picture: ImageFile) -> None:
        """Drop the fourth channel unless it is the transparency of the picture; a set bit is black."""
        if picture.mode == "1":
            read_as(picture, "1", "1;I")
        if picture.mode == "RGBA" and not _sections(picture).is_transparent:
            picture._mode = "RGB"
            picture.tile = picture.tile[:3]

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about colours that are read as gray."""
        yield from _sections(picture).notes

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about channels that are not read."""
        count, read = _sections(picture).channels, len(picture.getbands())
        if count > read:
            yield f"{count - read} of {count} channels dropped: only colours, and transparency with RGB, are read"

    def metadata_readers(self, picture: ImageFile, file: Path | BytesIO) -> Readers:
        """Return the readers of the metadata, which lies before the layers."""
        with open_again(file) as stream:
            return resource_readers(sections(stream).resources)


PSD = Psd("psd", parts_of_one=True)


def _sections(picture: ImageFile) -> Sections:
    with from_start(picture) as stream:
        return sections(cast("BinaryIO", stream))
