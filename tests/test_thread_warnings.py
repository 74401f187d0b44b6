"""Warnings of pictures that are decoded at the same time."""

import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from convcli.files.thread_warnings import LIBRARIES, catch_thread_warnings
from convcli.pictures.formats import PICTURE_FORMATS
from convcli.pictures.image import Metadata
from convcli.pictures.reading import read_image
from convcli.pictures.writing import encode_image

THREADS = 8


def warn_as(library: str, message: str, category: type[Warning] = UserWarning) -> None:
    """As a function in a module of that name would."""
    exec(
        "warnings.warn(message, category)",
        {"__name__": library, "warnings": warnings, "message": message, "category": category},
    )


def state() -> tuple[Any, ...]:
    """Return all that catching may change for the time that it lasts."""
    handlers = [logging.getLogger(library).handlers.copy() for library in LIBRARIES]
    return warnings.showwarning, list(warnings.filters), handlers


def in_threads(work: Callable[[int], Any], items: Sequence[int]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, items))


@pytest.mark.parametrize("library", ["PIL.TiffImagePlugin", "tifffile"])
def test_log_records_of_libraries_are_caught(library: str, capfd: pytest.CaptureFixture[str]) -> None:
    with catch_thread_warnings() as found:
        logging.getLogger(library).warning("odd\ntag %s", 7)
    assert found == ["odd tag 7"]
    assert capfd.readouterr() == ("", "")


def test_each_thread_catches_its_own_warnings() -> None:
    before = state()
    together = threading.Barrier(THREADS)

    def work(number: int) -> list[str]:
        together.wait()
        with catch_thread_warnings() as messages:
            for part in range(50):
                warn_as("PIL.TiffImagePlugin", f"{number}.{part}")
        return messages

    for number, messages in enumerate(in_threads(work, range(THREADS))):
        assert messages == [f"{number}.{part}" for part in range(50)]
    assert state() == before


def test_threads_may_stop_catching_in_any_order() -> None:
    before = state()
    began, ended = threading.Event(), threading.Event()

    def first() -> list[str]:
        with catch_thread_warnings() as messages:
            began.set()
            ended.wait()
            warn_as("PIL.Image", "late")
        return messages

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(first)
        began.wait()
        with catch_thread_warnings() as messages:
            warn_as("PIL.Image", "early")
        ended.set()
    assert (messages, late.result()) == (["early"], ["late"])
    assert state() == before


def test_an_error_restores_filters_hook_and_handlers() -> None:
    before = state()
    with pytest.raises(ZeroDivisionError), catch_thread_warnings():
        raise ZeroDivisionError
    assert state() == before


def test_warnings_of_other_threads_go_where_they_would_have() -> None:
    with warnings.catch_warnings(record=True) as elsewhere:
        warnings.simplefilter("always")
        with catch_thread_warnings() as messages, ThreadPoolExecutor(1) as pool:
            pool.submit(warn_as, "PIL.Image", "of another thread").result()
    assert (messages, [str(warning.message) for warning in elsewhere]) == ([], ["of another thread"])


def test_filters_of_the_program_hold_in_other_threads() -> None:
    with warnings.catch_warnings(record=True) as elsewhere:
        warnings.simplefilter("ignore")
        with catch_thread_warnings() as messages, ThreadPoolExecutor(1) as pool:
            pool.submit(warn_as, "PIL.Image", "ignored").result()
            warn_as("PIL.Image", "caught")
    assert (messages, elsewhere) == (["caught"], [])


@pytest.mark.parametrize("program_enters_first", [True, False])
def test_the_programs_own_catching_is_left_intact(program_enters_first: bool) -> None:
    """The two begin and end in such an order that catch_warnings of each would restore what the other has set."""
    before = state()
    program, reading = warnings.catch_warnings(), catch_thread_warnings()
    first, second = (program, reading) if program_enters_first else (reading, program)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    for _ in range(2):
        with catch_thread_warnings() as messages:
            warn_as("PIL.Image", "again")
        assert messages == ["again"]
    with warnings.catch_warnings(record=True) as elsewhere:
        warnings.simplefilter("always")
        warn_as("PIL.Image", "of the program")
    assert [str(warning.message) for warning in elsewhere] == ["of the program"]
    if program_enters_first:
        assert state() == before


def test_log_records_of_other_threads_go_where_they_would_have(capfd: pytest.CaptureFixture[str]) -> None:
    handlers, logging.root.handlers = logging.root.handlers, []
    try:
        with catch_thread_warnings() as messages, ThreadPoolExecutor(1) as pool:
            pool.submit(logging.getLogger("tifffile").warning, "of another thread").result()
    finally:
        logging.root.handlers = handlers
    assert (messages, capfd.readouterr().err) == ([], "of another thread\n")


@pytest.mark.parametrize(
    ("library", "category"), [("numpy", RuntimeWarning), ("PIL.Image", DeprecationWarning), ("PILOT", UserWarning)]
)
def test_other_warnings_are_not_caught(library: str, category: type[Warning]) -> None:
    with pytest.raises(category, match=r"^of something else$"), catch_thread_warnings():
        warn_as(library, "of something else", category)


def test_messages_are_one_line() -> None:
    with catch_thread_warnings() as messages:
        warn_as("PIL.Image", "two\n  lines")
    assert messages == ["two lines"]


def test_many_pictures_in_many_threads_keep_their_own_warnings() -> None:
    before = state()
    counts = range(2, 42)
    pictures = [tiff_with_a_tag_of(count) for count in counts]
    images = in_threads(lambda number: read_image(pictures[number]), range(len(counts)))
    found = [image.warnings for image in images]
    assert found == [(f"Metadata Warning, tag 315 had too many entries: {count}, expected 1",) for count in counts]
    assert state() == before


def tiff_with_a_tag_of(count: int) -> bytes:
    stream = BytesIO()
    artists = (315, "H", count, (2,) * count, True)
    tifffile.imwrite(stream, np.zeros((4, 5), np.uint8), extratags=[artists])
    return stream.getvalue()


def test_many_threads_encode_and_decode_as_one_does(tmp_path: Path) -> None:
    """The same bytes as from one thread, and the same picture again."""
    formats = [format for format in PICTURE_FORMATS if not format.is_array and format.name != "heif"] * 6
    pixels = np.random.default_rng(5).integers(0, 255, (len(formats), 3, 30, 40), dtype=np.uint8)
    metadata = Metadata(exif=b"Exif\0\0" + PIL.Image.Exif().tobytes()[6:], dpi=(300, 300))

    def encoded(number: int) -> bytes:
        return encode_image(pixels[number], None, formats[number], metadata)

    def decoded(number: int) -> Any:
        path = tmp_path / f"{number}.picture"
        path.write_bytes(expected[number])
        return read_image(path).pixels

    expected = [encoded(number) for number in range(len(formats))]
    assert in_threads(encoded, range(len(formats))) == expected
    alone = [read_image(data).pixels for data in expected]
    together = in_threads(decoded, range(len(formats)))
    assert all(map(np.array_equal, alone, together))


def test_a_format_that_another_thread_is_loading_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread loads the format, Pillow calls the file unknown; the second try reads it."""
    tries: list[object] = []
    genuine = PIL.Image.open

    def unlucky(file: Any) -> Any:
        tries.append(file)
        if len(tries) == 1:
            raise PIL.UnidentifiedImageError
        return genuine(file)

    monkeypatch.setattr(PIL.Image, "open", unlucky)
    image = read_image(encode_image(np.zeros((1, 4, 5), np.uint8), None, PICTURE_FORMATS[0], Metadata()))
    assert (image.pixels.shape, len(tries)) == ((1, 4, 5), 2)
