"""The inputs that arguments name, and the kinds of files, recognised by their first bytes."""

import os
import re
import threading
from glob import glob
from pathlib import Path

import numpy as np
import pytest
from support.command_line import SAMPLES, npy

from convcli.errors import FileError, OptionError
from convcli.files.kinds import Kind, kind_of
from convcli.files.source import Source
from convcli.kernels.loading import read_kernel
from convcli.pictures.reading import read_header, read_image, read_tensor
from convcli.pictures.sources import source_of, sources_in_list, sources_of, tensor_source_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.png", "a.JPG", "c.npy", "notes.txt", "film.mpg", "deep/d.tif", "deep/er/e.png", "odd[1].png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "album.png").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_of(*arguments):
    return [source.name for source in sources_of(arguments, lambda: b"")]


@pytest.mark.parametrize(
    ("argument", "names"),
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
def test_an_argument_names_its_files(folder, argument, names):
    assert names_of(argument) == names


PATTERNS = (
    "**/*.png", "**", "**/**/*", "**/", "*/**/*.png", "deep/**", "./**/*", "deep//**//*", "**/er/**/*.png",
    "**/deep/**", "**/[de]*/*", "odd[1]/**/*", "odd[[]1]/**/*", "**/.hidden/*", "a**/*", "**x/*", "{here}/**/*.png",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_pythons_glob_matches(folder, pattern):
    for name in (".hidden/h.png", "deep/.hidden/h.png", "odd[1]/deep/f.png", "deep/er/deep/g.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    pattern = pattern.format(here=folder)
    expected = sorted({os.path.normpath(name) for name in glob(pattern, recursive=True) if os.path.isfile(name)})
    if expected:
        assert sorted(map(os.path.normpath, names_of(pattern))) == expected
    else:
        with pytest.raises(FileError, match=r"^no file matches "):
            names_of(pattern)


def test_double_stars_do_not_follow_links(folder):
    """If they did, two links that lead back to their folder would give each file 2^40 names."""
    for name in ("one", "two", "deep/up"):
        (folder / name).symlink_to(folder)
    assert names_of("**/*.png") == ["b.png", "deep/er/e.png", "odd[1].png"]
    assert names_of("**/**/*.tif") == ["deep/d.tif"]
    assert names_of("one/**/*.tif") == ["one/deep/d.tif"]


def test_inputs_have_the_order_of_their_arguments(folder):
    assert names_of("deep/*.tif", "b.png", "*.npy") == ["deep/d.tif", "b.png", "c.npy"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("*.gif", r"no file matches \*\.gif"),
        ("album.png", r"no images in the folder album\.png: name files or a pattern, as in 'album\.png/\*\*/\*\.jpg'"),
    ],
)
def test_a_pattern_or_folder_without_images_is_an_error(folder, argument, message):
    with pytest.raises(FileError, match=f"^{message}$"):
        sources_of([argument], lambda: b"")


def test_stdin_and_inline_arrays_are_read_and_named():
    inline = source_of("[[1,2]]", lambda: b"")
    assert np.array_equal(read_image(inline).pixels, [[1, 2]])
    assert (inline.path, read_header(inline).shape) == (Path("inline"), (1, 2))
    stdin = source_of("-", lambda: b"[[3]]")
    assert np.array_equal(read_image(stdin).pixels, [[3]])
    assert stdin.path == Path("stdin")
    with pytest.raises(FileError, match="cannot read <stdin>: it is empty"):
        read_image(source_of("-", lambda: b""))


def test_a_list_names_files_literally():
    names = ["a b.png", "*.png", "-", "[[1]]", "new\nline.png", os.fsdecode(b"\xff.png")]
    data = b"\0".join(map(os.fsencode, names))
    expected = [Source.of_file(name) for name in names]
    assert sources_in_list(data, null=True) == sources_in_list(data + b"\0", null=True) == expected
    assert sources_in_list(b"a b.png\n\n-\n", null=False) == [Source.of_file("a b.png"), Source.of_file("-")]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", Kind.EMPTY),
        (npy(np.eye(2)), Kind.NPY),
        (b"\x93NUMP", Kind.OTHER),
        (b"[[1]]", Kind.JSON),
        (b" \r\n\t[", Kind.JSON),
        (b"\xef\xbb\xbf[[1]]", Kind.JSON),
        (b'{"weights": [[1]]}', Kind.JSON),
        (b"-1.5", Kind.JSON),
        (b"7", Kind.JSON),
        (b"hello", Kind.OTHER),
        (b"\n\x05\x01\x08", Kind.OTHER),
        (b"[\0\2\0 a Targa picture whose name has 91 letters", Kind.OTHER),
        (b"\x89PNG\r\n\x1a\n", Kind.OTHER),
    ],
)
def test_the_first_bytes_decide_the_kind(head, kind):
    assert kind_of(head) is kind


def test_images_tensors_and_kernels_agree_on_what_a_file_holds(tmp_path):
    for data in (b"[[1, 2]]", b"\n" * 9 + b"[[1, 2]]", npy(np.array([[1.0, 2.0]]))):
        (tmp_path / "a").write_bytes(data)
        source = Source.of_file(str(tmp_path / "a"))
        assert read_image(source).pixels.tolist() == read_tensor(source).tolist() == [[1, 2]]
        assert read_tensor(source).tolist() == read_kernel(source).weights.tolist() == [[1, 2]]


def test_a_fifo_is_read_once(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[b"[[1, 2]]"])
    writer.start()
    source = Source.of_file(str(fifo))
    assert read_header(source).shape == (1, 2)
    assert read_image(source).pixels.tolist() == [[1, 2]]
    writer.join()
    assert (source.label, source.path) == (str(fifo), fifo)


def test_a_source_is_made_of_paths_bytes_and_sources(tmp_path):
    source = Source.of_file("photos/a.png")
    assert Source.of(source) is source
    assert Source.of("photos/a.png") == Source.of(Path("photos/a.png")) == source
    assert read_tensor(b"[1, 2]").tolist() == [1, 2]
    assert Source.of(b"[1, 2]").label == "<bytes>"


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "portrait", "rocket"])
def test_a_sample_picture_is_the_file_of_the_clone(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source.of_file(f"sample:{name}")
    (file,) = SAMPLES.glob(f"{name}.*")
    assert (source.read(), source.name, source.path) == (file.read_bytes(), f"sample:{name}", Path(file.name))
    assert read_image(f"sample:{name}").pixels.shape == read_image(file).pixels.shape


def test_an_unknown_sample_is_refused():
    expected = "expected a sample picture: astronaut, camera, coffee, portrait or rocket, given 'Camera'"
    with pytest.raises(OptionError, match=f"^{re.escape(expected)}; did you mean camera\\?$"):
        Source.of_file("sample:Camera")


def test_a_file_wins_over_a_sample_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sample:camera").write_bytes(b"[[1]]")
    assert Source.of_file("sample:camera").read is None


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999"])
def test_an_inline_number_is_finite(text):
    with pytest.raises(OptionError, match=rf"^expected a finite number, given '{text}'$"):
        tensor_source_of(text, lambda: b"")
