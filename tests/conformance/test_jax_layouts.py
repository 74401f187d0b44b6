"""Tensors as JAX stores them, NHWC and HWIO or OHWI, compared with JAX's convolution and its gradients.

Every axis has its own length and the numbers are whole, so that a wrong order changes a shape or a number.
"""

from typing import Any

import numpy as np
import pytest
from commands import run

pytestmark = pytest.mark.conformance

DIMENSIONS = {"hwio": ("NHWC", "HWIO", "NHWC"), "ohwi": ("NHWC", "OHWI", "NHWC")}
# The options of convcli, and those of JAX.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "the page's line": ("-p same -s 2", {"window_strides": (2, 2), "padding": "SAME"}),
    "strides and pads": ("-p 1,0,2,1 -s 1,2", {"window_strides": (1, 2), "padding": ((1, 0), (2, 1))}),
    "groups": ("-p valid -g 2", {"window_strides": (1, 1), "padding": "VALID", "feature_group_count": 2}),
    "depthwise": ("-p same -g 4", {"window_strides": (1, 1), "padding": "SAME", "feature_group_count": 4}),
}


@pytest.mark.parametrize("layout", DIMENSIONS)
@pytest.mark.parametrize("case", CASES)
def test_jax_agrees(tmp_path, case, layout) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    words, options = CASES[case]
    draw = np.random.default_rng(4).integers
    x = draw(-5, 6, (3, 6, 7, 4)).astype(float)
    w = draw(-3, 4, (3, 2, 4 // options.get("feature_group_count", 1), 8)).astype(float)
    if layout == "ohwi":
        w = np.ascontiguousarray(np.moveaxis(w, -1, 0))

    def convolve(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(x, w, dimension_numbers=DIMENSIONS[layout], **options)

    z, pullback = jax.vjp(convolve, x, w)
    g = draw(-4, 5, z.shape).astype(float)
    dx, dw = pullback(g)
    for name, tensor in {"x": x, "w": w, "g": g}.items():
        np.save(tmp_path / f"{name}.npy", tensor)
    operands = [
        tmp_path / "x.npy",
        "-k",
        tmp_path / "w.npy",
        *words.split(),
        "--layout",
        "nhwc",
        "--kernel-layout",
        layout,
    ]
    run("apply", *operands, "-o", tmp_path / "z.npy", "-q")
    assert (np.load(tmp_path / "z.npy") == z).all()
    run("grad", *operands, "-G", tmp_path / "g.npy", "--wrt", "dK,dV", "-o", tmp_path / "g.npz", "-q")
    with np.load(tmp_path / "g.npz") as found:
        assert (found["kernel"] == dw).all()
        assert (found["input"] == dx).all()


@pytest.mark.parametrize(("words", "padding"), [("-p same", "SAME"), ("-p valid", "VALID")])
def test_jax_agrees_about_transposes(tmp_path, words, padding) -> None:
    """With ``transpose_kernel``, JAX takes the weights of the convolution that is transposed, as TensorFlow does."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    draw = np.random.default_rng(5).integers
    x, w = draw(-5, 6, (3, 6, 7, 4)).astype(float), draw(-3, 4, (3, 2, 5, 4)).astype(float)
    numbers = DIMENSIONS["hwio"]
    z = jax.lax.conv_transpose(x, w, (2, 2), padding, dimension_numbers=numbers, transpose_kernel=True)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", w)
    options = ["--transpose", "-s", "2", *words.split(), "--layout", "nhwc", "--kernel-layout", "hwio"]
    run("apply", tmp_path / "x.npy", "-k", tmp_path / "w.npy", *options, "-o", tmp_path / "z.npy", "-q")
    assert (np.load(tmp_path / "z.npy") == z).all()
