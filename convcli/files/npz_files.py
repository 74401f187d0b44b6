"""Read one array from an ``.npz``, a ZIP archive of ``.npy`` files. No other member is decompressed."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from convcli.arrays import Array
from convcli.files.file_bytes import open_file
from convcli.files.npy_files import read_npy, read_npy_header
from convcli.files.stored_tensors import Wanted

_EXTENSION = ".npy"


class _Member(NamedTuple):
    """An array in an archive."""

    archive: ZipFile
    info: ZipInfo

    @property
    def shape(self) -> tuple[int, ...]:
        with self.archive.open(self.info) as stream:
            return read_npy_header(stream).shape

    def read(self) -> Array:
        # It stops after the bytes that the archive says it has, however much its data would expand to.
        with self.archive.open(self.info) as stream:
            return read_npy(stream, self.info.file_size)


def read_npz(file: Path | BytesIO, wanted: Wanted) -> Array:
    """Return the array that is wanted of an archive; raise ValueError if it is damaged."""
    with open_file(file) as stream, _archive(stream) as archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(_EXTENSION)]
        members = {info.filename.removesuffix(_EXTENSION): _Member(archive, info) for info in infos}
        if len(members) < len(infos):
            raise ValueError("it holds two arrays of one name")
        return wanted.of(members).read()


def _archive(stream: BinaryIO) -> ZipFile:
    try:
        return ZipFile(stream)
    # Its index is at its end.
    except BadZipFile:
        raise ValueError("it is cut off, or damaged at its end: copy or download it again") from None
