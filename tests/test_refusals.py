"""Outputs that are refused before any work."""

import re
from pathlib import Path

import pytest

from convcli.errors import FileError, OptionError
from convcli.files.refusals import refuse_collisions, refuse_existing, refuse_inputs
from convcli.files.whole_files import IfExists


def test_collisions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    named = [(Path("a.png"), tmp_path / "a.png"), (Path("b.png"), tmp_path / "b.png")]
    refuse_collisions(named, ())
    with pytest.raises(OptionError, match=r"two outputs would be named .*link/a.png: tell them apart with \{stem\}"):
        refuse_collisions([*named, (Path("c.png"), tmp_path / "link" / "a.png")], ())


@pytest.mark.parametrize(
    ("one", "other", "used", "advice"),
    [
        ("a.png", "b.png", "", "tell them apart with {stem} in `output`"),
        ("x/a.png", "y/a.png", "stem ext", "tell them apart with {dir} in `output`"),
        ("a.png", "a.jpg", "stem", "end the names in .{ext} in `output`, so that each keeps its format"),
        ("x/a.png", "y/a.jpg", "stem", "tell them apart with {dir} in `output`"),
        ("a.png", "a.jpg", "stem ext", "write them into different folders"),
        ("a.png", "a.png", "stem ext", "give each image once, or add {kernel} to `output`"),
        ("a.png", "a.png", "stem ext kernel", "give each image and each kernel once"),
    ],
)
def test_the_advice_names_what_tells_the_outputs_apart(one: str, other: str, used: str, advice: str) -> None:
    with pytest.raises(OptionError, match=f"two outputs would be named out.png: {re.escape(advice)}$"):
        refuse_collisions([(Path(one), Path("out.png")), (Path(other), Path("out.png"))], used.split())


def test_a_device_may_be_named_twice() -> None:
    refuse_collisions([(Path("a.png"), Path("/dev/null")), (Path("b.png"), Path("/dev/null"))], ())


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    refuse_existing([path], IfExists.FAIL)
    path.touch()
    refuse_existing([path], IfExists.REPLACE)
    refuse_existing([path], IfExists.SKIP)
    with pytest.raises(FileError, match=r"a.png exists: use `overwrite`"):
        refuse_existing([path], IfExists.FAIL)


@pytest.mark.parametrize("if_exists", IfExists)
def test_a_folder_is_refused(tmp_path: Path, if_exists: IfExists) -> None:
    with pytest.raises(FileError, match=r"is a folder: use `output`"):
        refuse_existing([tmp_path], if_exists)


@pytest.mark.parametrize("if_exists", IfExists)
def test_a_link_to_nothing_is_refused(tmp_path: Path, if_exists: IfExists) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(FileError, match=r"a.png is a broken link: remove it, or use `output`"):
        refuse_existing([tmp_path / "a.png"], if_exists)


def test_a_device_is_not_refused() -> None:
    refuse_existing([Path("/dev/null")], IfExists.FAIL)


def test_an_output_may_not_replace_what_all_outputs_are_made_from(tmp_path: Path) -> None:
    a, kernel = tmp_path / "a.npy", tmp_path / "k.npy"
    refuse_inputs({a: [a]}, [kernel])
    for output in (kernel, tmp_path / ".." / tmp_path.name / "k.npy"):
        with pytest.raises(OptionError, match=r"the output .*k\.npy is also an input: use `output` to write elsewhere"):
            refuse_inputs({a: [output]}, [kernel])


def test_an_output_may_replace_only_its_own_input(tmp_path: Path) -> None:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    (tmp_path / "link").symlink_to(tmp_path)
    refuse_inputs({a: [a], b: [tmp_path / "link" / "b.png"]})
    with pytest.raises(OptionError, match=r"the output .*link/a.png is also an input: use `output` to write elsewhere"):
        refuse_inputs({a: [a], b: [tmp_path / "link" / "a.png"]})
