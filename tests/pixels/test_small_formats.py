"""Compare the pixels that are read from files of rarer formats with those that were stored."""

import struct
from itertools import groupby
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from support.pictures import encoded, picture

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.formats import format_read
from convcli.pictures.reading import iter_frames, read_header, read_image

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (5, 7, 4), np.uint8)
WORDS = RNG.integers(0, 65536, (5, 7, 4), np.uint16)
BITS = RNG.integers(0, 2, (5, 11), np.uint8)
REAL = RNG.standard_normal((5, 7)).astype(np.float32)


def channels(levels: Array) -> Array:
    return np.moveaxis(np.atleast_3d(levels), -1, 0)


def sgi(levels: Array, *, runs: bool = False, colours: int = 0) -> bytes:
    height, width, count = levels.shape
    size = levels.itemsize
    head = struct.pack(
        ">H2B4H2I4x80sI", 474, runs, size, 3 if count > 1 else 2, width, height, count, 0, 0, b"", colours
    )
    flipped = np.moveaxis(levels, -1, 0)[:, ::-1].astype(f">u{size}")
    if not runs:
        return head.ljust(512, b"\0") + flipped.tobytes()
    # Each row is two runs: one level three times, and the others as they are.
    rows = []
    for row in flipped.reshape(-1, width):
        words = [3, row[0], 0x80 | (width - 3), *row[3:], 0]
        rows.append(np.array(words, f">u{size}").tobytes())
    starts = 512 + 8 * len(rows) + np.cumsum([0, *map(len, rows[:-1])])
    tables = np.array([*starts, *map(len, rows)], ">u4").tobytes()
    return head.ljust(512, b"\0") + tables + b"".join(rows)


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("levels", [BYTES, WORDS], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("runs", [False, True])
def test_sgi(levels: Array, count: int, runs: bool) -> None:
    stored = levels[..., :count].copy()
    if runs:
        stored[:, :3] = stored[:, :1]
    data = sgi(stored, runs=runs)
    image = read_image(data)
    bands = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    assert np.array_equal(bands, channels(stored))
    assert image.pixels.dtype == levels.dtype
    assert (read_header(data), image.warnings) == (image.header, ())


def test_damaged_and_indexed_sgi_are_refused() -> None:
    with pytest.raises(FileError, match="SGI with indices of colours is not read: convert it first"):
        read_image(sgi(BYTES[..., :1], colours=2))
    data = bytearray(sgi(WORDS[..., :1], runs=True))
    start = int.from_bytes(data[512:516])
    data[start : start + 2] = struct.pack(">H", 2)
    with pytest.raises(FileError, match="a row has 6 levels: expected 7"):
        read_image(bytes(data))
    with pytest.raises(FileError, match="buffer is smaller than requested size"):
        read_image(sgi(WORDS)[:-1])


def sun(depth: int, kind: int, content: bytes, palette: bytes = b"", width: int = 7, height: int = 5) -> bytes:
    return (
        struct.pack(">8I", 0x59A66A95, width, height, depth, 0, kind, bool(palette), len(palette)) + palette + content
    )


def padded(rows: Array) -> bytes:
    return np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).tobytes()


@pytest.mark.parametrize(("kind", "order"), [(1, [2, 1, 0]), (3, [0, 1, 2])])
def test_sun_raster_of_24_and_32_bits(kind: int, order: list[int]) -> None:
    colours = BYTES[..., :3]
    stored = colours[..., order]
    assert np.array_equal(read_image(sun(24, kind, padded(stored.reshape(5, -1)))).pixels, channels(colours))
    unused_first = np.concatenate([BYTES[..., 3:], stored], axis=2)
    data = sun(32, kind, unused_first.tobytes())
    assert np.array_equal(read_image(data).pixels, channels(colours))
    assert read_header(data) == read_image(data).header


def test_sun_raster_of_8_and_1_bits() -> None:
    gray = BYTES[..., 0]
    assert np.array_equal(read_image(sun(8, 1, padded(gray))).pixels[0], gray)
    palette = RNG.integers(0, 256, (3, 256), np.uint8)
    image = read_image(sun(8, 1, padded(gray), palette.tobytes()))
    assert np.array_equal(image.pixels, palette[:, gray])
    packed = padded(np.packbits(BITS, axis=1))
    assert np.array_equal(read_image(sun(1, 1, packed, width=11)).pixels[0], 255 * (1 - BITS))
    with pytest.raises(FileError, match="a Sun raster of two colours is not read: convert it first"):
        read_image(sun(1, 1, packed, bytes(6), width=11))


def in_runs(data: bytes) -> bytes:
    """Return bytes, each twice as a run, and 128 as itself."""
    return b"".join(
        b"\x80\0" * count if byte == 128 else b"\x80" + bytes((count - 1, byte)) if count > 1 else bytes((byte,))
        for byte, count in ((key, len(list(group))) for key, group in groupby(data))
    )


@pytest.mark.parametrize("width", [6, 7])
def test_rows_of_a_sun_raster_in_runs_are_padded(width: int) -> None:
    gray, colours = BYTES[:, :width, 0].copy(), BYTES[:, :width, :3]
    gray[:, 2:5] = gray[:, 2:3]
    gray[1, :2] = 128
    assert np.array_equal(read_image(sun(8, 2, in_runs(padded(gray)), width=width)).pixels[0], gray)
    palette = RNG.integers(0, 256, (3, 256), np.uint8)
    image = read_image(sun(8, 2, in_runs(padded(gray)), palette.tobytes(), width=width))
    assert np.array_equal(image.pixels, palette[:, gray])
    stored = colours[..., ::-1].reshape(5, -1)
    data = sun(24, 2, in_runs(padded(stored)), width=width)
    assert np.array_equal(read_image(data).pixels, channels(colours))
    assert read_header(data) == read_image(data).header
    unused_first = np.concatenate([BYTES[:, :width, 3:], colours[..., ::-1]], axis=2)
    assert np.array_equal(
        read_image(sun(32, 2, in_runs(unused_first.tobytes()), width=width)).pixels, channels(colours)
    )
    bits = BITS[:, : width + 3]
    packed = in_runs(padded(np.packbits(bits, axis=1)))
    assert np.array_equal(read_image(sun(1, 2, packed, width=width + 3)).pixels[0], 255 * (1 - bits))
    with pytest.raises(FileError, match=r"it is truncated: it has [0-9]+ of [0-9]+ bytes"):
        read_image(sun(24, 2, in_runs(padded(stored))[:-3], width=width))


def xbm(size: str, numbers: list[int]) -> bytes:
    body = ", ".join(f"0x{number:02x}" for number in numbers)
    return f"#define a_width 11\n#define a_height 5\nstatic {size} a_bits[] = {{\n{body} }};\n".encode()


def test_a_set_bit_of_xbm_is_black() -> None:
    stored = np.packbits(np.pad(BITS, ((0, 0), (0, 5))), axis=1, bitorder="little")
    for data in (xbm("unsigned char", stored.ravel().tolist()), xbm("short", stored.view("<u2").ravel().tolist())):
        image = read_image(data)
        assert np.array_equal(image.pixels[0], 255 * (1 - BITS))
        assert image.notes == ("1-bit converted to L",)
        assert read_header(data) == image.header
    with pytest.raises(FileError, match="it is truncated: it has 9 of 10 bytes"):
        read_image(xbm("char", [1] * 9))


def xpm(*colours: str) -> bytes:
    keys = [chr(97 + number) for number in range(len(colours))]
    rows = ["".join(keys[i % len(keys)] for i in range(start, start + 7)) for start in range(5)]
    lines = [f"7 5 {len(keys)} 1", *(f"{key} c {colour}" for key, colour in zip(keys, colours, strict=True)), *rows]
    return ("/* XPM */\nstatic char *a[] = {\n" + ",\n".join(f'"{line}"' for line in lines) + "\n};\n").encode()


def test_xpm() -> None:
    image = read_image(xpm("#0102fE", "None", "#ffffff"))
    indices = np.add.outer(np.arange(5), np.arange(7)) % 3
    colours = np.array([(1, 2, 254), (0, 0, 0), (255, 255, 255)])
    assert np.array_equal(image.pixels, channels(colours[indices]))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.where(indices == 1, 0, 255))
    with pytest.raises(FileError, match="expected XPM colours of 6 digits, given 12: convert it first"):
        read_image(xpm("#0102fE", "#111122223333"))
    with pytest.raises(
        FileError, match=r"^cannot read <bytes>: unsupported XPM file: convert it first, for example with ImageMagick$"
    ):
        read_image(xpm("gray50"))


def pcx(rows: Array, bits: int, count: int, version: int = 5, colours: bytes = b"", tail: bytes = b"") -> bytes:
    """Return a file of rows ``(H, planes, bytes)``, each byte of which is a run of its own."""
    height, _, size = rows.shape
    head = struct.pack(
        "<4B6H48sxBH", 10, version, 1, bits, 0, 0, size * 8 // bits - 1, height - 1, 72, 72, colours, count, size
    )
    return head.ljust(128, b"\0") + b"".join(bytes((0xC1, byte)) for byte in rows.tobytes()) + tail


def test_pcx() -> None:
    even = BYTES[:, :6]
    gray = pcx(even[:, np.newaxis, :, 0], 8, 1, tail=b"\x0c" + bytes(np.arange(256, dtype=np.uint8).repeat(3)))
    assert np.array_equal(read_image(gray).pixels[0], even[..., 0])
    image = read_image(pcx(np.moveaxis(even[..., :3], -1, 1), 8, 3))
    assert np.array_equal(image.pixels, channels(even[..., :3]))
    palette = RNG.integers(0, 256, (256, 3), np.uint8)
    image = read_image(pcx(even[:, np.newaxis, :, 0], 8, 1, tail=b"\x0c" + palette.tobytes()))
    assert np.array_equal(image.pixels, channels(palette[even[..., 0]]))
    bits = RNG.integers(0, 2, (4, 16, 4))
    assert np.array_equal(
        read_image(pcx(np.packbits(bits[..., 0], axis=1)[:, np.newaxis], 1, 1)).pixels[0], bits[..., 0] * 255
    )


@pytest.mark.parametrize("version", [2, 3])
def test_pcx_of_16_colours_needs_a_palette(version: int) -> None:
    bits = RNG.integers(0, 2, (4, 16, 4))
    palette = RNG.integers(0, 256, (16, 3), np.uint8)
    data = pcx(np.packbits(np.moveaxis(bits, -1, 1), axis=2), 1, 4, version, palette.tobytes())
    if version == 3:
        with pytest.raises(FileError, match="PCX of 4 or 16 colours without a palette is not read"):
            read_image(data)
    else:
        assert np.array_equal(read_image(data).pixels, channels(palette[bits @ [1, 2, 4, 8]]))


def test_pcx_with_longer_rows_than_pillow_reads_is_refused() -> None:
    rows = np.pad(BYTES[:, np.newaxis, :6, 0], ((0, 0), (0, 0), (0, 2)))
    data = pcx(rows, 8, 1)
    # The last column is the sixth.
    shorter = data[:8] + struct.pack("<H", 5) + data[10:]
    with pytest.raises(FileError, match="PCX with longer rows than its pixels take is not read: convert it first"):
        read_image(shorter)


def dcx(*pages: bytes) -> bytes:
    starts = np.cumsum([4 * (len(pages) + 2), *map(len, pages[:-1])])
    return struct.pack(f"<{len(pages) + 2}I", 0x3ADE68B1, *starts, 0) + b"".join(pages)


def colour_page(pixels: Array) -> bytes:
    return pcx(np.moveaxis(pixels, -1, 1), 8, 3)


def test_pcx_of_256_colours_without_a_palette_is_refused_unless_it_says_gray(tmp_path: Path) -> None:
    """A file that is cut off after its pixels would be read as gray; a small one makes Pillow seek too far."""
    even = BYTES[:, :6]
    for data in (pcx(even[:, np.newaxis, :, 0], 8, 1), pcx(np.tile(even[:, np.newaxis, :, 0], (40, 1, 1)), 8, 1)):
        with pytest.raises(FileError, match=r"its palette of 256 colours is missing: it may be cut off$"):
            read_image(data)
        gray = data[:68] + b"\2" + data[69:]
        assert np.array_equal(read_image(gray).pixels[0][: len(even)], even[..., 0])
    (tmp_path / "a.pcx").write_bytes(pcx(even[:, np.newaxis, :, 0], 8, 1))
    with pytest.raises(FileError, match=r"a\.pcx: it is a PCX picture, but damaged or of a kind that is not read$"):
        read_image(tmp_path / "a.pcx")


def test_dcx_is_pages_of_pcx() -> None:
    pixels = [BYTES[:, :6, order] for order in ([0, 1, 2], [3, 0, 1])]
    frames = list(iter_frames(dcx(*map(colour_page, pixels))))
    assert [frame.pixels.tolist() for frame in frames] == [channels(page).tolist() for page in pixels]


def test_pages_of_dcx_that_pillow_misreads_are_refused() -> None:
    colours = colour_page(BYTES[:, :6, :3])
    padded_page = colours[:8] + struct.pack("<H", 3) + colours[10:]
    with pytest.raises(FileError, match=r"frame 2 of .*: PCX with longer rows than its pixels take is not read"):
        list(iter_frames(dcx(colours, padded_page)))
    palette = pcx(BYTES[:, np.newaxis, :6, 0], 8, 1, tail=b"\x0c" + bytes(range(256)) * 3)
    with pytest.raises(FileError, match="DCX with a palette of 256 colours is not read: convert it first"):
        read_image(dcx(palette, colours))


@pytest.mark.parametrize("count", [3, 4])
def test_qoi(count: int) -> None:
    data = bytearray(imagecodecs.qoi_encode(BYTES[..., :count].copy()))
    image = read_image(bytes(data))
    bands = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    assert np.array_equal(bands, channels(BYTES[..., :count]))
    data[13] = 1
    assert "the file says that its colours are linear; they are kept as they are" in read_image(bytes(data)).notes
    data[13] = 0
    assert read_image(bytes(data)).notes == ()


def spider(stack: list[Array], order: str) -> bytes:
    height, width = stack[0].shape
    record = 4 * width
    records = -(-1024 // record)

    def header(**fields: float) -> bytes:
        numbers = np.zeros(records * width, f"{order}f4")
        places = {"slices": 1, "rows": 2, "form": 5, "columns": 12, "records": 13, "header": 22, "record": 23}
        values = {"slices": 1, "rows": height, "form": 1, "columns": width}
        values |= {"records": records, "header": records * record, "record": record} | fields
        for name, value in values.items():
            numbers[{**places, "stack": 24, "total": 26, "number": 27}[name] - 1] = value
        return numbers.tobytes()

    pictures = [picture.astype(f"{order}f4").tobytes() for picture in stack]
    if len(stack) == 1:
        return header() + pictures[0]
    members = [header(number=number) + data for number, data in enumerate(pictures, 1)]
    return header(stack=2, total=len(stack)) + b"".join(members)


@pytest.mark.parametrize("order", ["<", ">"])
def test_spider(order: str) -> None:
    image = read_image(spider([REAL], order))
    assert np.array_equal(image.pixels[0], REAL)
    assert image.pixels.dtype == np.float32
    frames = list(iter_frames(spider([REAL, REAL + 1, REAL * 2], order)))
    assert [frame.pixels.tolist() for frame in frames] == [
        [REAL.tolist()],
        [(REAL + 1).tolist()],
        [(REAL * 2).tolist()],
    ]


def test_msp() -> None:
    numbers = [0x6144, 0x4D6E, 16, 5, 1, 1, 1, 1, 16, 5, 0, 0]
    bits = np.pad(BITS, ((0, 0), (0, 5)))
    check = 0
    for number in numbers:
        check ^= number
    image = read_image(struct.pack("<16H", *numbers, check, 0, 0, 0) + np.packbits(bits, axis=1).tobytes())
    assert np.array_equal(image.pixels[0], 255 * bits)


def test_msp_in_runs() -> None:
    rows = [b"", bytes((0, 2, 0xA5)), bytes((2, 0x12, 0x34)), bytes((1, 0xF0, 0, 1, 0x0F))]
    numbers = [0x694C, 0x536E, 16, 4, 1, 1, 1, 1, 16, 4, 0, 0]
    check = 0
    for number in numbers:
        check ^= number
    data = struct.pack("<16H4H", *numbers, check, 0, 0, 0, *map(len, rows)) + b"".join(rows)
    expected = np.unpackbits(np.array([[0xFF, 0xFF], [0xA5, 0xA5], [0x12, 0x34], [0xF0, 0x0F]], np.uint8), axis=1)
    assert np.array_equal(read_image(data).pixels[0], 255 * expected)


@pytest.mark.parametrize("count", [1, 4])
def test_gbr(count: int) -> None:
    levels = BYTES[..., :count]
    data = struct.pack(">5I4sI", 31, 2, 7, 5, count, b"GIMP", 10) + b"ab\0" + levels.tobytes()
    image = read_image(data)
    assert np.array_equal(image.pixels if image.alpha is None else [*image.pixels, image.alpha], channels(levels))


def test_mpo_is_its_first_picture() -> None:
    first, second = picture("RGB"), picture("RGB").transpose(PIL.Image.Transpose.ROTATE_180)
    data = encoded(first, "MPO", save_all=True, append_images=[second], quality=100)
    alone = read_image(encoded(first, "JPEG", quality=100))
    image = read_image(data)
    assert np.array_equal(image.pixels, alone.pixels)
    assert (read_header(data).frames, image.warnings) == (1, ())


FLI = struct.pack("<I2H2H2HI", 200, 0xAF11, 1, 4, 4, 8, 3, 5).ljust(128, b"\0") + struct.pack("<IH2x8x", 16, 0xF1FA)
FTEX = b"FTEX" + struct.pack("<i2i2i2ii", 0, 1, 1, 1, 1, 1, 32, 3) + b"abc"
IM = b"Image type: Greyscale image\r\nImage size (x*y): 2*1\r\n".ljust(511, b"\0") + b"\x1aab"
PIXAR = b"\x80\xe8\0\0".ljust(416, b"\0") + struct.pack("<2H4x2H", 1, 2, 14, 2).ljust(608, b"\0")
REFUSED: dict[str, tuple[bytes, str]] = {
    # Pillow reads the alpha of a palette from a wrong place.
    "blp": (encoded(picture("RGB").quantize(9), "BLP"), "pictures of the format blp are not read"),
    "im": (IM, "pictures of the format im are not read: convert it first"),
    "fli": (FLI, "FLI is a film, not a picture: extract its frames first"),
    "ftex": (FTEX, "pictures of the format ftex are not read"),
    "imt": (b"width 2\nheight 1\npixel n8\n\x0cab", "pictures of the format imt are not read"),
    "mcidas": (struct.pack(">64i", 0, 4, *[1] * 62), "the numbers of a McIDAS area have no fixed meaning"),
    "pixar": (PIXAR, "pictures of the format pixar are not read"),
    "xvthumb": (b"P7 332\n#a\n2 1 255\nab", "pictures of the format xvthumb are not read"),
    "pcd": (bytes(2048) + b"PCD_".ljust(4096, b"\0"), "of a Photo CD picture Pillow reads only a small copy"),
}


@pytest.mark.filterwarnings("ignore:.* deprecated:DeprecationWarning")
@pytest.mark.parametrize("format", REFUSED)
def test_formats_without_exact_pixels_are_refused(format: str) -> None:
    data, message = REFUSED[format]
    with pytest.raises(FileError, match=message):
        read_image(data)


def test_every_format_that_is_not_read_has_a_reason() -> None:
    PIL.Image.init()
    read: dict[str, Any] = {name.lower(): format_read(name).refusal for name in PIL.Image.OPEN}
    assert all(read[name] for name in REFUSED)
    assert not any(read[name] for name in ("png", "dcx", "xpm", "dib"))
