"""The page on two layers: its sessions print what it shows, and its numbers are right."""

import re

import numpy as np
import pytest
from support.command_line import shell
from support.pages import page

PAGE = page("docs/two-layers.md")
BLOCKS = re.findall(r"^```(sh|console)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MARK = "--- the next session ---\n"


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path):
    """One shell runs all blocks, so that files and functions stay for the next block."""
    result = shell("\n".join(script(*block) for block in BLOCKS), tmp_path)
    assert result.out.decode().split(MARK)[1:] == [block for kind, block in BLOCKS if kind == "console"]
    losses = re.findall(r"^    (convcli: loss: .*\n)", PAGE, re.MULTILINE)
    assert result.err == "".join(losses)
    assert len(losses) == 5


def script(kind, block):
    """Return the commands of a block. Those of a session are printed before what they print."""
    if kind == "sh":
        return block
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    shown = [f"cat <<'END'\n$ {command}\nEND\n{command}" for command in commands]
    return "\n".join([f"printf -- '{MARK.strip()}\\n'", *shown])


def test_the_gradients_are_those_of_python_and_of_differences():
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names = {}
    exec(block, names)
    found = [*names["g"].kernel.ravel(), float(names["g"].bias)]
    slopes = re.findall(r"^\$ slope .*\n(.*)$", PAGE, re.MULTILINE)
    assert [float(slope) for slope in slopes] == found
    grids = re.search(r"^dK.*\n.*\n(.*\n.*)\n\ndb.*\n.*\n(.*)$", PAGE, re.MULTILINE)
    assert np.array(" ".join(grids.groups()).split(), float).tolist() == found
