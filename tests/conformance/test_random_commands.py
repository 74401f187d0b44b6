"""Random convolutions through every command, compared with the library, which other tests check."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from commands import run
from drawing import convolutions
from hypothesis import strategies as st
from scipy.sparse import load_npz
from support.geometries import integers
from support.reference import assert_same

from convcli import conv2d, conv2d_grad

pytestmark = pytest.mark.conformance


def test_commands_agree_with_the_library(try_many):
    drawn = st.tuples(convolutions(room=5, batches=((),)), st.integers(0, 2**32))
    try_many(drawn, commands_agree, 8)


def commands_agree(drawn):
    """Check every command on a convolution, and explain entries whose indices the drawn number chooses."""
    convolution, number = drawn
    with tempfile.TemporaryDirectory() as folder:
        tensors = {name: integers(getattr(convolution, name), seed) for seed, name in enumerate("VKZ", start=1)}
        tensors["G"], tensors["b"] = tensors.pop("Z"), integers(bias_shape(convolution), seed=4)
        for name, tensor in tensors.items():
            np.save(Path(folder) / f"{name}.npy", tensor)
        for check in (plan_agrees, apply_agrees, grad_agrees, explain_agrees, check_holds, matrix_agrees):
            check(Path(folder), convolution, tensors, np.random.default_rng(number))


def bias_shape(convolution):
    return convolution.Z[-3:] if len(convolution.K) > 2 else ()


def arguments_of(folder, convolution, *, upstream=False, image=True):
    """Return the arguments of a command."""
    listed = {"-s": convolution.stride, "-d": convolution.dilation, "-p": convolution.padding}
    options = [text for option, value in listed.items() for text in (option, joined(value))]
    data = [folder / "V.npy"] if image else ["--input-shape", joined(convolution.V)]
    data += ["-k", folder / "K.npy", "--bias", folder / "b.npy", *(["-G", folder / "G.npy"] if upstream else [])]
    return [*data, *options, "-e", convolution.edge, "-g", convolution.groups, *["--flip"] * convolution.flip]


def joined(value):
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def output(convolution, tensors):
    return conv2d(tensors["V"], tensors["K"], tensors["b"], **convolution.options)


def gradients(convolution, tensors):
    V, K, G, b = (tensors[name] for name in "VKGb")
    return conv2d_grad(V, K, G, bias=b, **convolution.options)


def plan_agrees(folder, convolution, tensors, rng):
    plan = json.loads(run("plan", *arguments_of(folder, convolution), "--json"))
    assert plan["shape"]["output"][-2:] == list(convolution.Z[-2:])
    assert tuple(plan["pads"].values()) == convolution.pads


def apply_agrees(folder, convolution, tensors, rng):
    run("apply", *arguments_of(folder, convolution), "-o", folder / "Z.npy")
    Z = np.load(folder / "Z.npy")
    assert_same(Z.reshape(convolution.Z), output(convolution, tensors))


def grad_agrees(folder, convolution, tensors, rng):
    run("grad", *arguments_of(folder, convolution, upstream=True), "-o", folder / "gradients.npz")
    with np.load(folder / "gradients.npz") as found:
        for name, gradient in gradients(convolution, tensors)._asdict().items():
            assert_same(found[name].reshape(gradient.shape), gradient)


def explain_agrees(folder, convolution, tensors, rng):
    """Explain one entry of each tensor."""
    found = {"output": output(convolution, tensors), **gradients(convolution, tensors)._asdict()}
    for of, tensor in found.items():
        at = tuple(rng.integers(0, tensor.shape).tolist())
        index = ["--at", joined(at)] if at else []
        arguments = arguments_of(folder, convolution, upstream=of != "output")
        assert json.loads(run("explain", *arguments, "--of", of, *index, "--json"))["sum"] == tensor[at]


def check_holds(folder, convolution, tensors, rng):
    assert json.loads(run("check", *arguments_of(folder, convolution, upstream=True), "--json"))["holds"]


def matrix_agrees(folder, convolution, tensors, rng):
    run("matrix", *arguments_of(folder, convolution, image=False), "-q", "-o", folder / "M.npz")
    dV = load_npz(folder / "M.npz").T @ tensors["G"].ravel()
    assert_same(dV.reshape(convolution.V), gradients(convolution, tensors).input)
