"""Templates of file names, and destinations."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from convcli.errors import FileError, OptionError
from convcli.files.output_names import STREAM, Destination, data_format, destination_of, kernel_path
from convcli.files.templates import escaped, expand, fields
from convcli.files.whole_files import IfExists

VALUES = {"stem": "camera", "kernel": "gaussian-2", "map": "04", "ext": "png", "dir": "photos"}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("edges.png", "edges.png"),
        ("{stem}.{kernel}.{map}.{ext}", "camera.gaussian-2.04.png"),
        ("{dir}/{stem}-{stem}.png", "photos/camera-camera.png"),
        ("{{{stem}}}.png", "{camera}.png"),
        ("{{}}", "{}"),
    ],
)
def test_placeholders_are_replaced(template: str, name: str) -> None:
    assert expand(template, VALUES) == name


@pytest.mark.parametrize(
    ("template", "placeholder"),
    [
        ("{name}.png", "name"),
        ("{}.png", ""),
        ("{0}", "0"),
        ("{stem.__class__}", "stem.__class__"),
        ("{stem[0]}", "stem[0]"),
        ("{stem!r}", "stem!r"),
        ("{map:>9}", "map:>9"),
        ("{map:{ext}}", "map:{ext}"),
    ],
)
def test_only_plain_placeholders_exist(template: str, placeholder: str) -> None:
    with pytest.raises(OptionError, match="unknown placeholder") as caught:
        expand(template, VALUES)
    assert str(caught.value) == (
        f"unknown placeholder {{{placeholder}}} in the output name {template!r}: "
        "use {stem}, {kernel}, {map}, {ext} or {dir} ({{ and }} for braces)"
    )


@pytest.mark.parametrize("template", ["{stem", "stem}", "{{stem}.png"])
def test_a_lone_brace_is_refused(template: str) -> None:
    with pytest.raises(OptionError, match=r"has a lone brace: write \{\{ or \}\} for a brace"):
        expand(template, VALUES)


def test_fields_are_the_placeholders() -> None:
    assert fields("{dir}/{{x}}/{stem}-{stem}.png") == {"dir", "stem"}
    assert fields("edges.png") == fields("") == set()


def test_escaped_text_expands_to_itself() -> None:
    assert expand(escaped("{a}{{b}.png"), {}) == "{a}{{b}.png"


@pytest.mark.parametrize(
    ("output", "path"),
    [
        (None, "camera.png"),
        ("new/", "new/camera.png"),
        ("{dir}/new/", "photos/new/camera.png"),
        ("z.png", "z.png"),
        ("{stem}.{ext}", "camera.png"),
        (STREAM, STREAM),
    ],
)
def test_paths(output: str | None, path: str) -> None:
    assert destination_of(output).paths("{stem}.{ext}", [VALUES]) == [Path(path)]


def test_an_existing_folder_needs_no_slash(tmp_path: Path) -> None:
    folder = tmp_path / "with {braces}.tif"
    folder.mkdir()
    destination = destination_of(str(folder))
    assert (destination.is_folder, destination.extension) == (True, None)
    assert destination.paths("{stem}.png", [VALUES]) == [folder / "camera.png"]


def test_a_folder_that_is_made_later_changes_no_name(tmp_path: Path) -> None:
    destination = destination_of(str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    assert destination.paths("{stem}.png", [VALUES]) == [tmp_path / "out"]


@pytest.mark.parametrize(
    ("output", "extension"),
    [
        (None, None),
        (STREAM, None),
        ("folder.d/", None),
        ("{stem}.{ext}", None),
        ("out.tif", "tif"),
        ("{stem}.jpeg", "jpeg"),
        ("z.NPY", "NPY"),
        ("plain", ""),
    ],
)
def test_the_extension_of_a_destination(output: str | None, extension: str | None) -> None:
    assert destination_of(output).extension == extension


@pytest.mark.parametrize(
    ("asked", "output", "terminal", "format"),
    [
        ("auto", STREAM, True, "text"),
        ("auto", STREAM, False, "json"),
        ("auto", "out/", False, "npz"),
        ("auto", "{kernel}.{ext}", False, "npz"),
        ("auto", "a.TXT", False, "text"),
        ("auto", "a.json", True, "json"),
        ("npz", "a.bin", False, "npz"),
    ],
)
def test_the_format_of_data(asked: str, output: str, terminal: bool, format: str) -> None:
    assert data_format(asked, destination_of(output), ("text", "json", "npz"), terminal=terminal) == format


@pytest.mark.parametrize("output", ["plain", "a.png", "a.{kernel}"])
def test_a_name_without_a_known_extension_is_refused(output: str) -> None:
    message = f"expected a name that ends in .txt, .json or .npz, or in / for a folder, given {output!r}: add an ext"
    with pytest.raises(OptionError, match=f"^output: {re.escape(message)}"):
        data_format("auto", destination_of(output), ("text", "json", "npz"), terminal=True)


def test_kernel_path(tmp_path: Path) -> None:
    assert kernel_path(destination_of(f"{tmp_path}/new/"), "gaussian:2", "npz") == tmp_path / "new" / "gaussian-2.npz"
    assert kernel_path(Destination(STREAM), "box", "npz") == Path(STREAM)
    (tmp_path / "box.txt").touch()
    with pytest.raises(FileError, match=r"box.txt exists: use `overwrite`"):
        kernel_path(destination_of(str(tmp_path)), "box", "txt")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "a.png"
    with pytest.raises(FileError, match=r"there is no folder .*absent to write a.png into: create it first"):
        destination_of(str(path)).require_writable([path])


@pytest.mark.parametrize("output", [None, "absent/", "absent/{stem}.png", "{dir}/a.png"])
def test_folders_of_templates_are_created(tmp_path: Path, output: str | None) -> None:
    path, destination = tmp_path / "absent" / "deeper" / "a.png", destination_of(output)
    destination.require_writable([path])
    with destination.open(path) as stream:
        stream.write(b"abc")
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize("if_exists", IfExists)
def test_outputs_are_skipped_if_all_exist(tmp_path: Path, if_exists: IfExists) -> None:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    a.touch()
    destination = destination_of(f"{tmp_path}/", if_exists)
    assert destination.skips([a]) is (if_exists is IfExists.SKIP)
    assert not destination.skips([a, b])


def test_a_stream_is_opened_by_its_own_opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / STREAM).mkdir()
    kept, written = BytesIO(), Path(STREAM)

    @contextmanager
    def opener(path: Path, if_exists: IfExists, checked: str | None) -> Iterator[BinaryIO]:
        assert (path, if_exists, checked) == (written, IfExists.FAIL, None)
        yield kept

    destination = destination_of(STREAM, opener=opener)
    destination.require_writable([written])
    with destination.open(written) as stream:
        stream.write(b"abc")
    assert kept.getvalue() == b"abc"


@pytest.mark.parametrize("if_exists", IfExists)
@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_link_that_appears_after_the_check_is_not_followed(which: str, if_exists: IfExists, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out").mkdir()
    destination = destination_of(f"{tmp_path}/out/", if_exists)
    path = tmp_path / "out" / "a.png"
    destination.require_writable([path])
    if which == "file":
        path.symlink_to(tmp_path / "theirs" / "b.png")
    else:
        (tmp_path / "out").rename(tmp_path / "old")
        (tmp_path / "out").symlink_to(tmp_path / "theirs")
    with (
        pytest.raises(FileError, match=r"since it was checked, it has become a link to .*theirs/"),
        destination.open(path),
    ):
        pass
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_link_that_was_checked_is_followed(tmp_path: Path) -> None:
    real, path = tmp_path / "real.png", tmp_path / "a.png"
    real.write_bytes(b"old")
    path.symlink_to(real)
    destination = destination_of(str(path), IfExists.REPLACE)
    destination.require_writable([path])
    with destination.open(path) as stream:
        stream.write(b"new")
    assert (real.read_bytes(), path.is_symlink()) == (b"new", True)
