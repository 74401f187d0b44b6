"""Each geometry is computed once and each plan is made once, then carried to where it is used."""

from collections import Counter

import numpy as np
import pytest
from support.command_line import save_picture
from typer.testing import CliRunner

from convcli import engine
from convcli.cli.app import app
from convcli.geometry.options import Options

PLANNERS = ["plan_output", "plan_output_of_any_kernel", "plan_kernel_gradient", "plan_input_gradient"]


@pytest.fixture
def counts(monkeypatch):
    """Count the geometries that are computed and the plans that are made."""
    found = Counter()

    def counted(kind, function):
        def count(*arguments, **options):
            found[kind] += 1
            return function(*arguments, **options)

        return count

    monkeypatch.setattr(Options, "geometry", counted("geometries", Options.geometry))
    for name in PLANNERS:
        monkeypatch.setattr(engine, name, counted("plans", getattr(engine, name)))
    return found


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "picture.png", np.random.default_rng(0).integers(0, 256, (3, 12, 15), np.uint8))


def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize(
    ("arguments", "geometries", "plans"),
    [
        (["apply", "picture.png", "-k", "sobel-x", "-o", "out.png"], 1, 1),
        (["apply", "picture.png", "-k", "sobel-x", "-o", "out.npy"], 1, 1),
        (["apply", "picture.png", "-k", "sobel-x", "-k", "sobel-y", "-o", "{kernel}.png"], 2, 2),
        (["apply", "picture.png", "-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "-o", "out.png"], 2, 2),
        # A fill that copies pixels has plans of its own for dV beside each border.
        # A stride of 2 has four phases.
        (["apply", "picture.png", "-k", "box", "--transpose", "-s", "2", "-o", "out.png"], 1, 4),
        (["grad", "picture.png", "-k", "box", "--transpose", "-s", "2"], 1, 2),
        (["plan", "picture.png", "-k", "box", "--transpose", "-s", "2"], 1, 6),
        (["grad", "picture.png", "-k", "sobel-x", "-e", "zero"], 1, 2),
        (["grad", "picture.png", "-k", "sobel-x"], 1, 6),
        (["grad", "picture.png", "-k", "sobel-x", "--wrt", "bias"], 1, 0),
        (["explain", "picture.png", "-k", "sobel-x", "--at", "0,1,1"], 1, 0),
        (["matrix", "--input-shape", "1,5,6", "-k", "sobel-x"], 1, 0),
        (["plan", "picture.png", "-k", "sobel-x", "-e", "zero"], 1, 3),
        # Z, Z of any kernel, and dK and dV of the kernel itself, of ones (dV alone), and of two random ones.
        (["check", "picture.png", "-k", "sobel-x", "-e", "zero"], 1, 9),
        (["check", "picture.png", "-k", "sobel-x", "-e", "zero", "--all"], 1, 9),
    ],
)
def test_counts(counts, arguments, geometries, plans):
    run(*arguments)
    assert counts == Counter(geometries=geometries, plans=plans) - Counter()
