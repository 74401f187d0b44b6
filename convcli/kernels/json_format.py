"""Read and write kernel JSON.

    kernel  = weights | {"convcli": 1, "name": string, "weights": weights, "bias": bias,
                         "scale": number | "divisor": number, "groups": count, "kernel_layout": layout}
    weights = nested lists of numbers, of a rank in KERNEL_RANKS
    bias    = number                          for weights (kh, kw)
            | [number, ...]                   for a bank: one for each of the C_out output channels
            | [[[number, ...], ...], ...]     untied: one for each output unit, (C_out, OH, OW)

    layout  = "oihw" | "hwio" | "ohwi"  the order of the axes of weights

Only "weights" is required. "convcli" is the version of this grammar: convcli writes it, and other text may omit it. The
weights are multiplied by "scale" or divided by "divisor"; the bias is not. "groups" divides C_out, and is 1 by default.
Numbers are finite in float64. Every error is one line, ``source:line:column: path: message``; lines and columns count
from 1.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from convcli.arrays import FloatArray
from convcli.errors import JsonError, KernelError
from convcli.files.json_reading import Fault, JsonPath, finite, read_json, rectangle, said_layout
from convcli.kernels.kernel import Kernel, is_spoilt, require_kernel_shape
from convcli.layouts import CHANNEL_MAJOR, DEFAULT, KERNEL_LAYOUTS, Layout, Layouts
from convcli.text import did_you_mean, in_one_line
from convcli.version import JSON_VERSION

KEYS = ("name", "weights", "bias", "scale", "divisor", "groups", "kernel_layout", "convcli")

_RESCALINGS: Mapping[str, Callable[[FloatArray, float], FloatArray]] = {"scale": np.multiply, "divisor": np.divide}


def parse_kernel_json(text: str, source: str, name: str, layout: Layout = CHANNEL_MAJOR) -> Kernel:
    """Return the kernel that kernel JSON describes; its weights and bias are float64.

    source: the name of the text in errors.  name: the name of the kernel if the text has none.
    layout: the order of the axes of its weights, if the text names none.
    Raises KernelError for text that is not JSON, or does not follow the grammar at the top of this module.
    """
    try:
        return read_json(text, source, lambda document: _kernel(document, name, layout))
    except JsonError as error:
        raise KernelError(str(error)) from None


def kernel_to_json(kernel: Kernel, layouts: Layouts = DEFAULT) -> dict[str, Any]:
    """Return the members of a JSON document that ``parse_kernel_json`` reads back exactly.

    Characters of the name that cannot be printed are escaped.
    """
    members = {name: layout for name, layout in layouts.to_json().items() if name in KEYS}
    bias = {} if kernel.bias is None else {"bias": kernel.bias}
    groups = {} if kernel.groups == 1 else {"groups": kernel.groups}
    weights = layouts.kernel.stored(kernel.weights)
    return {"name": in_one_line(kernel.name), **members, "weights": weights, **bias, **groups}


def _kernel(document: object, name: str, layout: Layout) -> Kernel:
    if isinstance(document, list):
        return Kernel(name, _weights(document, (), layout))
    if not isinstance(document, tuple):
        raise Fault((), "expected nested lists of weights or an object")
    _require_version(document)
    members = _members(document)
    said = said_layout(members, "kernel_layout", KERNEL_LAYOUTS)
    weights = _rescale(_weights(members["weights"], ("weights",), said or layout), members)
    return Kernel(
        name=_name(members, name),
        weights=weights,
        bias=_bias(members, weights.shape),
        groups=_groups(members, weights.shape),
    )


def _require_version(pairs: Iterable[tuple[str, object]]) -> None:
    for key, value in pairs:
        if key == "convcli" and (not isinstance(value, float) or value != JSON_VERSION):
            raise Fault((key,), f"expected {JSON_VERSION}, the version of kernel JSON that this convcli reads")


def _members(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key not in KEYS:
            raise Fault(
                (key,),
                f"unknown key; the keys are {', '.join(KEYS)}{did_you_mean(key, KEYS)}",
                says_given=True,
                at_key=True,
            )
        if key in members:
            raise Fault((key,), "given twice; keep one", says_given=True, at_key=True)
        members[key] = value
    if "weights" not in members:
        keys = ", ".join(members) or "no keys"
        raise Fault((), f"expected the key weights, given {keys}", says_given=True)
    return members


def _weights(value: object, path: JsonPath, layout: Layout) -> FloatArray:
    if not isinstance(value, list):
        raise Fault(path, "expected nested lists of numbers")
    shape, numbers = rectangle(value, path)
    try:
        require_kernel_shape(shape)
    except KernelError as error:
        raise Fault(path, str(error), says_given=True) from None
    return np.ascontiguousarray(layout.channel_major(finite(numbers, shape, path)))


def _rescale(weights: FloatArray, members: Mapping[str, object]) -> FloatArray:
    keys = [key for key in _RESCALINGS if key in members]
    if len(keys) > 1:
        raise Fault(("divisor",), "given besides scale; keep one", says_given=True, at_key=True)
    for key in keys:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            rescaled = _RESCALINGS[key](weights, _number(members[key], (key,)))
        if is_spoilt(rescaled, weights):
            raise Fault((key,), "expected a number that leaves the weights finite, and not all of them 0")
        return rescaled
    return weights


def _name(members: Mapping[str, object], default: str) -> str:
    if "name" not in members:
        return default
    name = members["name"]
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise Fault(("name",), "expected a string of printable characters")
    return name


def _bias(members: Mapping[str, object], weights_shape: tuple[int, ...]) -> FloatArray | None:
    if "bias" not in members:
        return None
    shape, numbers = rectangle(members["bias"], ("bias",))
    if len(weights_shape) == 2:
        fits, expected = shape == (), "a number"
    else:
        channels = weights_shape[0]
        fits = shape[:1] == (channels,) and len(shape) in (1, 3) and 0 not in shape
        expected = f"shape ({channels},), or untied ({channels}, OH, OW)"
    if not fits:
        raise Fault(("bias",), f"expected {expected}, given shape {shape}", says_given=True)
    return finite(numbers, shape, ("bias",))


def _groups(members: Mapping[str, object], weights_shape: tuple[int, ...]) -> int:
    groups = members.get("groups", 1.0)
    if not isinstance(groups, float) or groups < 1 or not groups.is_integer():
        raise Fault(("groups",), "expected a whole number of at least 1")
    if len(weights_shape) == 2 and groups != 1:
        raise Fault(("groups",), "expected 1, because weights (kh, kw) filter every channel alone")
    if weights_shape[0] % groups:
        raise Fault(("groups",), f"expected a divisor of C_out = {weights_shape[0]}")
    return int(groups)


def _number(value: object, path: JsonPath) -> float:
    shape, numbers = rectangle(value, path)
    if shape:
        raise Fault(path, "expected a number")
    return float(finite(numbers, shape, path))
