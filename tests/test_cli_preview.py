"""Pictures in the terminal: when they are shown, their size, and the protocol."""

import os
import re
import shlex
import shutil
import time

import numpy as np
import pytest
from support.command_line import SAMPLES, convcli, pixels, shell, terminal

from convcli.drawing.palette import signed_colours

V = np.random.default_rng(13).integers(0, 256, (3, 6, 8), np.uint8)
CAMERA = SAMPLES / "camera.png"


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "in.npy", V)
    return tmp_path


def escaped(shown):
    """Return a terminal's lines, each a list of (character, foreground, background); None is the default colour."""
    return [cells(line) for line in shown.replace("\r", "").splitlines()]


def cells(line):
    found, foreground, background = [], None, None
    for style, character in re.findall(r"\x1b\[([\d;]*)m|(.)", line):
        if character:
            found.append((character, foreground, background))
        else:
            foreground, background = colour(r"38;2;(\d+;\d+;\d+)", style), colour(r"48;2;(\d+;\d+;\d+)", style)
    return found


def colour(pattern, style):
    found = re.search(pattern, style)
    return tuple(map(int, found[1].split(";"))) if found else None


def pixels_of(lines, left, width):
    """Return rows of pixels, two per line."""
    part = [line[left : left + width] for line in lines]
    assert {character for line in part for character, _, _ in line} == {"▀"}
    return np.array([row for line in part for row in ([c[1] for c in line], [c[2] for c in line])])


def text_of(line):
    return "".join(character for character, _, _ in line)


def test_apply_shows_image_kernel_and_output(folder):
    """Of 24 lines the pictures take 11, which are 22 rows of pixels: enough for 6 x 8 pixels, magnified 3 times."""
    arguments = ["apply", "in.npy", "-k", "sobel-x", "--range", "abs", "-o", "out.png", "-q", "--preview"]
    code, shown, err = terminal(*arguments, cwd=folder, COLORTERM="truecolor")
    assert (code, err) == (0, "")
    labels, *lines = escaped(shown)
    assert text_of(labels).split() == ["V", "K", "sobel-x", "Z"]
    assert len(lines) == 11
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    expected = {
        "V": V.transpose(1, 2, 0).repeat(3, axis=0).repeat(3, axis=1),
        "K": signed_colours(kernel, 0.25).repeat(7, axis=0).repeat(7, axis=1),
        "Z": pixels(folder / "out.png").transpose(1, 2, 0).repeat(3, axis=0).repeat(3, axis=1),
    }
    for name, picture in expected.items():
        height, width, _ = picture.shape
        rows = lines[: height // 2]
        assert (pixels_of(rows, text_of(labels).index(name), width) == picture[: 2 * len(rows)]).all()


def labels_of(shown):
    return text_of(escaped(shown)[0]).split()


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ("grad in.npy -k sobel-x -f json -o a.json", ["V", "K", "G[0]", "dK", "dV[0]"]),
        ("grad in.npy -k sobel-x --wrt bias,kernel -o a.json", ["V", "K", "G[0]", "dK"]),
        ("grad in.npy in.npy -k [[2]] -o a.json", ["V[0]", "K", "G[0,", "0]", "dV[0,", "0]"]),
        ("apply in.npy -k [[[[1]],[[2]],[[3]]]] -o a.npy", ["V", "K", "inline[0,", "0]", "Z"]),
    ],
)
def test_labels_of_the_pictures(folder, arguments, labels):
    code, shown, err = terminal(*shlex.split(arguments), "--preview", cwd=folder, size=(24, 120))
    assert (code, err) == (0, "")
    assert labels_of(shown) == labels


def test_each_kernel_and_image_is_shown(folder):
    np.save(folder / "other.npy", V)
    arguments = ["apply", "in.npy", "other.npy", "-k", "box", "-k", "identity", "-o", "."]
    code, shown, err = terminal(*arguments, "--preview", "-q", cwd=folder)
    heads = [line for line in escaped(shown) if "▀" not in text_of(line)]
    assert (code, err) == (0, "")
    assert [text_of(line).split() for line in heads] == 2 * [["V", "K", "box", "Z"], ["V", "K", "identity", "Z"]]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "most"), [((24, 80), 12), ((50, 200), 25), ((8, 40), 5), ((24, 20), 36)])
def test_pictures_fit_into_the_terminal(tmp_path, size, most):
    """They take half of its lines, unless it is too low, or too narrow for pictures side by side."""
    arguments = ["apply", CAMERA, "-k", "sobel-x", "-o", "a.png", "-q", "--preview"]
    code, shown, err = terminal(*arguments, cwd=tmp_path, size=size)
    assert (code, err) == (0, "")
    lines = escaped(shown)
    assert max(map(len, lines)) <= size[1]
    assert len(lines) <= most


def test_printed_maps_follow_their_pictures(folder):
    code, shown, _ = terminal("apply", "in.npy", "-k", "[[1]]", "--preview", cwd=folder, COLORTERM="truecolor")
    lines = shown.splitlines()
    heading = next(number for number, line in enumerate(lines) if "Z  (3, 6, 8)" in line)
    assert code == 0
    assert sum("▀" in line for line in lines[:heading]) > 0
    assert not any("▀" in line for line in lines[heading:])


def test_gradients_as_text_follow_their_pictures(folder):
    code, shown, _ = terminal("grad", "in.npy", "-k", "box", "--preview", cwd=folder)
    assert code == 0
    assert shown.index("▀") < shown.index("V (3, 6, 8)")


@pytest.mark.parametrize("arguments", ["apply in.npy -k box -o a.png", "grad in.npy -k box -o a.npz"])
def test_a_pipe_gets_no_pictures(folder, arguments):
    result = convcli(*arguments.split(), "--preview", "-v", cwd=folder)
    assert (result.code, result.out) == (0, b"")
    assert "convcli: note: no preview: stdout is not a terminal\n" in result.err
    silent = convcli(*arguments.split(), "--preview", "--overwrite", cwd=folder)
    assert (silent.code, silent.out, silent.err) == (0, b"", "")


def test_a_pipe_gets_only_its_data(folder):
    plain = convcli("grad", "in.npy", "-k", "box", cwd=folder)
    assert convcli("grad", "in.npy", "-k", "box", "--preview", cwd=folder) == plain
    result = convcli("apply", "in.npy", "-k", "box", "-o", "-", "-f", "png", "--preview", cwd=folder)
    assert result.out.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [({"NO_COLOR": "1"}, "NO_COLOR is set"), ({"TERM": "dumb"}, "the terminal has no colours")],
    ids=["NO_COLOR", "dumb"],
)
def test_without_colours_there_are_no_pictures(folder, environment, reason):
    arguments = ["apply", "in.npy", "-k", "box", "-o", "a.png", "--preview", "-v"]
    code, shown, err = terminal(*arguments, cwd=folder, **environment)
    assert (code, shown) == (0, "")
    assert f"convcli: note: no preview: {reason}\n" in err


def sixel(data):
    return b"".join(
        reply for query, reply in [(b"\x1b[c", b"\x1b[?62;4c"), (b"\x1b[16t", b"\x1b[6;20;10t")] if query in data
    )


def kitty(data):
    asked = re.search(rb"\x1b_Gi=(\d+),[^;]*a=q", data[:9999])
    found = [(b"\x1b[c", b"\x1b[?62c"), (b"\x1b[16t", b"\x1b[6;20;10t")]
    replies = [reply for query, reply in found if query in data]
    return b"".join([*replies, b"\x1b_Gi=" + asked[1] + b";OK\x1b\\" if asked else b""])


def mute(data):
    return b""


MARKS = {"sixel": "\x1bP", "kitty": "f=100", "halves": "▀"}
APPLY = ["apply", "in.npy", "-k", "box", "-o", "a.png", "-q", "--preview"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "mark", "environment"),
    [
        (sixel, "sixel", {}),
        (kitty, "kitty", {}),
        (mute, "halves", {}),
        (sixel, "halves", {"TMUX": "/tmp/tmux-0/default,1,0"}),
        (sixel, "halves", {"TERM": "screen-256color"}),
    ],
    ids=["sixel", "kitty", "no answer", "tmux", "screen"],
)
def test_the_terminals_answer_chooses_the_protocol(folder, answer, mark, environment):
    pytest.importorskip("textual_image._terminal", reason="an extra: convcli[terminal]")
    start = time.monotonic()
    code, shown, err = terminal(*APPLY, cwd=folder, answer=answer, **environment)
    assert (code, err) == (0, "")
    assert {name for name, each in MARKS.items() if each in shown} == {mark}
    assert text_of(cells(re.search(r"V +K.*", shown)[0])).split() == ["V", "K", "box", "Z"]
    assert time.monotonic() - start < 20


def test_multiplexers_are_not_asked(folder):
    _, shown, _ = terminal(*APPLY, cwd=folder, answer=sixel, TMUX="/tmp/tmux-0/default,1,0")
    assert "\x1b[c" not in shown


def test_a_terminal_that_is_not_at_stdin_is_not_asked(folder):
    code, shown, err = terminal(*APPLY, cwd=folder)
    assert (code, err) == (0, "")
    assert "\x1b[c" not in shown


def test_text_typed_ahead_is_left_to_the_shell(folder):
    code, shown, err = terminal(*APPLY, cwd=folder, answer=sixel, typed=b"ls\n")
    assert (code, err) == (0, "")
    assert "▀" in shown
    assert "\x1b[c" not in shown


def test_piped_stdin_is_left_to_the_image(folder):
    """Asking the terminal would read stdin; if stdin is a pipe, its bytes are the image's."""
    script = f"cat in.npy | {shlex.join(['convcli', 'apply', '-', *APPLY[2:]])} && ls a.png"
    command = ["script", "-qec", script, "/dev/null"]
    if not shutil.which("script"):
        pytest.skip("script, of util-linux, gives a pipeline a terminal")
    result = shell(shlex.join(command), folder)
    assert (result.code, result.err) == (0, "")
    assert "▀" in result.out.decode()
    assert result.out.endswith(b"a.png\r\n")


def test_half_blocks_are_shown_without_the_extra(folder):
    (folder / "textual_image.py").write_text("raise ImportError")
    code, shown, err = terminal(
        *APPLY, cwd=folder, answer=sixel, PYTHONPATH=os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    )
    assert (code, err) == (0, "")
    assert "▀" in shown
