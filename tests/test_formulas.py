"""The printed formulas are correct: each is evaluated letter by letter and compared with its tensor."""

import itertools
import re

import numpy as np
import pytest

from convcli import conv2d, conv2d_grad
from convcli.convolution.formulas import Formulas, index_letters

RANDOM = np.random.default_rng(11)
V = RANDOM.integers(-4, 5, (2, 4, 5)).astype(float)
BATCH = RANDOM.integers(-4, 5, (2, 2, 4, 5)).astype(float)
PLANE = RANDOM.integers(-4, 5, (2, 3)).astype(float)
BANK = RANDOM.integers(-4, 5, (3, 2, 2, 3)).astype(float)
OPTIONS = {"stride": (2, 1), "dilation": (2, 1)}
TILED = RANDOM.integers(-4, 5, (3, 1, 2, 2, 2, 3)).astype(float)
NUMBERS = {"sy": 2, "sx": 1, "dy": 2, "dx": 1, "kh": 2, "kw": 3, "tr": 1, "tc": 2}


def evaluated(formula, shape, tensors):
    """Return the tensor that ``PLACE = sum over LETTERS with CONDITIONS, of TERM`` describes."""
    _, place, total, condition, term = re.fullmatch(
        r"(?:dV = .*, )?(d\w'?|Z)(?:\[(.*?)\])? = (?:sum over (\S+) (?:with (.*), )?of )?(.*)", formula
    ).groups()
    kept, summed = (letters.split(",") if letters else [] for letters in (place, total))
    extents = extents_of(tensors) | dict(zip(kept, shape, strict=True))
    fits = compile((condition or "True").replace(" = ", " == ").replace(", ", " and "), formula, "eval")
    value = compile(term.replace("V'", "V"), formula, "eval")
    result = np.zeros(shape)
    for letters in itertools.product(*(range(extents[letter]) for letter in [*kept, *summed])):
        names = dict(zip([*kept, *summed], letters, strict=True)) | NUMBERS | tensors
        if eval(fits, names):
            result[letters[: len(kept)]] += eval(value, names)
    return result


def extents_of(tensors):
    *batch, outputs, rows, columns = tensors["G"].shape
    channels = tensors["V"].shape[-3]
    m, n = tensors["K"].shape[-2:]
    return {"i": outputs, "l": channels, "j": rows, "k": columns, "m": m, "n": n} | dict(
        zip(index_letters("input", tensors["V"].ndim), batch, strict=False)
    )


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
    ],
    ids=["2-D", "one bias", "bank", "untied", "tiled", "batch, 2-D", "batch, bank", "batch, untied"],
)
def test_evaluated_formulas_equal_the_tensors(V, K, bias, flip):
    G = RANDOM.integers(-4, 5, (*V.shape[:-3], K.shape[0] if K.ndim > 2 else V.shape[-3], 1, 3)).astype(float)
    b = RANDOM.integers(-4, 5, bias).astype(float)
    gradients = conv2d_grad(V, K, G, bias=b, flip=flip, **OPTIONS)
    formulas = Formulas(V.ndim, K.ndim, groups=1, flip=flip)
    Z = conv2d(V, K, flip=flip, **OPTIONS)
    assert np.array_equal(evaluated(formulas.output(None), Z.shape, {"V": V, "K": K, "G": G}), Z)
    assert formulas.output(len(bias)).startswith(formulas.output(None).replace("= ", f"= b{letters_of(bias)} + ", 1))
    for name in ("kernel", "input", "bias"):
        expected = getattr(gradients, name)
        found = evaluated(formulas.gradient(name, expected.ndim), expected.shape, {"V": V, "K": K, "G": G})
        assert np.array_equal(found, expected), name


def letters_of(bias):
    return f"[{','.join('ijk'[: len(bias)])}]" if bias else ""


def test_formulas_of_groups_explain_how_channels_are_counted():
    formulas = Formulas(3, 4, groups=2, flip=False)
    for name in ("kernel", "input"):
        assert formulas.gradient(name, 4).endswith(" (i and l in one group, l counted within it)")
    assert formulas.gradient("bias", 1) == "db[i] = sum over j,k of G[i,j,k]"
