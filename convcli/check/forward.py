"""The judges of a tensor: of its own layer, and for faults of a convolution, which may be the one that is transposed.

The Z of a transposed convolution is the dV of the convolution, and its V is the G. Faults are computed for that
convolution, and named in the letters of its transpose.
"""

import re
from contextlib import suppress

import numpy as np

from convcli.arrays import FloatArray
from convcli.check.candidates import Confusion
from convcli.check.case import Case
from convcli.check.compared import Compared
from convcli.check.judge import Explanation, Judge, digits_of
from convcli.check.readings import Reading, readings
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import PreparedTransposed
from convcli.geometry.axes import Geometry

_LETTERS = {
    "V": "G",
    "G": "V",
    "dV": "Z",
    "Z": "dV",
    "input channel": "output channel",
    "output channel": "input channel",
}
_EXCHANGED = re.compile(r"\b(?:dV|[VGZ]\b|input channel|output channel)")


def judge_of(compared: Compared, case: Case, ours: FloatArray, geometry: Geometry, *, with_layouts: bool) -> Judge:
    """Return the judge of a case.  with_layouts: whether the user's tensor is also read in other layouts."""
    layouts = tuple(readings(case, geometry)) if with_layouts else (Reading(None, case.theirs),)
    return Judge(case, geometry, ours, layouts, compared.within, digits_of(compared.case.theirs))


def forward_judge(compared: Compared) -> Judge:
    """Return the judge of faults: of the convolution itself, or of the one that is transposed."""
    case, prepared, ours = compared.case, compared.prepared, compared.ours
    if not isinstance(prepared, PreparedTransposed):
        return judge_of(compared, case, ours, prepared.geometry, with_layouts=True)
    if case.tensor == "bias":
        channels = prepared.bias_shape[0] if prepared.bias_shape else 1
        each_alone = np.ones((channels, 1, 1, 1)) if prepared.bias_shape else np.ones((1, 1))
        identity = Convolution.of(each_alone, prepared.convolution.bias, groups=channels)
        forward = case._replace(layer=identity, V=case.G)
        return judge_of(compared, forward, ours, identity.geometry(case.G.shape), with_layouts=True)
    theirs = case.theirs
    if case.tensor == "output" and prepared.bias is not None:
        ours = (ours.reshape(prepared.output_blocks) - prepared.bias).reshape(prepared.output_shape)
        # From a tensor of another shape, the bias cannot be subtracted.
        with suppress(ValueError):
            theirs = (theirs.reshape(prepared.output_blocks) - prepared.bias).reshape(prepared.output_shape)
    forward = Case(
        layer=prepared.forward.convolution,
        V=case.G.reshape(prepared.forward.input_shape),
        G=case.V.reshape(prepared.forward.output_shape),
        tensor={"input": "output", "output": "input", "kernel": "kernel"}[case.tensor],
        theirs=theirs,
    )
    return judge_of(compared, forward, ours.reshape(_shape_of(forward)), prepared.geometry, with_layouts=True)


def _shape_of(case: Case) -> tuple[int, ...]:
    shapes = {"output": case.G.shape, "input": case.V.shape, "kernel": case.layer.weights.shape}
    return shapes[case.tensor]


def of_transpose(explanation: Explanation) -> Explanation:
    """Return what is said of a convolution in the letters of its transpose, which exchanges V and G, Z and dV."""

    def exchanged(confusion: Confusion) -> Confusion:
        return confusion._replace(says=_EXCHANGED.sub(lambda found: _LETTERS[found[0]], confusion.says))

    return Explanation(tuple(map(exchanged, explanation.confusions)))
