"""Imports run one way: a package imports only from packages on lower floors, and modules form no circle."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import convcli

PACKAGE = Path(convcli.__file__).parent

# Lowest first. A room is a file or a folder of convcli/. Rooms of one floor do not import one another.
FLOORS = [
    {"errors", "version"},
    {"extras", "text", "values"},
    {"arrays", "layouts", "names"},
    {"drawing", "files", "geometry"},
    {"engine", "kernels", "pictures"},
    {"convolution"},
    {"apply", "doctor", "explain", "grad", "matrix"},
    {"check"},
    {"functional"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# What a room may import besides the standard library and numpy.
OUTSIDE = {
    "cli": {"rich", "textual_image", "typer"},
    "drawing": {"PIL"},
    "engine": {"dask", "distributed", "llvmlite", "numba", "threadpoolctl"},
    "files": {"psutil"},
    "kernels": {"onnx"},
    "pictures": {"PIL", "imagecodecs", "pillow_heif", "tifffile"},
}


def module_name(path):
    """``engine.tiles`` for convcli/engine/tiles.py, ``engine`` for its __init__, "" for convcli itself."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
ALGORITHMS = "engine.algorithms"


def imported(tree):
    """Yield the absolute name of every module that a module imports, inside its functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports in convcli are absolute"
            yield from {submodule(node.module, alias.name) for alias in node.names}


def submodule(module, name):
    """Return ``convcli.engine.tiles`` for ``from convcli.engine import tiles``, ``convcli.engine`` for a name in it."""
    joined = f"{module}.{name}"
    return joined if joined.removeprefix("convcli.") in MODULES else module


def room_of(module):
    """Return the file or folder of convcli/ that holds the module."""
    return module.partition(".")[0]


def complaints(module, tree):
    """Yield what this module imports and should not."""
    room = room_of(module)
    for name in imported(tree):
        package, _, inner = name.partition(".")
        if package != "convcli":
            if package not in sys.stdlib_module_names | OUTSIDE.get(room, set()) | {"numpy"}:
                yield f"{module} imports {package}"
        elif room_of(inner) != room and FLOOR.get(room_of(inner), len(FLOORS)) >= FLOOR[room]:
            yield f"{module} imports {inner or 'convcli'}, which is not on a lower floor"


def running(tree):
    """Return the module without its ``if TYPE_CHECKING`` blocks, which only type checkers run."""
    return ast.Module([each for each in tree.body if not is_for_type_checkers(each)], [])


def is_for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in MODULES if module}
    assert rooms == FLOOR.keys()


@pytest.mark.parametrize("module", [module for module in MODULES if module and room_of(module) in FLOOR])
def test_imports_run_one_way(module):
    assert not list(complaints(module, ast.parse(MODULES[module].read_text())))


def test_modules_form_no_circle():
    graph = {
        module: {name.removeprefix("convcli.") for name in imported(running(ast.parse(path.read_text())))}
        for module, path in MODULES.items()
        if module
    }
    graph = {module: (names & graph.keys()) - {module} for module, names in graph.items()}
    TopologicalSorter(graph).prepare()


def test_circles_are_caught():
    with pytest.raises(CycleError, match="nodes are in a cycle"):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_no_algorithm_imports_another():
    """They share what is in vertical and factors, which convolve nothing themselves."""
    from convcli.engine import CONVOLUTIONS

    algorithms = {each.runner.__module__ for each in CONVOLUTIONS.values()}
    for name in algorithms:
        tree = ast.parse(MODULES[name.removeprefix("convcli.")].read_text())
        assert not algorithms & set(imported(tree)), name


def test_the_package_itself_imports_its_modules_only_when_asked():
    names = set(imported(running(ast.parse(MODULES[""].read_text()))))
    assert names <= sys.stdlib_module_names | {"convcli.version"}, names


def test_the_reference_is_independent():
    tree = ast.parse((Path(__file__).parent / "support" / "reference.py").read_text())
    assert set(imported(tree)) == {"numpy"}


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        (
            "geometry.edges",
            "from convcli.files.memory import x",
            "geometry.edges imports files.memory, which is",
        ),
        (
            "engine.tiles",
            "import convcli.convolution.forecast",
            "engine.tiles imports convolution.forecast, which is",
        ),
        ("engine.cluster", "from convcli import __version__", "engine.cluster imports convcli, which is not on a"),
        ("grad.report", "def f():\n    import convcli.cli.app", "grad.report imports cli.app, which is not on a lower"),
        ("files.output_names", "from PIL import Image", "files.output_names imports PIL"),
        ("geometry.axes", "import rich.table", "geometry.axes imports rich"),
        ("pictures.reading", "import scipy.ndimage", "pictures.reading imports scipy"),
        ("cli.app", "import PIL.Image", "cli.app imports PIL"),
    ],
)
def test_planted_imports_are_caught(module, source, complaint):
    (found,) = complaints(module, ast.parse(source))
    assert found.startswith(complaint)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("geometry.axes", "import math, numpy as np\nfrom convcli.geometry.edges import pad"),
        ("convolution.forecast", "from convcli import engine"),
        (
            "cli.commands.apply",
            "import typer\nfrom convcli.version import __version__",
        ),
    ],
)
def test_proper_imports_pass(module, source):
    assert not list(complaints(module, ast.parse(source)))


def test_relative_imports_are_caught():
    with pytest.raises(AssertionError, match="line 1: imports in convcli are absolute"):
        list(complaints("geometry.axes", ast.parse("from .edges import pad")))
