"""Messages: one check of a choice, parameters named in the library, flags spelled by the command line alone."""

import ast
import pickle
import re
from functools import cache
from pathlib import Path

import pytest
import typer

import convcli
from convcli.cli.app import app
from convcli.cli.command_table import flags
from convcli.cli.messages import message_of, with_flags
from convcli.errors import ClusterError, FileError, GeometryError, OptionError
from convcli.text import any_of, choice

PACKAGE = Path(convcli.__file__).parent
MODULES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]
# The docstring of errors shows flags as an example.
LIBRARY = [name for name in MODULES if not name.startswith(("cli/", "errors"))]
FLAG = re.compile(r"(?<![\w-])(?:--[a-z][a-z-]+|-[ofkGj])(?![\w-])")
COMMANDS = typer.main.get_command(app).commands
PARAMETER = re.compile(r"(?<!`)`([a-z_]+)`(?!`)")
# Parameters of functions that no command calls with them: of conv2d_compare, and of the pictures of filter_image.
PYTHON_ALONE = {"path", "theirs"}
# The flags of other programs: of dask scheduler, and of those that convert files.
OTHERS_FLAGS = {"engine/cluster.py": {"--scheduler-file"}, "files/kinds.py": {"-o"}}


@cache
def parsed(module):
    return ast.parse((PACKAGE / module).read_text())


def strings(tree):
    """Return every string of a module: its messages and docstrings."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def messages(tree):
    """Return every string of a module but its docstrings."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in bare)
    return [node.value for node in found if isinstance(node.value, str)]


def options(tree):
    """Yield every option that an error of the module is about, where the name is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "option" and isinstance(node.value, ast.Constant):
            yield node.value.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("choice", "parse_tensor"):
            yield from (each.value for each in node.args[:1] if isinstance(each, ast.Constant))


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_names_no_flag(module):
    found = {flag for text in strings(parsed(module)) for flag in FLAG.findall(text)}
    assert found <= OTHERS_FLAGS.get(module, set())


def test_every_parameter_in_a_message_has_a_flag():
    named = {name for tree in map(parsed, MODULES) for text in messages(tree) for name in PARAMETER.findall(text)}
    about = {name for tree in map(parsed, MODULES) for name in options(tree)}
    assert {"max_pixels", "overwrite"} <= named
    assert {"dtype", "input_shape"} <= about
    assert (named | about) - flags().keys() == PYTHON_ALONE


def test_a_parameter_has_the_same_flag_in_every_command():
    parameters = [each for command in COMMANDS.values() for each in command.params if each.param_type_name == "option"]
    assert all(flags()[each.name] == each.opts[0] for each in parameters)


@pytest.mark.parametrize(
    ("message", "spelled"),
    [
        ("use `max_pixels` 72 to read it", "use --max-pixels 72 to read it"),
        ("use `overwrite`, or `output`", "use --overwrite, or --output"),
        ("given 'a`b', `convcli kernels` lists all", "given 'a`b', `convcli kernels` lists all"),
        ("`K`, `a-b`, `` and `absent` are no parameters", "`K`, `a-b`, `` and `absent` are no parameters"),
    ],
)
def test_the_command_line_spells_parameters_as_flags(message, spelled):
    assert with_flags(message) == spelled


@pytest.mark.parametrize("kind", [OptionError, FileError, GeometryError, ClusterError])
def test_an_error_keeps_its_option(kind):
    """Also when it comes from another process."""
    error = pickle.loads(pickle.dumps(kind("expected 1", option="input_shape")))
    assert (str(error), error.option, error.message) == ("input_shape: expected 1", "input_shape", "expected 1")
    assert with_flags(message_of(error)) == "--input-shape: expected 1"


@pytest.mark.parametrize("kind", [OptionError, FileError])
def test_an_error_about_no_option_is_its_message(kind):
    error = pickle.loads(pickle.dumps(kind("expected 1")))
    assert (str(error), error.option, message_of(error)) == ("expected 1", None, "expected 1")


def test_a_choice_is_returned():
    assert choice("edge", "wrap", iter(["zero", "wrap"])) == "wrap"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("warp", "edge: expected zero, reflect or wrap, given 'warp'; did you mean wrap?"),
        ("WRAP", "edge: expected zero, reflect or wrap, given 'WRAP'; did you mean wrap?"),
        ("", "edge: expected zero, reflect or wrap, given ''"),
        (None, "edge: expected zero, reflect or wrap, given None"),
        ([1], "edge: expected zero, reflect or wrap, given [1]"),
    ],
)
def test_another_word_is_refused_with_the_nearest(given, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        choice("edge", given, ["zero", "reflect", "wrap"])


@pytest.mark.parametrize(("words", "joined"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_words_are_joined(words, joined):
    assert any_of(words) == joined
