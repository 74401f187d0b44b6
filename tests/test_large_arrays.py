"""Arrays that are kept in memory, or on disk if they would not fit."""

import tempfile

import numpy as np
import pytest

from convcli.errors import FileError
from convcli.files import large_arrays
from convcli.files.large_arrays import by_rows, large_empty
from convcli.files.memory import Memory


def test_a_small_array_is_in_memory() -> None:
    array = large_empty((2, 3), np.float32)
    assert (array.shape, array.dtype, type(array)) == ((2, 3), np.float32, np.ndarray)


def test_a_large_array_is_in_an_unnamed_file(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(large_arrays, "available_memory", lambda: Memory(4000, "a test"))
    monkeypatch.setattr(large_arrays, "SMALL", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    array = large_empty((10, 101), np.uint8)
    assert (array.shape, array.dtype, type(array)) == ((10, 101), np.uint8, np.memmap)
    array[:] = 7
    assert array.sum() == 7070
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_raises_an_error(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(FileError, match=r"cannot keep 1\.0 EB in .*; set TMPDIR to a folder with enough space"):
        large_empty((1 << 30, 1 << 30), np.uint8)


def test_without_a_temporary_folder_there_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [])
    with pytest.raises(
        FileError, match=r"cannot keep 1\.0 EB in a temporary folder: No usable .*; set TMPDIR to a folder"
    ):
        large_empty((1 << 30, 1 << 30), np.uint8)


def test_by_rows_processes_some_rows_at_once() -> None:
    seen = []

    def summed(colours, alpha):
        seen.append(alpha.shape)
        return colours.sum(axis=0) * alpha

    colours, alpha = np.arange(3 * 600 * 2).reshape(3, 600, 2), np.arange(1200).reshape(600, 2)
    made = by_rows(summed, (1, 600, 2), np.int64, colours, alpha)
    assert np.array_equal(made[0], colours.sum(axis=0) * alpha)
    assert seen == [(256, 2), (256, 2), (88, 2)]
