"""Arrays that are larger than the memory limit: 90 MB of levels, 180 of maps and 360 of gradients, in 160 MB.

``ulimit -d`` limits the memory of a process, except for mapped files, whose pages the system may drop.
"""

import json

import numpy as np
import pytest
from support.command_line import Result, shell

from convcli import conv2d, conv2d_grad

pytestmark = pytest.mark.slow

KERNEL = "[[1,2,3],[4,5,7],[0,1,-2]]"
K = np.array(json.loads(KERNEL), float)
ALLOWED = 160_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    for name, dtype in (("V", np.uint16), ("small", np.uint8)):
        shape = (3, 3000, 5000) if name == "V" else (3, 30, 50)
        V = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
        for number, channel in enumerate(V):
            channel[:] = np.random.default_rng(number).integers(0, np.iinfo(dtype).max, channel.shape, dtype)
    return folder


@pytest.fixture(scope="module")
def V(folder):
    return np.load(folder / "V.npy", mmap_mode="r")


def limited(command, folder) -> Result:
    return shell(f"ulimit -d {ALLOWED}; {command}", folder)


def assert_done(result):
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_the_limit_is_one(folder):
    code = "import numpy as np; np.ones((3, 3000, 5000), np.float32)"
    assert "MemoryError" in limited(f"python -c '{code}'", folder).err
    assert_done(limited("convcli apply small.npy -k box -o small-out.npy", folder))


def test_apply_to_floats(folder, V):
    assert_done(limited(f"convcli apply V.npy -k '{KERNEL}' -o Z.npy", folder))
    Z = np.load(folder / "Z.npy", mmap_mode="r")
    assert (Z.shape, Z.dtype) == (V.shape, np.float32)
    for rows in (slice(0, 40), slice(1480, 1530), slice(2960, 3000)):
        above, below = min(rows.start, 1), min(3000 - rows.stop, 1)
        window = V[:, rows.start - above : rows.stop + below]
        part = conv2d(window, K, padding="same")[:, above : len(window[0]) - below]
        assert np.array_equal(Z[:, rows], part)


def test_apply_to_levels_of_gray_light(folder):
    command = f"convcli apply V.npy -k '{KERNEL}' --gray --unit --linear --range minmax -e reflect -o levels.npy"
    assert_done(limited(command, folder))
    levels = np.load(folder / "levels.npy", mmap_mode="r")
    assert (levels.shape, levels.dtype, levels.min(), levels.max()) == ((1, 3000, 5000), np.uint16, 0, 65535)


def test_gradients(folder, V):
    G = np.random.default_rng(7).integers(-9, 10, V.shape, np.int8)
    np.save(folder / "G.npy", G)
    assert_done(limited(f"convcli grad V.npy -k '{KERNEL}' -G G.npy -o gradients.npz", folder))
    found = np.load(folder / "gradients.npz")
    expected = conv2d_grad(V, K, G, padding="same", wrt=("kernel", "bias"))
    assert np.array_equal(found["kernel"], expected.kernel)
    assert np.array_equal(found["bias"], expected.bias)
    window = conv2d_grad(np.zeros((3, 60, 5000)), K, G[:, :60], padding="same", wrt="input").input
    assert np.array_equal(found["input"][:, :50], window[:, :50])


@pytest.mark.parametrize("upstream", ["ones", "normal:7"])
def test_upstream_gradients_that_are_made(folder, upstream):
    assert limited(f"convcli grad V.npy -k '{KERNEL}' -G {upstream} --wrt kernel", folder).code == 0


def test_gradients_of_a_target(folder):
    limited(f"convcli apply V.npy -k '{KERNEL}' -o T.npy --overwrite", folder)
    result = limited(f"convcli grad V.npy -k '{KERNEL}' --wrt kernel -G mse:T.npy", folder)
    assert (result.code, result.err) == (0, "")
    # T was rounded to float32.
    assert json.loads(result.out)["loss"] < 1e6
