"""File names of any bytes, on the command line and in lists, and how a terminal and a log show them."""

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import strategies as st
from many_commands import assert_well_mannered
from support.command_line import convcli, shell, succeed, terminal

from convcli.errors import OptionError
from convcli.files.json_reading import is_inline_array
from convcli.pictures.sources import sources_in_list
from convcli.text import in_one_line, integer, real

NAMES = [
    b"a b.npy",
    b"-x.npy",
    b"--help.npy",
    b"new\nline.npy",
    b"\x1b[31mred\x07.npy",
    b"\xff\xfe.npy",
    b"caf\xc3\xa9.npy",
    b"{stem}.npy",
    b"{{0}}.npy",
    b"100%s.npy",
    b"a:b.npy",
    b"[ab].npy",
    b"[[1,2]].npy",
    b"*.npy",
    b"~.npy",
    b"$HOME`id`.npy",
    b"...npy",
    b"dots....npy",
    b"\xe2\x80\xaeltr.npy",
    b"n" * 251 + b".npy",
]


@pytest.fixture
def folder(tmp_path):
    """Save one picture under every name."""
    np.save(tmp_path / "V.npy", np.arange(20, dtype=np.uint8).reshape(1, 4, 5))
    for name in NAMES:
        shutil.copy(os.fsencode(tmp_path / "V.npy"), os.path.join(os.fsencode(tmp_path), name))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photo é 日本.png", "photo é 日本.png"),
        ("a\nb\r\t\0", r"a\nb\r\t\x00"),
        ("\x1b]0;title\x07\x7f\x9b", r"\x1b]0;title\x07\x7f\x9b"),
        ("\u202e\u200b\u2028", r"\u202e\u200b\u2028"),
        ("\udcff\udc80", r"\xff\x80"),
        ("\ud800", r"\ud800"),
        (1000 * "a" + 1000 * "b", 500 * "a" + "... (1,000 characters) ..." + 500 * "b"),
        (1500 * "a", 1500 * "a"),
    ],
    ids=["letters", "lines", "escapes", "directions", "bytes", "half a pair", "long", "not long"],
)
def test_exact_text(text, shown):
    assert in_one_line(text) == shown


@pytest.mark.parametrize(
    "text", ["", " ", "1_0", "\u0661", "\u00b2", "1.5", "0x10", "1e3", "1\n", "\t1", "9" * 4301, "--1"]
)
def test_texts_that_are_not_integers(text):
    with pytest.raises(ValueError, match=r"."):
        integer(text)


def test_numbers():
    assert [integer(text) for text in ("1", "-1", "+1", " 1 ", "007", str(2**64))] == [1, -1, 1, 1, 7, 2**64]
    assert [real(text) for text in ("1", "-1.5", "1e-3", " .5", "-inf")] == [1, -1.5, 1e-3, 0.5, -np.inf]
    for text in ("1_0", "\u0661", "1,5", "", "1.5\n"):
        with pytest.raises(ValueError, match=r"."):
            real(text)


@pytest.mark.parametrize(
    ("word", "is_array"),
    [
        ("[[1,2],[3,4]]", True),
        (" [1, 2] ", True),
        ("[[1,2],[3,", True),
        ("[1", True),
        ("[]", True),
        ("[[1]] [[2]]", True),
        ("[[1,NaN]]", True),
        ("[ab].png", False),
        ("[0-9]*.png", False),
        ("[!a-c][de].png", False),
        ("[1].npy", False),
        ("a[1].npy", False),
    ],
)
def test_lists_of_json_and_patterns(word, is_array):
    assert is_inline_array(word) is is_array


def test_every_name(commands, folder):
    """Names are given after --, in a list, and by the folder that holds the files."""
    expected = {os.fsdecode(name) for name in NAMES} | {"V.npy"}
    for name in NAMES:
        result = commands.run("plan", "-k", "box", "--json", "--", name, cwd=folder)
        assert (result.code, result.err) == (0, ""), name
    data = b"\0".join([*NAMES, b"V.npy"])
    # In a folder, "...npy" is a hidden file without an extension.
    for arguments, left_out in ((["--files-from", "-", "-0"], set()), (["."], {"...npy"})):
        result = commands.run(
            "apply", "-k", "box", "--dry-run", "--json", "-o", "o/", *arguments, stdin=data, cwd=folder
        )
        lines = [json.loads(line) for line in result.out.splitlines()]
        assert result.code == 0
        assert {os.path.basename(line["input"]) for line in lines} == expected - left_out
        assert all(line["output"].startswith("o/") for line in lines)
    told = commands.run("apply", "-k", "box", "--dry-run", "-o", "o/", ".", cwd=folder)
    assert told.out.decode().replace("\n", "").isprintable()
    assert rb"./new\nline.npy -> o/new\nline.npy: 1x4x5 float32, 80 bytes" in told.out


def test_files_of_every_name_are_written(commands, folder):
    """All are written except one whose output name is too long, which is reported."""
    result = commands.run("apply", "-k", "box", "-o", "o/{stem}.{kernel}.npy", ".", "--json", "-v", cwd=folder)
    assert result.code == 1
    failed = [line for line in result.err.splitlines() if line.startswith("convcli: error: ")]
    assert len(failed) == 1
    assert failed[0].endswith(".box.npy: File name too long")
    assert result.result.startswith("convcli: error: 19 written, 1 failed in ")
    assert result.err.replace("\n", "").isprintable()
    lines = [json.loads(line) for line in result.out.splitlines()]
    written = {line["output"] for line in lines if line["error"] is None}
    assert written == {f"o/{os.fsdecode(path)}" for path in os.listdir(os.fsencode(folder / "o"))}
    assert len(written) == 19


def test_names_are_escaped_on_a_terminal(folder):
    code, shown, err = terminal("apply", ".", "-k", "box", "--dry-run", "-o", "o/", cwd=folder)
    assert (code, "\x1b" in shown, "\x07" in shown) == (0, False, False)
    assert r"./\x1b[31mred\x07.npy -> o/" in shown
    assert "\x1b" not in err


def test_a_name_that_is_not_utf8_is_printed_escaped(folder):
    result = convcli("plan", "-k", "box", os.fsdecode(b"\xe9t\xe9.png"), cwd=folder)
    assert (result.code, result.err) == (1, "convcli: error: cannot read \\xe9t\\xe9.png: No such file or directory\n")


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_a_log_with_names_that_are_not_utf8_is_json(folder):
    """Python reads the bytes back from the JSON; jq shows their replacements."""
    script = "convcli apply --dry-run --json -k box -o o/ -- $'\\xff\\xfe.npy' | jq -r .kernel"
    assert shell(script, folder).out == b"box\n"


def test_leading_dashes(folder):
    assert json.loads(succeed("plan", "-k", "box", "--json", "./-x.npy", cwd=folder))["shape"]["input"] == [1, 4, 5]


def test_a_pattern_may_begin_with_a_bracket(commands, tmp_path):
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.ones((1, 4, 5)))
    found = commands.run("apply", "[ab].npy", "-k", "box", "--dry-run", "--json", cwd=tmp_path)
    assert [json.loads(line)["input"] for line in found.out.splitlines()] == ["a.npy", "b.npy"]
    for arguments, code, message in (
        (["apply", "[xy].png", "-k", "box"], 1, "no file matches [xy].png"),
        (
            ["grad", "a.npy", "-k", "[ab].json"],
            1,
            "cannot read [ab].json: No such file or directory",
        ),
        (
            ["grad", "a.npy", "-k", "box", "-G", "[g].npy"],
            1,
            "--upstream: expected ones, at:I,J,K, normal:",
        ),
    ):
        result = commands.run(*arguments, cwd=tmp_path)
        assert_well_mannered(result)
        assert (result.code, result.err[16 : 16 + len(message)]) == (code, message)


LISTS = [
    (b"", []),
    (b"\n\n\r\n", []),
    (b"a.png", ["a.png"]),
    (b"a.png\r\nb.png\r\n", ["a.png", "b.png"]),
    (b"\xef\xbb\xbfa.png\n", ["a.png"]),
    (b" a.png \n-\n--\n", [" a.png ", "-", "--"]),
    (b"[[1]]\n*.png\n..\n/etc/x\n", ["[[1]]", "*.png", "..", "/etc/x"]),
    (b"\xff.png\n", ["\udcff.png"]),
]


@pytest.mark.parametrize(("data", "names"), LISTS, ids=[str(data) for data, _ in LISTS])
def test_lists_of_lines(data, names):
    assert [source.name for source in sources_in_list(data, null=False)] == names


def test_lists_that_end_names_in_nul():
    assert [source.name for source in sources_in_list(b"a\n.png\0\0b\r\0", null=True)] == ["a\n.png", "b\r"]
    for data in (b"a.png\0b.png\0", "a.png\n".encode("utf-16")):
        with pytest.raises(OptionError, match=r"^the list of files has NUL bytes: use `null` if its names end in them"):
            sources_in_list(data, null=False)


@pytest.mark.slow
def test_any_list(commands, tmp_path, try_many):
    """Lists hold names of any bytes; most of the files do not exist."""
    (tmp_path / "a").touch()

    def hold(drawn):
        names, null = drawn
        data = (b"\0" if null else b"\n").join(name.replace(b"/", b"") for name in names)
        options = ["-0"] if null else []
        for arguments in (["--json"], ["--dry-run"]):
            result = commands.run(
                *("apply", "--files-from", "-", "-k", "box", "-o", "o/{stem}.{kernel}.npy", "--overwrite"),
                *(options + arguments),
                stdin=data,
                cwd=tmp_path,
            )
            assert result.code in (0, 1, 2)
            assert all(line.startswith("convcli: ") and line.isprintable() for line in result.err.splitlines())
            assert arguments != ["--json"] or all(map(json.loads, result.out.splitlines()))

    try_many(st.tuples(st.lists(st.binary(max_size=12) | st.just(b"a")), st.booleans()), hold, 25)
