"""Imports run one way: a module imports only from the layers below its own."""

import ast
import sys
from pathlib import Path

import pytest

import convcli

PACKAGE = Path(convcli.__file__).parent

# Lowest first. Modules of one layer do not import one another; "cli" stands for every module under cli/.
LAYERS = [
    {
        "errors",
        "engine.algorithms",
        "kernels",
        "geometry",
        "drawing",
        "files",
        "pictures",
        "files.caught_warnings",
        "text",
    },
    {"arrays", "files.memory", "files.whole_files"},
    {"files.file_bytes"},
    {"engine.cluster", "apply.concurrency", "files.large_arrays", "geometry.edges", "files.json_reading"},
    {"geometry.axes", "pictures.light", "files.npy_files"},
    {"geometry.options", "pictures.profiles"},
    {"kernels.kernel"},
    {"kernels.presets", "kernels.json_format"},
    {"kernels.loading"},
    {"engine.calibration", "engine.scratch", "engine.tiles"},
    {"engine.costs"},
    {"engine.interface"},
    {"engine.algorithms.factors", "engine.partition", "engine.slabs", "engine.threads", "engine.algorithms.vertical"},
    {
        "engine.algorithms.direct",
        "engine.algorithms.fft",
        "engine.algorithms.im2col",
        "engine.algorithms.separable",
        "engine.algorithms.toeplitz",
        "engine.algorithms.unshared",
        "engine.algorithms.winograd",
    },
    {"engine.plan"},
    {"engine.tasks"},
    {"engine.executor"},
    {"engine"},
    {"convolution.operands"},
    {
        "pictures.colour_modes",
        "pictures.deep_extra",
        "pictures.types",
        "pictures.orientation",
        "pictures.pixel_limit",
        "pictures.channels",
        "pictures.depth",
    },
    {"convolution.forward", "pictures.formats", "drawing.palette"},
    {"convolution.gradients", "matrix.assembly", "pictures.metadata"},
    {"pictures.deep", "pictures.tiff_directories", "pictures.tiff_pages", "pictures.tiff_writing"},
    {"pictures.pillow_frames", "pictures.writing"},
    {"pictures.reading"},
    {
        "grad.descent",
        "convolution.formulas",
        "drawing.heatmap_layout",
        "pictures.images",
        "apply.pixels",
        "files.output_names",
        "convolution.request",
    },
    {"apply.combining"},
    {"apply.transparency"},
    {
        "apply.filtering",
        "drawing.heatmaps",
        "pictures.sources",
        "matrix.picture",
        "pictures.tensors",
        "explain.terms",
        "drawing.thumbnails",
        "grad.upstream",
    },
    {
        "check.confusions",
        "explain.explanation",
        "grad.writers",
        "matrix.writers",
        "apply.outcomes",
        "convolution.forecast",
        "apply.targets",
    },
    {"apply.batch", "check.gradcheck", "check.comparison", "grad.report"},
    {"apply.dry_run", "apply.remote"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {module: height for height, layer in enumerate(LAYERS) for module in layer}

# What may be imported from outside, beside the standard library.
OUTSIDE = {
    "engine.cluster": {"dask", "distributed"},
    "cli": {"numpy", "typer", "rich", "textual_image"},
    "drawing.heatmaps": {"numpy", "PIL"},
    "pictures.images": {"numpy", "PIL"},
    "engine.threads": {"numpy", "threadpoolctl"},
    "pictures.colour_modes": {"numpy", "PIL"},
    "pictures.deep": {"numpy", "PIL", "imagecodecs"},
    "pictures.orientation": {"numpy", "PIL"},
    "pictures.channels": {"numpy", "PIL"},
    "pictures.depth": {"numpy", "PIL"},
    "pictures.metadata": {"numpy", "PIL"},
    "pictures.pixel_limit": {"PIL"},
    "pictures.pillow_frames": {"numpy", "PIL"},
    "pictures.tiff_pages": {"numpy", "PIL", "tifffile"},
    "pictures.tiff_writing": {"numpy", "PIL"},
    "drawing.thumbnails": {"numpy", "PIL"},
}


def module_name(path):
    """``engine.tiles`` for convcli/engine/tiles.py, ``engine`` for its __init__, "" for convcli itself."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(tree):
    """The absolute names of all modules that a module imports, inside its functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports in convcli are absolute"
            yield from {submodule(node.module, alias.name) for alias in node.names}


def submodule(module, name):
    """``convcli.engine.tiles`` for ``from convcli.engine import tiles``, but ``convcli.engine`` for a name in it."""
    joined = f"{module}.{name}"
    return joined if joined.removeprefix("convcli.") in MODULES else module


def layer_of(module):
    """The name under which LAYERS and OUTSIDE list a module."""
    return "cli" if module.split(".")[0] == "cli" else module


def complaints(module, tree):
    """What this module imports but should not."""
    layer = layer_of(module)
    for name in imported(tree):
        package, _, inner = name.partition(".")
        if package != "convcli":
            if package not in sys.stdlib_module_names | OUTSIDE.get(layer, {"numpy"}):
                yield f"{module} imports {package}"
        elif inner and not allowed(layer, layer_of(inner)):
            yield f"{module} imports {inner}, which is not in a layer below"


def allowed(layer, below):
    """A module without a layer passes here: the test that asks for its layer is the one to fail."""
    return layer == below == "cli" or HEIGHT.get(below, -1) < HEIGHT[layer]


def test_every_module_has_a_layer():
    unplaced = {layer_of(module) for module in MODULES if module} - HEIGHT.keys()
    assert not unplaced, f"give these modules their place in LAYERS: {', '.join(sorted(unplaced))}"


def test_every_layer_has_modules():
    gone = HEIGHT.keys() - {layer_of(module) for module in MODULES}
    assert not gone, f"remove these modules from LAYERS: {', '.join(sorted(gone))}"


@pytest.mark.parametrize("module", [module for module in MODULES if module and layer_of(module) in HEIGHT])
def test_imports_run_one_way(module):
    assert not list(complaints(module, ast.parse(MODULES[module].read_text())))


def test_the_package_itself_imports_its_modules_only_when_asked():
    """Its names are loaded on first use; what type checkers see does not run."""
    tree = ast.parse(MODULES[""].read_text())
    running = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    names = set(imported(ast.Module(running, [])))
    assert names <= sys.stdlib_module_names, names


def test_the_reference_is_independent():
    tree = ast.parse((Path(__file__).parent / "reference.py").read_text())
    assert set(imported(tree)) == {"numpy"}


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("geometry.edges", "from convcli.geometry.axes import Axis", "geometry.edges imports geometry.axes, which"),
        (
            "engine.algorithms.direct",
            "from convcli.engine.algorithms import im2col",
            "engine.algorithms.direct imports",
        ),
        ("engine.tiles", "import convcli.engine", "engine.tiles imports engine, which"),
        (
            "convolution.gradients",
            "def f():\n    import convcli.cli.app",
            "convolution.gradients imports cli.app, which",
        ),
        ("files.output_names", "from PIL import Image", "files.output_names imports PIL"),
        ("geometry.axes", "import rich.table", "geometry.axes imports rich"),
        ("pictures.images", "import scipy.ndimage", "pictures.images imports scipy"),
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
        ("convolution.forward", "from convcli import engine"),
        ("cli.commands.apply", "import typer\nfrom convcli import __version__\nfrom convcli.cli import options"),
    ],
)
def test_proper_imports_pass(module, source):
    assert not list(complaints(module, ast.parse(source)))


def test_relative_imports_are_caught():
    with pytest.raises(AssertionError, match="line 1: imports in convcli are absolute"):
        list(complaints("geometry.axes", ast.parse("from .padding import pad")))
