"""The printed formulas are correct: each is evaluated letter by letter and compared with its tensor."""

import itertools
import re

import numpy as np
import pytest

from convcli import conv2d, conv2d_grad
from convcli.convolution.formulas import Formulas, index_letters
from convcli.convolution.prepared import Convolution

RANDOM = np.random.default_rng(11)
V = RANDOM.integers(-4, 5, (2, 4, 5)).astype(float)
BATCH = RANDOM.integers(-4, 5, (2, 2, 4, 5)).astype(float)
PLANE = RANDOM.integers(-4, 5, (2, 3)).astype(float)
BANK = RANDOM.integers(-4, 5, (3, 2, 2, 3)).astype(float)
OPTIONS = {"stride": (2, 1), "dilation": (2, 1)}
TILED = RANDOM.integers(-4, 5, (3, 1, 2, 2, 2, 3)).astype(float)
NUMBERS = {"sy": 2, "sx": 1, "dy": 2, "dx": 1, "kh": 2, "kw": 3, "tr": 1, "tc": 2}


def evaluated(formula, like, tensors, groups=1):
    """Return the tensor, shaped like ``like``, that ``PLACE = sum over LETTERS with CONDITIONS, of TERM`` describes."""
    tensor, place, total, condition, term = re.fullmatch(
        r"(?:dV = .*, )?(d\w'?|Z)(?:\[(.*?)\])? = (?:sum over (\S+) (?:with (.*), )?of )?(.*?)(?: \(each .*\))?",
        formula,
    ).groups()
    kept, summed = (letters.split(",") if letters else [] for letters in (place, total))
    extents = extents_of(tensors)
    if not tensor.startswith("dV"):
        extents["l"] //= groups
    numbers = NUMBERS | {"co": extents["i"] // groups, "ci": tensors["V"].shape[-3] // groups}
    tensors = without_single_axes(tensors)
    extents |= {"a": tensors["V"].shape[-2], "c": tensors["V"].shape[-1]}
    extents |= dict(zip("pq", (NUMBERS["tr"], NUMBERS["tc"]), strict=True))
    fits = compile((condition or "True").replace(" = ", " == ").replace(", ", " and "), formula, "eval")
    value = compile(term.replace("V'", "V"), formula, "eval")
    result = np.zeros([extents[letter] for letter in kept])
    for letters in itertools.product(*(range(extents[letter]) for letter in [*kept, *summed])):
        names = dict(zip([*kept, *summed], letters, strict=True)) | numbers | tensors
        if eval(fits, names):
            result[letters[: len(kept)]] += eval(value, names)
    return result.reshape(like.shape)


def extents_of(tensors):
    *batch, outputs, rows, columns = tensors["G"].shape
    channels = tensors["V"].shape[-3]
    m, n = tensors["K"].shape[-2:]
    return {"i": outputs, "l": channels, "j": rows, "k": columns, "m": m, "n": n} | dict(
        zip(index_letters("input", tensors["V"].ndim), batch, strict=False)
    )


def without_single_axes(tensors):
    """Return the tensors without the axes of length 1 before rows and columns, and before taps."""
    return {
        name: tensor.reshape([n for n in tensor.shape[:-2] if n > 1] + list(tensor.shape[-2:]))
        for name, tensor in tensors.items()
    }


def formulas_of(V, K, bias=None, **options):
    return Formulas.of(Convolution.of(K, bias, **options).at(V.shape, np.float64))


@pytest.mark.parametrize("flip", [False, True], ids=["correlation", "convolution"])
@pytest.mark.parametrize(
    ("V", "K", "bias"),
    [
        (V, PLANE, ()),
        (V, BANK, ()),
        (V, BANK, (3,)),
        (V, BANK, (3, 1, 3)),
        (V, TILED, (3,)),
        (BATCH, PLANE, ()),
        (BATCH, BANK, (3,)),
        (BATCH, BANK, (3, 1, 3)),
        (V[:1], PLANE, ()),
        (V[:1], BANK[:, :1], (3,)),
        (V[:1], BANK[:1, :1], ()),
        (V, BANK[:1], ()),
        (BATCH[:1], BANK, ()),
        (BATCH[:1, :1], PLANE, ()),
    ],
    ids=[
        "2-D",
        "one bias",
        "bank",
        "untied",
        "tiled",
        "batch, 2-D",
        "batch, bank",
        "batch, untied",
        "2-D, one channel",
        "bank, one channel in",
        "bank, one channel in and out",
        "bank, one channel out",
        "batch of one, bank",
        "batch of one, 2-D, one channel",
    ],
)
@pytest.mark.parametrize("options", [OPTIONS, {}], ids=["stride and dilation", "plain"])
def test_evaluated_formulas_equal_the_tensors(V, K, bias, flip, options):
    Z = conv2d(V, K, flip=flip, **options)
    G = RANDOM.integers(-4, 5, Z.shape).astype(float)
    if len(bias) == 3 and not options:
        bias = Z.shape[-3:]
    b = RANDOM.integers(-4, 5, bias).astype(float)
    gradients = conv2d_grad(V, K, G, bias=b, flip=flip, **options)
    formulas = formulas_of(V, K, b, flip=flip, **options)
    tensors = {"V": V, "K": K, "G": G}
    found = evaluated(formulas.output(None), Z, tensors)
    assert np.array_equal(found, Z)
    for name in ("kernel", "input"):
        expected = getattr(gradients, name)
        assert np.array_equal(evaluated(formulas.gradient(name, expected.ndim), expected, tensors), expected), name
    assert np.array_equal(evaluated(formulas.gradient("bias", len(bias)), gradients.bias, tensors), gradients.bias)
    letters = formulas.kept("ijk"[: len(bias)])
    shown = f"= b[{','.join(letters)}] + " if letters else "= b + "
    assert formulas.output(len(bias)) == formulas.output(None).replace("= ", shown, 1)


@pytest.mark.parametrize("batch", [(), (2,)], ids=["image", "batch"])
@pytest.mark.parametrize(
    ("groups", "channels", "shape"),
    [
        (2, 4, (6, 2, 2, 3)),
        (2, 4, (2, 2, 2, 3)),
        (2, 2, (4, 1, 2, 3)),
        (4, 4, (4, 1, 2, 3)),
        (2, 4, (2, 1, 2, 2, 2, 3)),
    ],
    ids=["3 and 2 channels", "1 and 2 channels", "2 and 1 channel", "1 and 1 channel", "tiled"],
)
def test_evaluated_formulas_of_groups_equal_the_tensors(groups, channels, shape, batch):
    V = RANDOM.integers(-4, 5, (*batch, channels, 4, 5)).astype(float)
    K = RANDOM.integers(-4, 5, shape).astype(float)
    Z = conv2d(V, K, groups=groups, **OPTIONS)
    G = RANDOM.integers(-4, 5, Z.shape).astype(float)
    gradients = conv2d_grad(V, K, G, groups=groups, **OPTIONS)
    formulas, tensors = formulas_of(V, K, groups=groups, **OPTIONS), {"V": V, "K": K, "G": G}
    assert np.array_equal(evaluated(formulas.output(None), Z, tensors, groups), Z)
    for name in ("kernel", "input", "bias"):
        expected = getattr(gradients, name)
        found = evaluated(formulas.gradient(name, expected.ndim), expected, tensors, groups)
        assert np.array_equal(found, expected), name


def test_formulas_of_groups_have_only_the_letters_that_they_need():
    both = formulas_of(np.ones((4, 5, 5)), np.ones((6, 2, 3, 3)), groups=2)
    each = " (each group: co output, ci input channels)"
    assert both.output(None) == f"Z[i,j,k] = sum over l,m,n of V[i//co*ci + l, j + m, k + n] * K[i,l,m,n]{each}"
    assert both.gradient("input", 3) == (
        f"dV[l,a,c] = sum over i,j,k,m,n with i//co = l//ci, j + m = a, k + n = c, of G[i,j,k] * K[i,l%ci,m,n]{each}"
    )
    assert both.gradient("bias", 1) == "db[i] = sum over j,k of G[i,j,k]"
    depthwise = formulas_of(np.ones((4, 5, 5)), np.ones((4, 1, 3, 3)), groups=4)
    assert depthwise.gradient("kernel", 4) == "dK[i,m,n] = sum over j,k of G[i,j,k] * V[i, j + m, k + n]"


def test_a_formula_has_only_what_the_convolution_needs():
    plain = formulas_of(np.ones((1, 5, 5)), np.ones((3, 3)))
    assert plain.output(None) == "Z[j,k] = sum over m,n of V[j + m, k + n] * K[m,n]"
    assert plain.gradient("input", 3) == "dV[a,c] = sum over j,k,m,n with j + m = a, k + n = c, of G[j,k] * K[m,n]"
    padded = formulas_of(np.ones((2, 5, 5)), np.ones((3, 3)), padding=(0, 0, 1, 0), stride=(1, 2))
    assert padded.output(0) == "Z[l,j,k] = b + sum over m,n of V'[l, j + m, k*sx + n] * K[m,n]"
    assert padded.gradient("input", 3).startswith("dV = (adjoint of the padding)(dV'), dV'[l,a,c] = sum over")
