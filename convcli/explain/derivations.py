"""Derive the sum behind one number of Z, dK, dV or db from the definition.

Each number is a sum of products over the indices i, l, j, k, m, n. The number's own index fixes some of them; the sum
runs over the others:

          fixed               runs over                                              products
    Z     i, j, k             l, m, n                                                V' * K
    dK    i, l, m, n          j, k                                                   G * V'
    dV    l                   i, and the (j, m) and (k, n) that read the pixel       G * K
    db    some of i, j, k     the others                                             G

The indices of batch axes are fixed in Z and dV; the sums of dK and db run over them. The sums of a transposed
convolution are those of the convolution that it transposes, for V and G exchanged: its Z is that dV, and its dV that Z.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, IntArray
from convcli.convolution.formulas import formulas_of, index_letters, output_formula, transposed_symbols
from convcli.convolution.places import bracketed
from convcli.explain.terms import Sum, Tensors
from convcli.geometry.axes import Geometry


class PaddedPlaces(NamedTuple):
    """The padded rows and columns that hold a pixel of V: the pixel itself, and its copies in the pads."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


class Bias(NamedTuple):
    """The bias of a number: how a formula writes it, such as ``b[2]``, and its value."""

    symbol: str
    value: float


class Derivation(NamedTuple):
    """The sum behind a number, its formula in letters and in numbers, its bias, and the padded places of its pixel."""

    sum: Sum
    formula: str
    equation: str
    bias: Bias | None = None
    padded: PaddedPlaces | None = None


def derive(tensors: Tensors, of: str, at: tuple[int, ...]) -> Derivation:
    """Return the sum behind the number ``at`` of a tensor, which is a name in SYMBOLS."""
    transposed = tensors.transposed
    derivations: dict[str, Callable[[Tensors, tuple[int, ...]], Derivation]] = {
        "output": _transposed_output if transposed else _output,
        "kernel": _transposed_kernel if transposed else _kernel,
        "input": _transposed_input if transposed else _input,
        "bias": _transposed_bias if transposed else _bias,
    }
    return derivations[of](tensors, at)


def _output(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    geometry, bias = tensors.geometry, tensors.prepared.convolution.bias
    index = dict(zip(tensors.output_letters, at, strict=True))
    channels = {} if tensors.is_plane else {"l": geometry.in_channels}
    extents = {**channels, "m": geometry.rows.taps, "n": geometry.columns.taps}
    formula = output_formula(tensors.prepared, tensors.formulas.layouts)
    return Derivation(
        sum=Sum(("V'", "K"), index, _axes(extents, index)),
        formula=formula,
        equation=_with_numbers(formula, geometry, index),
        bias=None if bias is None else _bias_at(at, bias, "ijk", tensors),
    )


def _kernel(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    geometry = tensors.geometry
    index = dict(zip(index_letters("kernel", len(at)), at, strict=True))
    rows = np.arange(index.get("p", 0), geometry.rows.output, geometry.tiling[0])
    columns = np.arange(index.get("q", 0), geometry.columns.output, geometry.tiling[1])
    fixed = {letter: number for letter, number in index.items() if letter not in "pq"}
    formula = tensors.formulas.gradient("kernel", len(at))
    sum_ = Sum(("G", "V'"), fixed, (*_axes(tensors.extents, index), {"j": rows}, {"k": columns}))
    return Derivation(sum_, formula, _with_numbers(formula, geometry, index))


def _input(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    geometry, formulas, (*before, row, column) = tensors.geometry, tensors.formulas, at
    index = dict(zip(tensors.extents, before, strict=True))
    reads = dict(zip("jm", tensors.reads(0, row), strict=True)), dict(zip("kn", tensors.reads(1, column), strict=True))
    padded = PaddedPlaces(tensors.copies(0, row), tensors.copies(1, column))
    outputs = () if tensors.is_plane else ({"i": tensors.outputs_of(index)},)
    known: dict[str, int | str] = {
        **index,
        "a": " or ".join(map(str, padded.rows)),
        "c": " or ".join(map(str, padded.columns)),
    }
    fixed = index if tensors.is_plane else {**index, "l": index.get("l", 0) % geometry.in_channels}
    place = bracketed(formulas.indices("input", index_letters("input", len(at)), at))
    return Derivation(
        sum=Sum(("G", "K"), fixed, (*outputs, *reads)),
        formula=formulas.gradient("input", len(at)),
        equation=f"dV{place} = {_with_numbers(formulas.input_sum, geometry, known)}",
        padded=padded,
    )


def _bias(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    geometry = tensors.geometry
    index = dict(zip(index_letters("bias", len(at)), at, strict=True))
    extents = dict(zip(tensors.output_letters, geometry.output_shape, strict=True))
    formula = tensors.formulas.gradient("bias", len(at))
    return Derivation(Sum(("G",), index, _axes(extents, index)), formula, _with_numbers(formula, geometry, index))


def _transposed_output(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    found, bias = _renamed(_input(tensors, at)), tensors.layer.convolution.bias
    formula = output_formula(tensors.layer, tensors.formulas.layouts)
    if bias is None:
        return found._replace(formula=formula)
    added = _bias_at(at, bias, "lac", tensors)
    equation = found.equation.replace(" = ", f" = {added.symbol} + ", 1)
    return found._replace(formula=formula, equation=equation, bias=added)


def _transposed_kernel(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    return _renamed(_kernel(tensors, at))


def _transposed_input(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    # A plane (OH, OW) is the only channel of a bank.
    missing = len(tensors.output_letters) - len(at)
    return _renamed(_output(tensors, (0,) * missing + at))


def _transposed_bias(tensors: Tensors, at: tuple[int, ...]) -> Derivation:
    formulas, geometry = formulas_of(tensors.layer, tensors.formulas.layouts), tensors.geometry
    index = dict(zip(formulas.letters("bias", len(at)), at, strict=True))
    extents = dict(zip(tensors.input_letters, tensors.V.shape, strict=True))
    formula = formulas.gradient("bias", len(at))
    return Derivation(Sum(("V",), index, _axes(extents, index)), formula, _with_numbers(formula, geometry, index))


def _renamed(found: Derivation) -> Derivation:
    """Return a derivation of the convolution that is transposed, with the symbols of the transposed one."""
    return found._replace(formula=transposed_symbols(found.formula), equation=transposed_symbols(found.equation))


def _bias_at(at: tuple[int, ...], bias: Array, letters: str, tensors: Tensors) -> Bias:
    """Return the bias of Z[at]. letters: those of the axes of an untied bias."""
    index = at[-3:][: bias.ndim]
    place = bracketed(tensors.formulas.indices("bias", letters[: bias.ndim], index))
    return Bias(f"b{place}", float(bias[index]))


def _axes(extents: Mapping[str, int], fixed: Mapping[str, int]) -> tuple[dict[str, IntArray], ...]:
    """Return an axis for each letter that is not fixed."""
    return tuple({letter: np.arange(extent)} for letter, extent in extents.items() if letter not in fixed)


def _with_numbers(formula: str, geometry: Geometry, index: Mapping[str, int | str]) -> str:
    """Return the formula with numbers for all letters except those that the sum runs over."""
    y, x = geometry.rows, geometry.columns
    known: dict[str, int | str] = {"sy": y.stride, "sx": x.stride, "dy": y.dilation, "dx": x.dilation}
    known |= {"kh": y.taps, "kw": x.taps, "tr": geometry.tiling[0], "tc": geometry.tiling[1]}
    known |= {"co": geometry.out_channels, "ci": geometry.in_channels, **index}
    numbers = re.sub(r"\b(?:[a-z]{1,2}|batch\d*)\b", lambda match: str(known.get(match[0], match[0])), formula)
    return re.sub(r"(\d+)(//|%)(\d+)", _evaluated, numbers)


def _evaluated(division: re.Match[str]) -> str:
    """Return the quotient or the remainder of a division of two whole numbers."""
    dividend, divisor = int(division[1]), int(division[3])
    return str(dividend // divisor if division[2] == "//" else dividend % divisor)
