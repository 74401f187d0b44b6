"""How the program behaves among others: help, errors, exit codes, pipes and terminals."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import PIL
import pytest
import typer
from support.command_line import (
    CONVCLI,
    ENVIRONMENT,
    SAMPLES,
    TIMEOUT,
    convcli,
    shell,
    terminal,
)
from support.rights import convcli_as_user
from typer.testing import CliRunner

from convcli.cli import app as program

CAMERA = SAMPLES / "camera.png"
RANKS = (
    "expected weights of rank 2: (kh, kw), which filters every channel alone, "
    "rank 4: (C_out, C_in/groups, kh, kw), a bank, "
    "or rank 6: (C_out, tr, tc, C_in/groups, kh, kw), tiled or locally connected; given "
)

# Arguments, and the line on stderr; "..." stands for anything, such as a library's message.
FAILURES = [
    ("apply absent.png -k box", "cannot read absent.png: No such file or directory"),
    ("apply in.npy -k absent.json", "cannot read absent.json: No such file or directory"),
    (
        "apply in.npy -k box --bias x",
        "--bias: expected a number, a list 1,2,3, JSON or a .npy file, given 'x': cannot read x: No such file...",
    ),
    ("apply folder -k box", "no images in the folder folder: name files or a pattern, as in ..."),
    ("apply truncated.png -k box", "cannot read truncated.png: ...truncated..."),
    (
        "apply words.png -k box",
        "cannot read words.png: expected a picture that Pillow can read, an .npy array or a JSON tensor, given text",
    ),
    ("apply empty.png -k box", "cannot read empty.png: it is empty"),
    ("apply objects.npy -k box", "cannot read objects.npy: ...bject..."),
    ("apply in.npy -k objects.npy", "cannot read objects.npy: expected a .npy ..."),
    ("apply complex.npy -k box", "cannot read complex.npy: expected a .npy of real numbers, given dtype complex128"),
    ("apply line.npy -k box", "cannot read line.npy: expected an array (H, W) or (..., C, H, W)... (3,)"),
    ("apply - -k box", "cannot read <stdin>: it is empty"),
    (
        "apply in.npy -k box -o taken.png",
        "taken.png exists: use --overwrite to replace it, or --output ...",
    ),
    ("apply in.npy -k box -o no/a.png", "there is no folder no to write a.png into: create it first"),
    ("grad absent.png -k box", "cannot read absent.png: No such file or directory"),
    (
        "grad in.npy -k box -G absent.npy",
        "--upstream: expected ones, at:I,J,K, normal:SEED, mse:TARGET, a file, inline JSON or -, given 'absent.npy': "
        "cannot read absent.npy: No such file or directory",
    ),
    (
        "matrix in.npy -k box -o taken.json",
        "taken.json exists: use --overwrite to replace it, or --output to write elsewhere",
    ),
    ("matrix in.npy -k box -o no/a.npz", "there is no folder no to write a.npz into: create it first"),
    ("matrix absent.png -k box", "cannot read absent.png: No such file or directory"),
    (
        "grad in.npy -k box -o taken.json",
        "taken.json exists: use --overwrite to replace it, or --output to write elsewhere",
    ),
]

WRONG_KERNELS = [
    ("[[1,2],[3]]", "inline kernel:1:8: [1]: expected a list of length 2, like [0], given a list of length 1"),
    ("[]", "inline kernel:1:1: expected at least one weight, given shape (0,)"),
    ("[[[1]]]", f"inline kernel:1:1: {RANKS}rank 3"),
    ("[[0,NaN]]", "inline kernel:1:5: [0][1]: expected a finite number, given NaN"),
    ('[["1"]]', 'inline kernel:1:3: [0][0]: expected a number, given "1"'),
    ("[[1,\n 2 3]]", "inline kernel:2:4: invalid JSON at '3': Expecting ',' delimiter"),
    ('{"weights":[[1]],"biass":2}', "inline kernel:1:18: biass: unknown key; the keys are ...; did you mean bias?"),
    ("ragged.json", "ragged.json:2:9: weights[1][0][2]: expected a number, given true"),
    ("taken.png", "taken.png: expected kernel JSON, rows of numbers or .npy, given a PNG picture"),
    (
        "gausian:2",
        "expected the name of a preset, given 'gausian' (...); did you mean gaussian?",
    ),
    ("mean", "expected the name of a preset, given 'mean' (...); did you mean box?"),
    ("median", "expected the name of a preset, given 'median' (`convcli kernels` lists all)"),
    ("gaussian:-1", "gaussian: expected sigma to be a number above 0, given '-1'; usage: gaussian:sigma=1,..."),
    ("-", "<stdin>:1:1: invalid JSON at the end of the text: Expecting value"),
]

WRONG_REQUESTS = [
    *((f"apply in.npy -k {shlex.quote(kernel)}", line) for kernel, line in WRONG_KERNELS),
    (
        "apply in.npy -k box:9 -p valid",
        "kernel larger than the padded input: the kernel reaches 9x9 pixels (rows x columns, dilation included), "
        "the input is 3x4, 3x4 with its padding; use more padding or a smaller kernel",
    ),
    (
        "grad in.npy -k [[[[1]],[[1]]]]",
        "...kernel (1, 2, 1, 1) with groups 1 takes 2 input channels, but the input has 1: its shape is (3, 4); add "
        "--kernel-layout hwio if that is the order of the axes",
    ),
    ("apply in.npy -k [[[[1]],[[1]]]]", "...takes 2 input channels, but the input has 1: its shape is (3, 4); ..."),
    ("apply in.npy -k box -g 2", "--groups: expected 1, because a 2-D kernel filters every channel alone, given 2"),
    ("apply in.npy -k box -g two", "...--groups...expected a whole number, given 'two'"),
    ("apply in.npy -k box -s 0", "--stride: expected one or two integers of at least 1, given '0'"),
    ("apply in.npy -k box -s 1.5", "--stride: expected S or SY,SX, given '1.5'"),
    ("apply in.npy -k box -d 0", "--dilation: expected one or two integers of at least 1, given '0'"),
    (
        "apply in.npy -k box -p smae",
        "--padding: expected valid, same, same-lower, full, N, Y,X or T,B,L,R, given 'smae'; did you mean same?",
    ),
    ("apply in.npy -k box -p 1,2,3", "--padding: expected 1, 2 or 4 integers of at least 0 (N, Y,X or T,B,L,R), ..."),
    ("apply in.npy -k box -e mirror", "--edge: 'mirror' means different things in different tools: use 'reflect' ..."),
    ("apply in.npy -k box -e refect", "--edge: expected zero, ..., given 'refect'; did you mean reflect?"),
    ("apply in.npy -k box --range full", "--range: expected auto, clip, abs, offset, minmax or raw, given 'full'"),
    ("apply in.npy -k box -f png --range raw", "--range: raw writes floats, which png cannot hold...: use .npy"),
    ("apply in.npy -k box --alpha no", "--alpha: expected auto, keep, premultiply, filter or drop, given 'no'"),
    ("apply in.npy -k box -f pgn", "--format: expected png, jpeg, jpg, ... or json, given 'pgn'"),
    ("apply in.npy -k box -o a.pgn", "--output: expected png, jpeg, jpg, ... or json, given 'pgn'"),
    ("apply in.npy -k box --bias 1,x", "...bias...'x'..."),
    ("apply in.npy -k box --bias 1,2", "--bias: expected a number (2-D kernel), given shape (2,)"),
    ("apply in.npy -k box --bias -", "--bias: expected a number, a list 1,2,3, JSON or a .npy file; stdin is ..."),
    (
        "apply in.npy -k box -k box -o new/",
        "two outputs would be named new/in.box.npy: give each image and each kernel once",
    ),
    (
        "apply in.npy rgb.npy -k box -o a.png",
        "two outputs would be named a.png: tell them apart with {stem} in --output",
    ),
    ("apply in.npy rgb.npy -k box -o -", "2 outputs need one file each, but '-' is one stream: give --output ..."),
    ("apply in.npy -k box -o {name}.png", "unknown placeholder {name} in the output name '{name}.png': use ..."),
    ("apply in.npy -k box -o - --json", "--json and --output - both write to stdout: save the output to a file"),
    ("apply - - -k box", "'-' is given more than once: stdin can be only one of the images, the kernel and G"),
    ("apply - -k -", "'-' is given more than once: stdin can be only one of the images, the kernel and G"),
    ("grad - -k box -G -", "'-' is given more than once: stdin can be only one of the images, the kernel and G"),
    ("apply in.npy", "expected -k KERNEL: A preset, such as gaussian:2 (convcli kernels lists all); ..."),
    ("grad -k box", "expected IMAGE...: Pictures; ..."),
    ("apply -k box", "expected images: files, folders or patterns, or --files-from"),
    ("apply in.npy -k box --padd 1", "expected an option of convcli apply, given --padd; did you mean --padding?"),
    ("apply in.npy -k box --force", "expected an option of convcli apply, given --force; did you mean --overwrite?"),
    ("apply in.npy --filter box", "expected an option of convcli apply, given --filter; did you mean --kernel?"),
    ("apply in.npy -k box -Z", "expected an option of convcli apply, given -Z"),
    ("grad in.npy -k box --range abs", "--range is an option of apply, and not of grad"),
    ("apply in.npy -k blur --sigma 2", "...given --sigma; did you mean -k gaussian:sigma=VALUE?"),
    ("apply in.npy -k sharpen --amount 2", "...given --amount; did you mean -k sharpen:amount=VALUE?"),
    ("-k box in.npy", "expected a command before -k: apply, grad, ... or help"),
    ("--show-completion tcsh", "--show-completion: expected bash, zsh or fish, given 'tcsh'"),
    ("apply in.npy -k", "Option '-k' requires an argument..."),
    ("aply in.npy -k box", "expected apply, grad, ... or help, given 'aply'; did you mean apply?"),
    ("filter in.npy -k box", "expected apply, grad, ... or help, given 'filter'; did you mean apply?"),
    ("in.npy", "expected a command, given 'in.npy'; did you mean convcli apply in.npy -k KERNEL?"),
    ("absent.jpg", "expected a command, given 'absent.jpg'; did you mean convcli apply absent.jpg -k KERNEL?"),
    ("blur:2 in.npy", "expected a command, given 'blur:2'; did you mean convcli apply IMAGE -k blur:2?"),
    ("edges in.npy", "expected a command, given 'edges'; did you mean convcli apply IMAGE -k edges?"),
    ("help grd", "expected apply, grad, ... or help, given 'grd'; did you mean grad?"),
    ("grad in.npy -k box -G [[1,2]]", "upstream gradient G: expected the output's shape (3, 4), given (1, 2)"),
    ("grad in.npy -k box -G normal", "--upstream: expected normal:SEED with a whole number, given 'normal...'"),
    (
        "grad in.npy -k box --wrt kernel,weights",
        "--wrt: expected dK, dV, db, kernel, ... or b, given 'weights'",
    ),
    ("grad in.npy -k box -f xml", "--format: expected auto, text, json, npz, npy..., csv..., given 'xml'"),
    (
        "grad in.npy -k box -o a.xml",
        "--output: expected a name that ends in .txt, ... or in / for a folder, given 'a.xml': ...",
    ),
    ("grad in.npy -k box -o {map}.json", "unknown placeholder {map} in the output name '{map}.json': use {wrt}, ..."),
    ("matrix in.npy -k box -f xml", "--format: expected auto, text, json, npz, mtx or png, given 'xml'"),
    (
        "matrix in.npy -k box -o a.xml",
        "--output: expected a name that ends in .txt, .json, .npz, .mtx or .png, or in / for a folder, given 'a.xml': "
        "add an extension, or use --format",
    ),
    (
        "matrix in.npy -k box -o {stem}.npz",
        "unknown placeholder {stem} in the output name '{stem}.npz': use ...",
    ),
    ("matrix in.npy -k box -f npz --json", "--json and --format npz contradict each other: give one"),
    ("matrix -k box", "expected either an image or --input-shape"),
    ("matrix in.npy -k box --input-shape 3,4", "expected either an image or --input-shape"),
    ("matrix --input-shape 3,x -k box", "--input-shape: expected H,W or C,H,W or N,C,H,W, given '3,x'"),
    (
        "matrix --input-shape 3 -k box",
        "--input-shape: expected integers of at least 1 as H,W or C,H,W or N,C,H,W, given '3'",
    ),
    ("matrix --input-shape 2,4,5 -k [[[[1]]]]", "kernel (1, 1, 1, 1) with groups 1 takes 1 input channels, but ..."),
    (
        "matrix --input-shape 4,5 -k box -p valid -g 2",
        "--groups: expected 1, because a 2-D kernel filters every channel alone...",
    ),
    (
        "matrix --input-shape 4,5 -k box:7 -p 0",
        "kernel larger than the padded input: the kernel reaches 7x7 ...",
    ),
    ("matrix --input-shape 4,5 -k box --bias 1,2", "--bias: expected a number (2-D kernel), given shape (2,)"),
    ("matrix - -k -", "'-' is given more than once: stdin can be only one of the images, the kernel and G"),
    ("matrix --input-shape 4,5", "expected -k KERNEL: A preset, ..."),
    (
        "matrix --input-shape 3,900000,900000 -k sobel-x",
        "the matrix would be 2,430,000,000,000 x 2,430,000,000,000 with up to 14,579,973,000,012 nonzeros, which take "
        "...TB, but the limit is ... (...): use a smaller --input-shape",
    ),
    ("kernels ridge", "expected the name of a preset, given 'ridge' (`convcli kernels` lists all)..."),
]


EXPECTED = {arguments: (1, line) for arguments, line in FAILURES} | {
    arguments: (2, line) for arguments, line in WRONG_REQUESTS
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run each command of the tables, and return its result and the files that it changed in its folder."""
    original = messy(tmp_path_factory.mktemp("messy"))
    copies = tmp_path_factory.mktemp("copies")

    def outcome(arguments):
        folder = shutil.copytree(original, tempfile.mkdtemp(dir=copies), dirs_exist_ok=True)
        result = convcli(*shlex.split(arguments), cwd=folder)
        return result, contents(Path(folder)).items() ^ contents(original).items()

    return {arguments: outcome(arguments) for arguments in EXPECTED}


@pytest.mark.parametrize("arguments", EXPECTED)
def test_an_error_is_one_line_and_writes_nothing(outcomes, arguments):
    result, changed = outcomes[arguments]
    code, line = EXPECTED[arguments]
    assert_one_error(result.err, line)
    assert (result.code, result.out, changed) == (code, b"", set())


def messy(folder):
    """Fill a folder with good and bad inputs."""
    (folder / "folder").mkdir()
    (folder / "truncated.png").write_bytes(CAMERA.read_bytes()[:5000])
    (folder / "taken.png").write_bytes(CAMERA.read_bytes())
    (folder / "taken.json").write_text("{}")
    (folder / "words.png").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "ragged.json").write_text('{"weights": [[[1, 2, 3]],\n[[4, 5, true]]]}')
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    for name, values in {"complex": 1j * np.eye(3), "line": np.ones(3)}.items():
        np.save(folder / f"{name}.npy", values)
    return with_inputs(folder)


def with_inputs(folder):
    np.save(folder / "in.npy", np.arange(12).reshape(3, 4))
    np.save(folder / "rgb.npy", np.arange(90.0).reshape(3, 5, 6))
    return folder


@pytest.fixture
def inputs(tmp_path):
    return with_inputs(tmp_path)


def contents(folder):
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def assert_one_error(err, line):
    """Assert that stderr is one error, and perhaps where the help is; "..." in the line stands for anything."""
    pattern = ".*".join(map(re.escape, f"convcli: error: {line}\n".split("...")))
    assert re.fullmatch(rf"{pattern}(convcli: help: convcli( \w+)? --help\n)?", err), err


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ("apply in.npy", "convcli apply --help"),
        ("grad in.npy -k", "convcli grad --help"),
        ("matrix in.npy -k box --matrix", "convcli matrix --help"),
        ("aply", "convcli --help"),
        ("apply in.npy -k box -e no", None),
    ],
)
def test_an_error_in_the_command_line_says_where_the_help_is(arguments, where, inputs, monkeypatch):
    """An option with a wrong value says itself what it expects."""
    monkeypatch.chdir(inputs)
    result = CliRunner().invoke(program.app, arguments.split(), prog_name="convcli")
    told = [line.removeprefix("convcli: help: ") for line in result.stderr.splitlines() if ": help: " in line]
    assert (result.exit_code, told) == (2, [where] if where else [])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("apply secret.npy -k box", "cannot read secret.npy: Permission denied"),
        ("apply in.npy -k secret.npy", "cannot read secret.npy: Permission denied"),
        ("apply --files-from secret.npy -k box", "cannot read secret.npy: Permission denied"),
        ("apply in.npy -k box -o locked/a.png", "cannot write locked/a.png: Permission denied"),
        ("apply in.npy -k box -o locked/new/", "cannot write locked/new/in.npy: Permission denied"),
        ("grad in.npy -k box -o locked/a.json", "cannot write locked/a.json: Permission denied"),
    ],
)
def test_permission_denied(inputs, arguments, line):
    np.save(inputs / "secret.npy", np.eye(3))
    (inputs / "secret.npy").chmod(0)
    (inputs / "locked").mkdir(mode=0o500)
    result = convcli_as_user(*shlex.split(arguments), cwd=inputs)
    assert_one_error(result.err, line)
    assert (result.code in (1, 2), result.out, os.listdir(inputs / "locked")) == (True, b"", [])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("", 0), ("kernels box", 0), ("apply absent.png -k box", 1), ("grad", 2), ("kernels ridge", 2)],
)
def test_exit_codes_of_the_app_in_this_process(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(program.app, arguments.split()).exit_code == code


COMMANDS = typer.main.get_command(program.app).commands


def test_a_flag_means_the_same_in_every_command():
    meanings = {}
    for command in COMMANDS.values():
        for parameter in command.params:
            for flag in parameter.opts:
                meanings.setdefault(flag, set()).add(parameter.opts[0])
    assert {flag: each for flag, each in meanings.items() if len(each) > 1} == {}


@pytest.mark.parametrize(
    "arguments",
    ["--help", "kernels box", "grad in.npy -k box -f text", "apply in.npy -k sobel-x", "matrix in.npy -k box -f text"],
)
def test_a_pipe_gets_no_escapes(inputs, arguments):
    result = convcli(*arguments.split(), cwd=inputs)
    assert "\x1b" not in result.out.decode() + result.err


def test_colours_show_the_signs_of_gradients_on_a_terminal(inputs):
    """Colours get stronger towards the largest magnitude, in steps; zeros are dim."""
    G = "[-8,-5,-3,-1,0,1,3,5,8]"
    np.save(inputs / "line.npy", np.zeros((1, 1, 9)))
    request = ["grad", "line.npy", "-k", "[[1]]", "--wrt", "input", "-G", f"[[{G}]]", "--full"]
    code, shown, err = terminal(*request, cwd=inputs)
    assert (code, err) == (0, "")
    styled = {number: style for style, number in re.findall(r"\x1b\[([\d;]+)m +([-\d]+)\x1b", shown)}
    assert styled == {
        **{"-8": "1;38;5;33", "-5": "38;5;68", "-3": "38;5;61", "-1": "38;5;60", "0": "2"},
        **{"8": "1;38;5;196", "5": "38;5;167", "3": "38;5;131", "1": "38;5;95"},
    }


@pytest.mark.parametrize(
    "arguments", ["grad in.npy -k sobel-x", "kernels laplacian", "matrix in.npy -k sobel-x", "--help"]
)
def test_no_color_is_obeyed(inputs, arguments):
    code, shown, err = terminal(*arguments.split(), cwd=inputs, NO_COLOR="1")
    assert (code, err) == (0, "")
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        "apply in.npy -k box -o -",
        "grad in.npy -k box -f npz",
        "grad in.npy -k box -f npy --wrt kernel",
        "matrix in.npy -k box -f npz",
        "matrix in.npy -k box -f png",
        "grad in.npy -k box -f png",
    ],
)
def test_binary_data_is_not_written_to_a_terminal(inputs, arguments):
    code, shown, err = terminal(*arguments.split(), cwd=inputs)
    assert (code, shown) == (2, "")
    assert_one_error(err, "binary data is not written to a terminal: use --output, or pipe it into a program")


@pytest.mark.parametrize(
    "arguments",
    [
        "grad in.npy -k box -f json",
        "apply in.npy -k box -o - -f png",
        "kernels",
        "--help",
    ],
)
def test_a_closed_pipe_ends_the_program_quietly(inputs, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    result = run_into(writer, arguments.split(), inputs)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(
    "arguments",
    [
        "grad in.npy -k box -f json",
        "apply in.npy -k box -o - -f png",
        "--help",
    ],
)
def test_a_full_disk_is_an_error(inputs, arguments):
    result = run_into(os.open("/dev/full", os.O_WRONLY), arguments.split(), inputs)
    assert_one_error(result.stderr, "cannot write...: No space left on device")
    assert result.returncode == 1


def run_into(descriptor, arguments, cwd):
    """Run the program with stdout at a descriptor, which is closed afterwards."""
    try:
        return subprocess.run(
            [str(CONVCLI), *arguments],
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
        )
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ("grad {camera} -k box -f json", b'{\n  "convc'),
        ("matrix {camera} -k box -f mtx", b"%%MatrixMa"),
        ("apply {camera} -k box -o - -f npy", b"\x93NUMPY\x01\0v\0"),
        ("apply {camera} -k box -o - -f png", b"\x89PNG\r\n\x1a\n\0\0"),
    ],
    ids=["json", "mtx", "npy", "png"],
)
def test_head_can_stop_reading(tmp_path, arguments, start):
    command = arguments.format(camera=shlex.quote(str(CAMERA)))
    result = shell(f"convcli {command} | head -c 10; test ${{PIPESTATUS[0]}} -eq 0", tmp_path)
    assert (result.code, result.out, result.err) == (0, start, "")


@pytest.mark.parametrize("arguments", ["apply in.npy -k box -o a.png", "grad in.npy -k box"])
def test_stdin_is_read_only_on_request(inputs, arguments):
    """Neither a pipe that stays open without data nor a closed stdin stops a command that does not read stdin."""
    reader, writer = os.pipe()
    try:
        open_ended = convcli(*arguments.split(), cwd=inputs, stdin=reader)
    finally:
        os.close(reader)
        os.close(writer)
    assert (open_ended.code, open_ended.err) == (0, "")
    assert shell(f"rm -f a.png; convcli {arguments} <&-", inputs) == open_ended


def test_a_shell_loop_keeps_its_stdin(inputs):
    """A program that reads stdin without a request would take the lines that a shell's loop reads."""
    script = "printf '%s\\n' 1 2 | while read n; do convcli apply in.npy -k box:$n -o $n.png -q; done; ls [12].png"
    assert shell(script, inputs).out.split() == [b"1.png", b"2.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        "apply - -k box -o a.png <&-",
        "apply in.npy -k box -o - >&-",
        "grad in.npy -k box >&-",
        "kernels >&-",
        "apply --help >&-",
        "--version >&-",
        ">&-",
    ],
)
def test_a_closed_stream_that_is_needed_is_an_error(inputs, arguments):
    before = contents(inputs)
    result = shell(f"convcli {arguments}", inputs)
    assert_one_error(result.err, "...")
    assert (result.code, contents(inputs)) == (1, before)


def test_warnings_never_reach_stdout(inputs):
    """With stderr closed, warnings are lost, and stdout still carries only data."""
    command = "convcli apply in.npy -k sobel-x -o - -f png"
    quiet = shell(f"{command} -q", inputs)
    assert quiet.out.startswith(b"\x89PNG")
    assert shell(f"{command} 2>&-", inputs) == quiet


@pytest.mark.parametrize("flags", [[], ["-v"]])
def test_a_vulnerable_pillow_is_a_warning_for_those_who_ask(flags, monkeypatch, capfd):
    monkeypatch.setattr(PIL, "__version__", "11.3.0")
    command = ["grad", "[[1,2],[3,4]]", "-k", "[[1]]", *flags]
    with pytest.raises(SystemExit, match="0"):
        program.app(command)
    warning = "convcli: warning: Pillow 11.3.0 has known vulnerabilities, which 13.0 does not have: upgrade it, "
    assert (warning in capfd.readouterr().err) == bool(flags)
