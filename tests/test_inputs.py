"""Which images words stand for."""

import os
from pathlib import Path

import numpy as np
import pytest

from convcli.errors import FileError
from convcli.pictures.sources import Source, listed, source_of, sources_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.png", "a.JPG", "c.npy", "notes.txt", "film.mpg", "deep/d.tif", "deep/er/e.png", "odd[1].png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "album.png").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(*words):
    return [source.word for source in sources_of(words, lambda: b"")]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("b.png", ["b.png"]),
        ("absent.png", ["absent.png"]),
        (".", ["./a.JPG", "./b.png", "./c.npy", "./odd[1].png"]),
        ("deep/", ["deep/d.tif"]),
        ("*.png", ["b.png", "odd[1].png"]),
        ("**/*.png", ["b.png", "deep/er/e.png", "odd[1].png"]),
        ("odd[1].png", ["odd[1].png"]),
        ("[ab].[pJ]*", ["a.JPG", "b.png"]),
        ("[abc", ["[abc"]),
        ("-", ["-"]),
    ],
)
def test_words(folder, word, names):
    assert words_of(word) == names


def test_words_keep_their_order(folder):
    assert words_of("deep/*.tif", "b.png", "*.npy") == ["deep/d.tif", "b.png", "c.npy"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("*.gif", r"no file matches \*\.gif"),
        ("album.png", r"no images in the folder album\.png: name files or a pattern, as in 'album\.png/\*\*/\*\.jpg'"),
    ],
)
def test_none(folder, word, message):
    with pytest.raises(FileError, match=f"^{message}$"):
        sources_of([word], lambda: b"")


def test_what_is_no_file_is_read_and_named_after_what_it_is():
    inline = source_of("[[1,2]]", lambda: b"")
    assert np.array_equal(inline.image().pixels, [[[1, 2]]])
    assert (inline.path, inline.header().shape) == (Path("inline"), (1, 1, 2))
    stdin = source_of("-", lambda: b"[[3]]")
    assert np.array_equal(stdin.image().pixels, [[[3]]])
    assert stdin.path == Path("stdin")
    with pytest.raises(FileError, match="cannot read <stdin>: it is empty"):
        source_of("-", lambda: b"").image()


def test_a_list_names_files_as_they_are():
    names = ["a b.png", "*.png", "-", "[[1]]", "new\nline.png", os.fsdecode(b"\xff.png")]
    data = b"\0".join(map(os.fsencode, names))
    assert listed(data, null=True) == listed(data + b"\0", null=True) == [Source(name) for name in names]
    assert listed(b"a b.png\n\n-\n", null=False) == [Source("a b.png"), Source("-")]
