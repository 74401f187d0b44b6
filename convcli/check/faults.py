"""Faults in the code that computed the user's tensor: what a loop, a sum or an index does wrong."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, combinations, product
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.check.candidates import Candidate, fault, fault_of
from convcli.check.case import Case, Trials
from convcli.convolution.operands import REVERSED, flipped
from convcli.convolution.prepared import Prepared
from convcli.geometry.edges import pad_adjoint

ASSIGNED = "`=` where `+=` is needed"
# The most images whose part of dK or db is computed alone.
MOST_IMAGES = 16


def faults(case: Case) -> Iterator[Candidate]:
    """Yield the faults of the case's tensor, the commonest first.  case: of a convolution, not of a transposed one."""
    by_tensor = {"output": _of_output, "kernel": _of_kernel, "input": _of_input, "bias": _of_bias}
    yield from by_tensor[case.tensor](case)


def _of_output(case: Case) -> Iterator[Candidate]:
    K = case.layer.weights
    yield fault("has a ReLU applied, max(Z, 0): compare Z before it", _changed(case, lambda Z: np.maximum(Z, 0)))
    yield from _steps_forgotten(case)
    yield from _bias_added_often(case)
    if K.ndim > 2:
        yield _of_weights(case, f"holds only the last input channel: {ASSIGNED} over channels", np.s_[..., -1:, :, :])
        yield _of_weights(case, "holds only the first input channel: sum over all", np.s_[..., :1, :, :])
    yield _of_weights(case, f"holds only the last tap of the kernel: {ASSIGNED} over taps", np.s_[..., -1:, -1:])
    yield _of_weights(case, f"holds only the last row of taps: {ASSIGNED} over rows", np.s_[..., -1:, :])
    yield _of_weights(case, f"holds only the last column of taps: {ASSIGNED} over columns", np.s_[..., -1:])
    yield from _other_kernels(case)
    yield from _pixel_values(case)
    yield from _wrong_groups(case)


def _of_kernel(case: Case) -> Iterator[Candidate]:
    yield from _parts_of_upstream(case)
    yield from _steps_forgotten(case)
    yield from _summed_channels(case)
    yield from _other_inputs(case)
    yield from _wrong_groups(case)


def _of_input(case: Case) -> Iterator[Candidate]:
    yield from _wrong_crops(case)
    yield from _overwritten(case)
    if case.layer.weights.ndim > 2:
        yield _of_upstream(case, f"holds only the last output channel: {ASSIGNED} over channels", np.s_[..., -1:, :, :])
    yield fault("has the mask of a ReLU on V: it is dV * (V > 0)", _changed(case, lambda dV: dV * (case.V > 0)))
    yield from _steps_forgotten(case)
    yield from _other_kernels(case)
    yield from _wrong_groups(case)
    yield from _summed_channels(case)


def _of_bias(case: Case) -> Iterator[Candidate]:
    yield from _parts_of_upstream(case)
    yield from _wrong_sums(case)


def _changed(case: Case, change: Callable[[FloatArray], FloatArray]) -> Callable[[Trials], FloatArray | None]:
    def compute(trials: Trials) -> FloatArray | None:
        found = trials.tensor(case)
        return None if found is None else change(found)

    return compute


def _only(array: Array, part: Any) -> Array:
    """Return the array with zeros outside a part."""
    kept = np.zeros_like(array)
    kept[part] = array[part]
    return kept


def _of_weights(case: Case, says: str, part: Any) -> Candidate:
    return fault_of(says, case.with_weights(_only(case.layer.weights, part)))


def _of_upstream(case: Case, says: str, part: Any) -> Candidate:
    return fault_of(says, case._replace(G=_only(case.G, part)))


def _parts_of_upstream(case: Case) -> Iterator[Candidate]:
    """Yield sums over a part of G: the last window, the last image, one image."""
    has_batch = case.V.ndim > 3 and case.V.shape[0] > 1
    window = np.s_[..., -1:, -1:]
    yield _of_upstream(case, f"holds only the last window: {ASSIGNED} over windows", window)
    if has_batch:
        images = case.V.shape[0]
        last = f"holds only the last image: {ASSIGNED} over images, or the batch is not summed"
        yield _of_upstream(case, last, np.s_[-1:])
        says = f"holds only the last window of the last image: {ASSIGNED} over images and windows"
        yield _of_upstream(case, says, np.s_[-1:, ..., -1:, -1:])
        for image in range(min(images - 1, MOST_IMAGES)):
            says = f"holds only image {image} of {images}: sum over the batch"
            yield _of_upstream(case, says, np.s_[image : image + 1])
    yield _of_upstream(case, f"holds only the last row of windows: {ASSIGNED} over rows", np.s_[..., -1:, :])
    yield _of_upstream(case, f"holds only the last column of windows: {ASSIGNED} over columns", np.s_[..., -1:])


def _steps_forgotten(case: Case) -> Iterator[Candidate]:
    """Yield tensors of windows or taps that lie 1 pixel apart along an axis, instead of a stride or a dilation."""
    options = case.layer.options
    for name, of, right in (("stride", "windows", ("j*sy", "k*sx")), ("dilation", "taps", ("m*dy", "n*dx"))):
        own = getattr(options, name)
        for axes, along in (((0, 1), ""), ((0,), " along rows"), ((1,), " along columns")):
            if all(own[axis] > 1 for axis in axes):
                steps = tuple(1 if axis in axes else own[axis] for axis in (0, 1))
                place = right[axes[0]]
                says = f"has {of} that lie 1 pixel apart{along}: multiply by the {name} ({place}, not {place[0]})"
                yield fault(says, _with_more_outputs(case, {name: steps}))


def _with_more_outputs(case: Case, options: dict[str, object]) -> Callable[[Trials], FloatArray | None]:
    """Return the tensor for other options whose Z may be larger: only the first outputs count, as many as G has."""

    def compute(trials: Trials) -> FloatArray | None:
        mine, other = case.prepared(), case.with_options(**options)._replace(G=np.ones(1))
        prepared = other.prepared()
        if mine is None or prepared is None:
            return None
        rows, columns = mine.output_shape[-2:]
        if prepared.output_shape[-2] < rows or prepared.output_shape[-1] < columns:
            return None
        first = np.s_[..., :rows, :columns]
        if case.tensor == "output":
            Z = trials.tensor(other)
            return None if Z is None else Z[first]
        G = np.zeros(prepared.output_shape)
        G[first] = case.G
        return trials.tensor(other._replace(G=G))

    return compute


def _bias_added_often(case: Case) -> Iterator[Candidate]:
    bias, K = case.layer.bias, case.layer.weights
    if bias is None:
        return
    taps, channels = K.shape[-2] * K.shape[-1], K.shape[-3] if K.ndim > 2 else 1
    for times, of in ((channels, "input channel"), (taps, "tap"), (channels * taps, "product")):
        if times > 1:
            says = f"has the bias added once per {of}, {times} times in all: add it once"
            yield fault_of(says, case.with_bias(times * bias))


def _other_kernels(case: Case) -> Iterator[Candidate]:
    K = case.layer.weights
    kernels = {
        "is that of a kernel flipped along rows only": K[..., ::-1, :],
        "is that of a kernel flipped along columns only": K[..., ::-1],
        "is that of a kernel with rows and columns swapped": K.swapaxes(-1, -2),
        "is that of a kernel turned by 90 degrees: np.rot90(K, 2, (-2, -1)) turns by 180": np.rot90(K, 1, (-2, -1)),
        "is that of a kernel turned by -90 degrees: np.rot90(K, 2, (-2, -1)) turns by 180": np.rot90(K, -1, (-2, -1)),
    }
    if K.ndim > 2:
        kernels |= {
            "is that of a kernel with its in and out channels swapped": K.swapaxes(0, -3),
            "is that of a kernel with its input channels in reverse order": K[..., ::-1, :, :],
            "is that of a kernel with its output channels in reverse order": K[::-1],
            "is that of a kernel flipped along its input channels too": K[..., ::-1, ::-1, ::-1],
        }
    for says, weights in kernels.items():
        if weights.shape == K.shape:
            yield fault_of(says, case.with_weights(weights))


def _pixel_values(case: Case) -> Iterator[Candidate]:
    yield fault_of("was made from V / 255: pixel values in 0..1, not 0..255", case._replace(V=case.V / 255))
    yield fault_of("was made from V * 255: pixel values in 0..255, not 0..1", case._replace(V=case.V * 255.0))


def _other_inputs(case: Case) -> Iterator[Candidate]:
    V = case.V
    yield fault_of("was made from V with rows flipped", case._replace(V=V[..., ::-1, :]))
    yield fault_of("was made from V with columns flipped", case._replace(V=V[..., ::-1]))
    if V.shape[-1] == V.shape[-2]:
        yield fault_of("was made from V with rows and columns swapped", case._replace(V=V.swapaxes(-1, -2)))
        if case.G.shape[-1] == case.G.shape[-2]:
            says = "was made from G with rows and columns swapped"
            yield fault_of(says, case._replace(G=case.G.swapaxes(-1, -2)))


def _wrong_groups(case: Case) -> Iterator[Candidate]:
    groups, K = case.layer.options.groups, case.layer.weights
    if groups == 1 and K.ndim == 4 and case.tensor != "kernel":
        for parts in range(2, min(K.shape[:2]) + 1):
            if K.shape[0] % parts == K.shape[1] % parts == 0:
                mask = np.kron(np.eye(parts), np.ones((K.shape[0] // parts, K.shape[1] // parts)))
                says = f"mixes only the channels of {parts} groups: the sum is over all input channels"
                yield fault_of(says, case.with_weights(K * mask[:, :, None, None]))
    if groups > 1 and case.V.ndim > 2:
        first = case.V[..., : case.V.shape[-3] // groups, :, :]
        says = "reads the first group's input channels in every group: add the group's offset to the channel"
        yield fault_of(says, case._replace(V=np.concatenate([first] * groups, axis=-3)))


def _summed_channels(case: Case) -> Iterator[Candidate]:
    if case.layer.weights.ndim > 2 and case.tensor == "kernel":
        for axis, name in ((-3, "input"), (0, "output")):
            yield fault(f"is summed over {name} channels", _changed(case, _summed_over(axis)))
    if case.tensor == "input" and case.V.ndim > 2:
        yield fault("is summed over input channels", _changed(case, _summed_over(-3)))


def _summed_over(axis: int) -> Callable[[FloatArray], FloatArray]:
    return lambda tensor: np.broadcast_to(tensor.sum(axis=axis, keepdims=True), tensor.shape)


def _wrong_crops(case: Case) -> Iterator[Candidate]:
    """Yield windows of dV with its pads that begin elsewhere than at the first pixel of the image."""
    prepared = case.prepared()
    if not isinstance(prepared, Prepared) or prepared.geometry.edge.copies:
        return
    y, x = prepared.geometry.rows, prepared.geometry.columns
    padded: list[FloatArray | None] = []

    def compute(top: int, left: int, trials: Trials) -> FloatArray | None:
        if not padded:
            V = np.zeros((*case.V.shape[:-2], y.padded, x.padded))
            padded.append(trials.tensor(case._replace(V=V).with_options(padding=(0, 0, 0, 0))))
        whole = padded[0]
        return None if whole is None else whole[..., top : top + y.size, left : left + x.size]

    ends = {0: "at the end only", y.before + y.after: "at the start only"}
    for top, left in product(range(y.before + y.after + 1), range(x.before + x.after + 1)):
        if (top, left) != (y.before, x.before):
            both = ends.get(top, "") if (top == 0) == (left == 0) and top in ends else ""
            where = f"row {top}, column {left} of dV with its pads, not at row {y.before}, column {x.before}"
            says = f"has its pads cropped {both or 'wrongly'}: it begins at {where}"
            yield fault(says, partial(compute, top, left))


def _overwritten(case: Case) -> Iterator[Candidate]:
    """Yield dV whose overlapping windows replace each other instead of adding up."""
    prepared = case.prepared()
    if isinstance(prepared, Prepared) and prepared.geometry.shares_weights:
        last, first = "holds only the last window of each pixel", "holds only the last tap of each pixel"
        windows, taps = f"{last}: {ASSIGNED} over windows", f"{first}: {ASSIGNED} over taps"
        yield fault(windows, partial(_overwriting, case, prepared, descending=True, channels=slice(None)))
        yield fault(taps, partial(_overwriting, case, prepared, descending=False, channels=slice(None)))
        if prepared.geometry.out_channels > 1:
            says = f"holds only the last window of the last output channel: {ASSIGNED} over channels and windows"
            yield fault(says, partial(_overwriting, case, prepared, descending=True, channels=slice(-1, None)))


def _overwriting(
    case: Case, prepared: Prepared, trials: Trials, *, descending: bool, channels: slice
) -> FloatArray | None:
    """Return dV by loops over taps that assign. In descending order, the last window of a pixel comes last."""
    if not trials.takes(case, prepared):
        return None
    geometry = prepared.geometry
    y, x = geometry.rows, geometry.columns
    K = flipped(case.layer.weights, flip=case.layer.options.flip).reshape(geometry.kernel_blocks)[:, channels]
    G = case.G.reshape(geometry.output_blocks)[:, :, channels]
    padded = np.zeros((*geometry.input_blocks[:3], y.padded, x.padded))
    order = REVERSED if descending else slice(None)
    for m, n in product(range(y.taps)[order], range(x.taps)[order]):
        rows = slice(m * y.dilation, m * y.dilation + (y.output - 1) * y.stride + 1, y.stride)
        columns = slice(n * x.dilation, n * x.dilation + (x.output - 1) * x.stride + 1, x.stride)
        padded[..., rows, columns] = np.einsum("ngojk,goi->ngijk", G, K[..., m, n], optimize=True)
    dV = np.zeros(geometry.input_blocks)
    edge = geometry.edge
    pad_adjoint(padded, y.runs(range(y.padded), edge), x.runs(range(x.padded), edge), dV)
    return dV.reshape(case.V.shape)


def _wrong_sums(case: Case) -> Iterator[Candidate]:
    """Yield G summed or averaged over other axes than db."""
    G = case.G.astype(np.float64)
    letters = "NCHW"[-G.ndim :] if G.ndim <= 4 else ""
    if not letters or G.ndim < 2:
        return
    per_channel = case.layer.weights.ndim > 2
    right = tuple(axis for axis, letter in enumerate(letters) if not (per_channel and letter == "C"))
    for axes in chain.from_iterable(combinations(range(G.ndim), count) for count in range(G.ndim + 1)):
        if axes == right:
            continue
        names = ", ".join(letters[axis] for axis in axes)
        correct = ", ".join(letters[axis] for axis in right)
        for verb in ("sum", "mean"):
            says = f"is the {verb} of G over ({names}): sum over ({correct})" if axes else "is G itself, not summed"
            yield fault(says, partial(_reduced, G, verb, axes))


def _reduced(G: FloatArray, verb: str, axes: tuple[int, ...], _: Trials) -> FloatArray:
    return np.asarray(getattr(G, verb)(axis=axes))
