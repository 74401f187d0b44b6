"""Confusions that other options of ``check`` describe: each ends in the options that make the check hold."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from convcli.apply.appearance import LEVELS, depth_of
from convcli.arrays import FloatArray, channels_of, fit
from convcli.check.candidates import Candidate, fault_of, request
from convcli.check.case import Case, Trials
from convcli.check.readings import LEAST_FITTED, is_close
from convcli.convolution.transposed import TransposedConvolution
from convcli.geometry.axes import Geometry
from convcli.geometry.fills import COPYING_RULES, EdgeFill
from convcli.geometry.options import PADDING_RULES, PaddingRule, Pads
from convcli.geometry.transposed import OutputSize
from convcli.layouts import KERNEL_LAYOUTS, MAP_LAYOUTS, Layout
from convcli.pictures.gray import luma

# The strides and dilations of an axis that are tried.
STEPS = range(1, 5)
# The most geometries that are tried for one case.
MOST_GEOMETRIES = 120


def simple_requests(case: Case) -> Iterator[Candidate]:
    """Yield the confusions of all options but stride, padding and dilation, the commonest first."""
    yield _flip(case)
    yield from _upstream(case)
    yield from _relu(case)
    yield from _without_bias(case)
    yield from _edges(case)
    yield from _kernel_layouts(case)
    yield from _map_layouts(case)
    yield from _pixels(case)
    yield from _groups(case)
    yield from _transposition(case)


def _flip(case: Case) -> Candidate:
    flip = not case.layer.options.flip
    says = "is that of the flipped kernel" if flip else "is that of the kernel as it is, not flipped: leave out `flip`"
    return request(says, "`flip`" if flip else None, case, lambda case: case.with_options(flip=flip))


def _upstream(case: Case) -> Iterator[Candidate]:
    if case.tensor != "output" and not case.has_ones:
        ones = np.ones(case.G.shape)
        yield request("was made with ones for G", "`upstream` ones", case, lambda case: case._replace(G=ones))


def _relu(case: Case) -> Iterator[Candidate]:
    if case.tensor == "output":
        return
    if case.relu:
        says = "lacks the mask of the ReLU: multiply dA by (Z > 0) to get G"
        yield fault_of(says, case._replace(relu=False))
    else:
        says = "has the mask of a ReLU after Z: it is that of G * (Z > 0)"
        yield request(says, "`relu`", case, lambda case: case._replace(relu=True))


def _without_bias(case: Case) -> Iterator[Candidate]:
    bias = case.layer.bias
    if bias is not None and case.tensor == "output":
        zeros = np.zeros_like(bias) if bias.ndim < 2 else np.array(0.0)
        text = ",".join(["0"] * zeros.size)
        yield request("lacks the bias", f"`bias` {text}", case, lambda case: case.with_bias(zeros))


def _edges(case: Case) -> Iterator[Candidate]:
    for edge in (EdgeFill(rule) for rule in ("constant", *COPYING_RULES)):
        if edge != case.layer.options.edge:
            says = f"was made with the edge fill {edge}"
            yield request(says, f"`edge` {edge}", case, partial(Case.with_options, edge=edge))


def _kernel_layouts(case: Case) -> Iterator[Candidate]:
    own = case.layouts.kernel
    for name, layout in KERNEL_LAYOUTS.items():
        if layout != own and case.layer.weights.ndim > 2:
            says = f"was made from a kernel that is stored as {name.upper()}"
            yield request(says, f"`kernel_layout` {name}", case, partial(_with_kernel_layout, layout=layout))


def _with_kernel_layout(case: Case, layout: Layout) -> Case:
    """Return the case of a kernel, and for its gradient of a tensor, that are read in this layout."""
    own = case.layouts.kernel
    other = case.with_weights(layout.channel_major(own.stored(case.layer.weights)))
    other = other._replace(layouts=case.layouts._replace(kernel=layout))
    if case.tensor != "kernel":
        return other
    return other._replace(restored=lambda dK: own.channel_major(layout.stored(dK)))


def _map_layouts(case: Case) -> Iterator[Candidate]:
    if case.V.ndim > 2:
        own = case.layouts.maps
        layout = MAP_LAYOUTS["hwc" if own.is_channel_major else "chw"]
        says = f"was made from tensors that are stored as {layout.name.upper()}"
        yield request(says, f"`layout` {layout.name}", case, partial(_with_map_layout, layout=layout))


def _with_map_layout(case: Case, layout: Layout) -> Case:
    """Return the case of V, G and a tensor that are read in this layout."""
    own = case.layouts.maps
    V, G = (layout.channel_major(own.stored(each)) for each in (case.V, case.G))
    other = case._replace(V=V, G=G, layouts=case.layouts._replace(maps=layout))
    if case.tensor not in ("output", "input"):
        return other
    return other._replace(restored=lambda tensor: own.channel_major(layout.stored(tensor)))


def _pixels(case: Case) -> Iterator[Candidate]:
    if case.V.dtype.kind in "iu":
        level = LEVELS[depth_of(case.V.dtype)]
        says = f"was made from pixel values in 0..1 (V / {level})"
        yield request(says, "`unit`", case, lambda case: case._replace(V=case.V / level))
    if channels_of(case.V.shape) == 3:
        yield request("was made from the gray picture", "`gray`", case, lambda case: case._replace(V=luma(case.V)))


def _groups(case: Case) -> Iterator[Candidate]:
    if isinstance(case.layer, TransposedConvolution) and case.layer.weights.ndim > 2:
        for groups in range(1, len(case.layer.weights) + 1):
            if groups != case.layer.options.groups and len(case.layer.weights) % groups == 0:
                says = f"was made with {groups} group{'s' * (groups != 1)}"
                yield request(says, f"`groups` {groups}", case, partial(Case.with_options, groups=groups))


def _transposition(case: Case) -> Iterator[Candidate]:
    if case.tensor != "output":
        return
    sizes = [OutputSize(padding=(rows, columns)) for rows in range(max(STEPS)) for columns in range(max(STEPS))]
    if isinstance(case.layer, TransposedConvolution):
        for size in sizes:
            says, cure = f"has output padding {_extra(size)}", f"`output_padding` {_extra(size)}"
            yield request(says, cure, case, partial(_transposed, size=size))
        says = "is that of the convolution, not of its transpose: leave out `transpose`"
        yield request(says, None, case, _plain)
        return
    says = "is that of the transposed convolution"
    yield request(says, "`transpose`", case, partial(_transposed, size=OutputSize()))
    for size in sizes:
        cure = f"`transpose` `output_padding` {_extra(size)}"
        yield request(f"{says}, with output padding {_extra(size)}", cure, case, partial(_transposed, size=size))


def _extra(size: OutputSize) -> str:
    assert size.padding is not None
    return pair(size.padding)


def _transposed(case: Case, size: OutputSize) -> Case:
    """Return the case of the transposed convolution with this size."""
    forward = replace(case.layer.forward, bias=None)
    return case._replace(layer=TransposedConvolution(forward, case.layer.bias, size))


def _plain(case: Case) -> Case:
    """Return the case of the convolution that is not transposed."""
    return case._replace(layer=replace(case.layer.forward, bias=case.layer.bias))


def forgotten_bias(case: Case, ours: FloatArray, tolerance: float) -> Candidate | None:
    """Return the bias that their Z has; None if it does not differ from ours by a constant in each channel."""
    theirs, own = fit(case.theirs, ours.shape), case.layer.bias
    if theirs is None or case.tensor != "output" or (own is not None and own.ndim > 1):
        return None
    per_channel = case.layer.weights.ndim > 2
    axes = tuple(axis for axis in range(ours.ndim) if not (per_channel and axis == ours.ndim - 3))
    constants = np.median(theirs - ours, axis=axes, keepdims=True)
    if ours.size < LEAST_FITTED * constants.size:
        return None
    if not is_close(ours + constants, theirs, tolerance):
        return None
    texts = [f"{each:.7g}" for each in (constants.reshape(-1) + (0.0 if own is None else own)).tolist()]
    bias = np.array([float(text) for text in texts])
    added = bias if per_channel else bias[0]
    says = "has a bias added" if own is None else "has another bias added"
    return request(says, f"`bias` {','.join(texts)}", case, lambda case: case.with_bias(added))


def constant_fill(case: Case, ours: FloatArray, trials: Trials) -> Candidate | None:
    """Return the constant in the pads from which theirs was made; None if none explains it.

    Z and dK are linear in it: the tensor for another constant differs from ours by a multiple of one difference.
    """
    theirs, edge = fit(case.theirs, ours.shape), case.layer.options.edge
    if theirs is None or edge.copies or case.tensor not in ("output", "kernel"):
        return None
    step = trials.tensor(case.with_options(edge=edge._replace(value=edge.value + 1)))
    if step is None or (step != ours).sum() < LEAST_FITTED:
        return None
    step = step - ours
    value = float(f"{edge.value + float(np.vdot(step, theirs - ours)) / float(np.vdot(step, step)):.6g}")
    fill = EdgeFill("constant", value)
    if fill == edge or not np.isfinite(value):
        return None
    return request(f"was made with the edge fill {fill}", f"`edge` {fill}", case, partial(Case.with_options, edge=fill))


class _Setting(NamedTuple):
    """A stride, a padding and a dilation, and the names of those that differ from the case's own."""

    stride: tuple[int, int]
    padding: PaddingRule | Pads
    dilation: tuple[int, int]
    changed: tuple[str, ...]


def other_geometries(case: Case) -> list[Candidate]:
    """Return other strides, paddings and dilations with which the shapes fit, first those that change one of them."""
    tried = {_geometry(case)}
    found: list[Candidate] = []
    for setting in sorted(_settings(case), key=lambda setting: (len(setting.changed), len(_cure(setting)))):
        change = partial(Case.with_options, **{name: getattr(setting, name) for name in setting.changed})
        candidate = request(f"was made with {_in_words(setting)}", _cure(setting), case, change)
        geometry = candidate.case and _geometry(candidate.case)
        if geometry is not None and geometry not in tried:
            tried.add(geometry)
            found.append(candidate)
        if len(found) == MOST_GEOMETRIES:
            break
    return found


def _geometry(case: Case) -> Geometry | None:
    """Return the case's geometry; None if its shapes do not fit together, or not to G or to their Z."""
    shape = case.output_shape()
    if shape is None or case.upstream(shape) is None:
        return None
    if case.tensor == "output" and fit(case.theirs, shape) is None:
        return None
    prepared = case.prepared()
    return None if prepared is None else prepared.geometry


def _settings(case: Case) -> Iterator[_Setting]:
    own = case.layer.options
    tried = set()
    for stride, dilation in product(_steps(own.stride), _steps(own.dilation)):
        for padding in (own.padding, *PADDING_RULES.values(), *_explicit_pads(case, stride, dilation)):
            new = {"stride": stride, "padding": padding, "dilation": dilation}
            changed = tuple(name for name, value in new.items() if value != getattr(own, name))
            if changed and (stride, dilation, padding) not in tried:
                tried.add((stride, dilation, padding))
                yield _Setting(stride, padding, dilation, changed)


def _steps(own: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the strides or dilations to try: equal along both axes, or changed along one axis, or swapped."""
    equal = [(step, step) for step in STEPS]
    one_axis = [(step, own[1]) for step in STEPS] + [(own[0], step) for step in STEPS]
    return list(dict.fromkeys([own, own[::-1], *equal, *one_axis]))


def _explicit_pads(case: Case, stride: tuple[int, int], dilation: tuple[int, int]) -> Iterator[Pads]:
    sizes, taps = case.V.shape[-2:], case.layer.weights.shape[-2:]
    if isinstance(case.layer, TransposedConvolution):
        yield from ((pad,) * 4 for pad in range(max(taps)))
        return
    outputs = _outputs(case)
    axes = [list(_pads(*axis)) for axis in zip(sizes, taps, stride, dilation, outputs or (None, None), strict=True)]
    for rows, columns in product(*axes):
        yield (*rows, *columns)


def _outputs(case: Case) -> tuple[int, int] | None:
    """Return the rows and columns that Z must have; None if it may have any."""
    if case.tensor != "output":
        return None if case.has_ones else (case.G.shape[-2], case.G.shape[-1])
    theirs = case.theirs
    return (theirs.shape[-2], theirs.shape[-1]) if theirs.ndim > 1 else None


def _pads(size: int, taps: int, stride: int, dilation: int, outputs: int | None) -> Iterator[tuple[int, int]]:
    """Yield the pads of an axis with which it has this number of outputs; equal ones if it may have any number."""
    reach = dilation * (taps - 1) + 1
    if outputs is None:
        yield from ((pad, pad) for pad in range(reach))
        return
    least = (outputs - 1) * stride + reach - size
    for before in range(reach):
        after = before if least <= 2 * before < least + stride else max(0, least - before)
        if after < reach and before + after < least + stride:
            yield before, after


def _cure(setting: _Setting) -> str:
    texts = {
        "stride": pair(setting.stride),
        "padding": _pads_text(setting.padding),
        "dilation": pair(setting.dilation),
    }
    return " ".join(f"`{name}` {texts[name]}" for name in setting.changed)


def _in_words(setting: _Setting) -> str:
    return _cure(setting).replace("`", "")


def pair(numbers: tuple[int, int]) -> str:
    """Return an option of two numbers as a user types it."""
    return str(numbers[0]) if numbers[0] == numbers[1] else f"{numbers[0]},{numbers[1]}"


def _pads_text(padding: PaddingRule | Pads) -> str:
    if callable(padding):
        return next(name for name, rule in PADDING_RULES.items() if rule == padding)
    top, bottom, left, right = padding
    return pair((top, left)) if (top, left) == (bottom, right) else f"{top},{bottom},{left},{right}"
