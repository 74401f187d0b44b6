"""Any text as the value of any option: success, or one line that says what was expected."""

import re
import shutil

import numpy as np
import pytest
import typer
from hypothesis import strategies as st
from many_commands import Commands, assert_well_mannered
from support.command_line import SAMPLES, convcli

from convcli.cli.app import app
from convcli.cli.text import kernels as kernels_text
from convcli.kernels.presets import preset

COMMANDS = typer.main.get_command(app).commands
# A valid command line of each command, which then gets another option or argument. Most need an image and a kernel.
OPTIONS = {name: ["-k", "box"] for name in COMMANDS} | {
    "apply": ["-k", "box", "-o", "o.npy", "--overwrite"],
    "explain": ["-k", "box", "--at", "0,0,0"],
    "doctor": [],
    "kernels": [],
    "help": [],
}
ARGUMENTS = {name: ["v.npy"] for name in COMMANDS} | {"doctor": [], "kernels": ["box"], "help": []}

WORDS = [
    *("", " ", "+", "-", "--", ",", ":", "1,", ",1", "1,,2", "+1", "-1", "0", "1", "01", "1.5", "1e3", "1e999", "0x10"),
    *("\u0661", "\u00b2", "1_0", "1 ", " 1", "1\n", "\n", "\t", "\r1", "\x7f", "\x1b[31m", "\x1b]0;x\x07", "\x9b31m"),
    *("\u202e", "\u200b", "\udcff", "a\udce9b", "2147483647", "2147483648", "9223372036854775808", "1" + 30 * "0"),
    *("9" * 4300, "9" * 4301, "9" * 100_000, "a" * 100_000, "1" + ",1" * 20_000, "[" * 100_000, "{" * 1000),
    *("[", "]", "{", "}", "[]", "{}", "[1]", "[[1]]", "[[1]", "[[[[1]]]]", "[[1e308,1e308]]", '{"weights":[[1]]}'),
    *("inf", "-inf", "nan", "Infinity", "-0.0", "1e-320", "1e308", "null", "true", "None", "1,2", "1,2,3", "1,2,3,4"),
    *("*", "**", "?", "[ab].png", "%s", "{stem}", "{0}", "{{", "}}", "{stem.__class__}", "{stem!r:>1000000000}", "$A"),
    *("v.npy", "v.json", "bank.json", "absent.npy", "1,2,3,4,5", "\\", "'", '"', "a,b", "#"),
    *("gaussian:", "gaussian:nan", "gaussian:1e9", "gaussian:1e-300", "gaussian:1_0", "gaussian:\u0661", "motion:1e6"),
    *("motion:9,1e300", "gabor:1e-300", "gabor:1e300", "gabor:5,0,1e-300", "log:1e-200", "dog:1,1e300", "box:1,2"),
    *("unsharp:1,1e308", "kirsch:up", "identity:2", "disk:-1", "binomial:0.5", "box:\n2", "ones", "mse:", "mse:v.npy"),
    *("normal:", "normal:-1", "normal:1", "normal:\u0661", "normal:" + "9" * 5000, "constant:", "constant:1e999"),
    *("constant:1e308", "constant:1_0", "valid", "same", "full", "SAME", "mirror", "wrap", "kernel", "input,", "bias"),
    *("float16", "float64", "object", "S1", "64K", "1T", "9" * 30 + "G", "9" * 5000 + "G", "\u0661M", "npy", "exe"),
    *("csv", "auto", "text", "minmax", "raw", "sum", "magnitude", "keep", "premultiply", "winograd", "fft", "direct"),
]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")
BYTES = st.binary(min_size=1, max_size=8).map(lambda data: data.replace(b"\0", b"").replace(b"/", b""))
NUMBERS = st.one_of(st.integers(-100, 100), st.integers(10**6, 10**40), st.floats())
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.text(LETTERS, max_size=20),
    BYTES.map(lambda data: data.decode(errors="surrogateescape")),
    st.lists(NUMBERS, min_size=1, max_size=5).map(lambda numbers: ",".join(map(str, numbers))),
    st.builds(str.__add__, st.sampled_from(["gaussian:", "normal:", "constant:", "mse:", "box:"]), st.text(LETTERS)),
)


def parameters():
    """Yield each option with a value, and each argument, of each command of the program."""
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                yield name, parameter.opts[0] if parameter.param_type_name == "option" else None


PARAMETERS = list(parameters())
DRAWN = st.sampled_from(PARAMETERS)


def command_line(name, option, text):
    """Return a command line with this value; None if it could reach another machine or start processes."""
    if option == "--cluster" and (re.search(r"\d\s*$", text) or text.startswith("-")):
        return None
    if option is None:
        return [name, *OPTIONS[name], "--", text]
    return [name, *OPTIONS[name], f"{option}={text}", *ARGUMENTS[name]]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    np.save(folder / "v.npy", np.arange(20, dtype=np.uint8).reshape(1, 4, 5))
    (folder / "v.json").write_text("[[1,2],[3,4]]")
    shutil.copy(SAMPLES / "bank.json", folder)
    with Commands(folder) as found:
        yield found


def try_it(commands, name, option, text):
    arguments = command_line(name, option, text)
    if arguments:
        assert_well_mannered(commands.run(*arguments), arguments)


def test_every_command_has_a_valid_command_line(commands):
    for name, options in OPTIONS.items():
        assert commands.run(name, *options, *ARGUMENTS[name]).code == 0


def test_every_option_takes_one_value_of_each_kind(commands):
    """Only a few values; the next test tries all."""
    for number, (name, option) in enumerate(PARAMETERS):
        for text in ("\x1b[31m\n\udcff", WORDS[number % len(WORDS)]):
            try_it(commands, name, option, text)


@pytest.mark.slow
def test_every_option_takes_every_value(commands, seed, soak, tried):
    """Each seed tries another part of the values, and --soak 48 tries all."""
    pairs = [(*parameter, word) for parameter in PARAMETERS for word in WORDS]
    step = max(1, 48 // soak)
    for name, option, text in pairs[seed % step :: step]:
        try_it(commands, name, option, text)
    tried(len(pairs[seed % step :: step]))


@pytest.mark.slow
def test_every_option_takes_any_text(commands, try_many):
    try_many(st.tuples(DRAWN, TEXTS), lambda drawn: try_it(commands, *drawn[0], drawn[1]), 300)


MISTAKES = [
    ("plan -k box --input-shape 1_0,5,5", "--input-shape: expected H,W or C,H,W or N,C,H,W, given '1_0,5,5'"),
    ("plan -k box --input-shape \u0661,5,5", "--input-shape: expected H,W or C,H,W or N,C,H,W, given '\u0661,5,5'"),
    ("plan -k box v.npy -s 4294967296", "--stride: expected numbers of at most 2,147,483,647, given '4294967296'"),
    ("plan -k box v.npy -g 1_0", "Invalid value for '--groups' / '-g': expected a whole number, given '1_0'"),
    ("plan -k box v.npy --threads \u0661", "Invalid value for '--threads': expected a whole number, given '\u0661'"),
    (
        "plan -k box v.npy --dtype float33",
        "--dtype: expected float32 or float64, given 'float33'; did you mean",
    ),
    ("plan -k gaussian:1_0 v.npy", "gaussian: expected sigma to be a number above 0, given '1_0'; usage: "),
    (
        "plan -k box v.npy -e constant:1_0",
        "--edge: expected a number after the colon, as in constant:127.5, given 'constant:1_0'",
    ),
    (
        f"plan -k box v.npy --memory {'9' * 4301}",
        "--memory: expected at least 64K bytes, as in 500K, 64M or 2G, given '9",
    ),
    (
        f"grad -k box v.npy -G normal:{'9' * 4301}",
        "--upstream: expected normal:SEED with a whole number, ",
    ),
    ("explain -k box v.npy --at 0,0,0 --bias []", "--bias: expected a number (2-D kernel), given shape (0,)"),
    ("explain -k box v.npy --at 0,0,1_0", "--at: expected integers as in I,J,K, given '0,0,1_0'"),
    ("check -k box v.npy --tolerance inf", "--tolerance: expected a finite number of at least 0, given inf"),
    ("apply -k box v.npy --cluster local:257", "--cluster: expected local:N with N from 1 to 256, given 'local:257'"),
    ("plan -k box v.npy -p 1000000000", "4,000,000,018,000,000,020 padded pixels in all channels are more than memory"),
    (
        "plan -k box v.npy -d 1000000000,1",
        "untouched pixels: expected at most 16,777,216 padded rows or columns to search",
    ),
    ("matrix -k box --input-shape 1,1000000000,1000000000", "the matrix would be 1,000,000,000,000,000,000 x "),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line[:60] for line, _ in MISTAKES])
def test_exact_messages(commands, line, message):
    arguments = line.split()
    result = commands.run(*arguments)
    assert_well_mannered(result, arguments)
    assert (result.code, result.err[: len(message) + 16]) == (2, f"convcli: error: {message}")


@pytest.mark.parametrize(
    "line",
    [
        "plan -k box v.npy -p 100000000,0",
        "plan -k box --input-shape 1,1000000000,1000000",
        "explain -k box v.npy --at 0,0,0 -p 100000000",
        "apply -k box v.npy -s 1000000 -p 1000000 -o far.npy --overwrite",
        "kernels [[1e308,1e308]]",
        "apply -k [[1e300]] v.npy -o beyond.npy --overwrite",
        "apply -k box --bias 1e300 v.npy -o beyond.npy --overwrite",
        "matrix -k [[1e308,1e308]] -e constant:1e308 v.npy -f mtx",
    ],
)
def test_large_numbers_that_take_no_memory(commands, line):
    result = commands.run(*line.split())
    assert (result.code, result.err) == (0, "")


def test_a_large_kernel_is_shown_in_part(monkeypatch):
    for name, size in (("ROWS_SHOWN", 3), ("COLUMNS_SHOWN", 2), ("WIDEST_RANKED", 4)):
        monkeypatch.setattr(kernels_text, name, size)
    head, *rows, left_out = kernels_text.kernel_text(preset("identity:5"), plain=True).splitlines()
    assert (head, len(rows)) == ("identity:5  (5, 5)  sum 1", 3)
    assert left_out == "  ... not shown: rows 3..4 of 5 and columns 2..4 of 5"


def test_endless_input_is_refused_before_memory_is_exhausted(tmp_path):
    message = "it is endless, or larger than half of the free memory, "
    with Commands(tmp_path, memory=256 << 20) as commands:
        for arguments in (["plan", "/dev/zero", "-k", "box"], ["plan", "-k", "/dev/zero", "--input-shape", "4,4"]):
            result = commands.run(*arguments)
            assert_well_mannered(result, arguments)
            assert message in result.err


def test_a_message_is_cut_and_has_no_control_characters(tmp_path):
    result = convcli("plan", "--input-shape", "4,4", "-k", f"\x1b[31m{'a' * 5000}\x07", cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert re.fullmatch(
        r"convcli: error: expected the name of a preset, given '\\x1b\[31ma+\.\.\. \(\d,\d+ characters\) \.\.\.a+"
        r"\\x07' \(`convcli kernels` lists all\)\n",
        result.err,
    )
