"""Names of output files."""

import re
from pathlib import Path

import pytest

from convcli.errors import FileError, OptionError
from convcli.files.output_names import Naming, output_extension, output_names
from convcli.files.refusals import refuse_collisions, refuse_existing, refuse_inputs, refuse_missing_folder
from convcli.files.templates import expand
from convcli.files.whole_files import Existing, write_atomically

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


@pytest.mark.parametrize(
    ("output", "naming", "names"),
    [
        (None, Naming("camera", "box", 1), ["camera.box.png"]),
        (None, Naming("coffee", "gaussian:2", 3, "tiff"), ["coffee.gaussian-2.tiff"]),
        (None, Naming("a", "bank", 2), ["a.bank.0.png", "a.bank.1.png"]),
        (None, Naming("a", "bank", 5, "npy"), ["a.bank.npy"]),
        (None, Naming("a", "box", 3, frame=2, frames=11), ["a.02.box.png"]),
        ("{frame}/{map}.png", Naming("a", "box", 2, frame=2, frames=3), ["2/0.png", "2/1.png"]),
        ("z.NPY", Naming("a", "bank", 5, "NPY"), ["z.NPY"]),
        ("out.jpg", Naming("a", "box", 3, "jpg"), ["out.jpg"]),
        ("new/", Naming("a", "box", 1), ["new/a.box.png"]),
        ("{kernel}/", Naming("a", "box", 2), ["box/a.box.0.png", "box/a.box.1.png"]),
        ("{dir}/{stem}.{ext}", Naming("a", "box", 1, folder="photos/july"), ["photos/july/a.png"]),
        ("m{map}.png", Naming("a", "box", 2), ["m0.png", "m1.png"]),
        ("m{map}.png", Naming("a", "box", 1), ["m0.png"]),
    ],
)
def test_names(output: str | None, naming: Naming, names: list[str]) -> None:
    assert output_names(output, naming) == [Path(name) for name in names]


def test_map_numbers_have_one_width() -> None:
    names = output_names("{map}", Naming("a", "bank", 11))
    assert [str(name) for name in names] == [f"{number:02}" for number in range(11)]


def test_names_in_an_existing_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with {braces}"
    folder.mkdir()
    assert output_names(str(folder), Naming("a", "box", 1)) == [folder / "a.box.png"]


def test_several_files_need_several_names() -> None:
    with pytest.raises(OptionError, match=r"^4 maps take a file each, and '\{stem\}.png' names one: add \{map\}"):
        output_names("{stem}.png", Naming("a", "bank", 4))


@pytest.mark.parametrize(
    ("kernel", "safe"),
    [
        ("gaussian:2", "gaussian-2"),
        ("a/b\\c\nd\x7f", "a-b-c-d-"),
        ("..", "kernel"),
        ("../../x", "-..-x"),
        (".hidden ", "hidden"),
        ("gabor:theta=0.5,sigma=2", "gabor-theta=0.5,sigma=2"),
        ("", "kernel"),
    ],
)
def test_a_kernel_name_is_made_safe(kernel: str, safe: str) -> None:
    assert output_names("{kernel}.png", Naming("a", kernel, 1)) == [Path(f"{safe}.png")]


@pytest.mark.parametrize(
    ("output", "extension"),
    [
        (None, "png"),
        ("out.tif", "tif"),
        ("{stem}.{ext}", "png"),
        ("{stem}.jpeg", "jpeg"),
        ("folder.d/", "png"),
    ],
)
def test_extension(output: str | None, extension: str) -> None:
    assert output_extension(output) == extension


@pytest.mark.parametrize("output", ["plain", "{stem}.{kernel}"])
def test_a_name_without_extension_is_refused(output: str) -> None:
    with pytest.raises(OptionError, match=f"^-o {re.escape(output)} does not tell the format: "):
        output_extension(output)


def test_a_folder_has_no_extension(tmp_path: Path) -> None:
    folder = tmp_path / "results.tif"
    folder.mkdir()
    assert output_extension(str(folder)) == "png"


def test_collisions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    refuse_collisions([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(OptionError, match=r"two outputs would be named .*link/a.png: tell them apart with \{stem\}"):
        refuse_collisions([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "link" / "a.png"])


def test_a_device_may_be_named_twice() -> None:
    refuse_collisions([Path("/dev/null"), Path("/dev/null")])


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    refuse_existing([path], overwrite=False)
    path.touch()
    refuse_existing([path], overwrite=True)
    with pytest.raises(FileError, match=r"a.png exists: use --overwrite"):
        refuse_existing([path], overwrite=False)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no folder .*absent to write a.png into: create it first"):
        refuse_missing_folder(str(tmp_path / "absent" / "a.png"), [tmp_path / "absent" / "a.png"])


@pytest.mark.parametrize("output", [None, "absent/", "absent/{stem}.png", "{dir}/a.png"])
def test_a_folder_that_is_named_as_such_is_made(tmp_path: Path, output: str | None) -> None:
    path = tmp_path / "absent" / "deeper" / "a.png"
    refuse_missing_folder(output, [path])
    with write_atomically(path, Existing.REFUSED) as stream:
        stream.write(b"abc")
    assert path.read_bytes() == b"abc"


def test_an_output_may_replace_its_own_input_but_no_other(tmp_path: Path) -> None:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    (tmp_path / "link").symlink_to(tmp_path)
    refuse_inputs({a: [a], b: [tmp_path / "link" / "b.png"]})
    with pytest.raises(OptionError, match=r"the output .*link/a.png is also an input: use -o to write elsewhere"):
        refuse_inputs({a: [a], b: [tmp_path / "link" / "a.png"]})


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"is a folder: use -o"):
        refuse_existing([tmp_path], overwrite=True)


def test_a_device_does_not_exist_already() -> None:
    refuse_existing([Path("/dev/null")], overwrite=False)
