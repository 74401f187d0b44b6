"""The gradients of a convolution, given G = dJ/dZ, on arrays with the engine's axes.

    kernel   dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]
    input    dV'[l,a,c]  = sum over i, over j,m with j*sy + m*dy = a, over k,n with k*sx + n*dx = c,
                           of G[i,j,k] * K[i,l,m,n];   dV = (adjoint of the padding)(dV')
    bias     db[i] = sum over j,k of G[i,j,k]

The input's gradient consists of convolutions of G, one per phase of the stride. Along one axis, with stride s and
dilation d, phase p is the padded pixels a = p + s*q. The taps m that read them satisfy m*d = p (mod s), which gives
m = m0 + t*s/g for t = 0..T-1 with g = gcd(s, d). Output j reads pixel a under tap m if

    j = q - offset - t*d/g,   offset = (m0*d - p)/s

So dV' on phase p is G correlated with those T taps in reverse order, at stride 1 and dilation d/g, with
offset + (T-1)*d/g pads before G. No zeros are inserted between the pixels of G, so no product is wasted on them.
"""

from collections.abc import Callable, Iterator, Sequence
from math import gcd
from typing import Any, NamedTuple, Protocol

import numpy as np

from convcli import engine
from convcli.arrays import Array, FloatArray
from convcli.convolution.operands import REVERSED
from convcli.engine import Choice, Execution, KernelBlocks, Plan, Tally, Timed
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import pad_adjoint
from convcli.geometry.fills import EdgeFill
from convcli.values import frozen_value

# The rows and the columns of the taps of a kernel.
Taps = tuple[slice, slice]


def kernel_gradient(V: Array, G: Array, plan: Plan, geometry: Geometry, dtype: np.dtype[Any]) -> FloatArray:
    """Return dK in ``dtype``."""
    dK = np.zeros(geometry.kernel_blocks, dtype)
    engine.kernel_gradient(V, G, plan, dK)
    return dK


def bias_gradient(G: Array, bias: FloatArray, dtype: np.dtype[Any]) -> FloatArray:
    """Return db, shaped like the bias' blocks: G summed over every axis along which the bias was repeated."""
    missing = G.ndim - bias.ndim
    repeated = tuple(axis for axis in range(G.ndim) if axis < missing or bias.shape[axis - missing] == 1)
    # In float64, as dK is.
    return np.asarray(G.sum(axis=repeated, dtype=np.float64)).astype(dtype)


class InputPlan(Timed, Protocol):
    """The plan of dV."""

    @property
    def first(self) -> Choice | None:
        """The choice for the first pass; None if no window reads the image itself."""

    @property
    def passes(self) -> Sequence[object]:
        """The passes that compute dV over the image itself."""

    @property
    def seconds(self) -> float:
        """The estimate of the whole plan for one thread."""

    @property
    def threads(self) -> int:
        """The number of threads of the first pass."""

    def run(self, G: Array, kernel: KernelBlocks, dV: FloatArray) -> Tally:
        """Add the gradient for this kernel to ``dV``, which holds zeros, and return what ran."""


def plan_input_gradient(
    kernel: KernelBlocks | None, geometry: Geometry, dtype: np.dtype[Any], execution: Execution
) -> InputPlan:
    """Plan dV for a kernel with the engine's axes; without one, for every kernel of its shape."""
    if not geometry.shares_weights:
        return AdjointPlan(engine.plan_input_gradient(geometry, dtype, execution), execution)

    def plan_phase(phase: Geometry, taps: Taps) -> Plan:
        if kernel is None:
            return engine.plan_output_of_any_kernel(phase, dtype, execution)
        return engine.plan_output(_phase_kernel(kernel, taps), phase, dtype, execution)

    def plan_region(rows: range, columns: range) -> Region:
        return Region(rows, columns, tuple(_phases(geometry, rows, columns, plan_phase)))

    image = plan_region(_inside(geometry.rows), _inside(geometry.columns))
    strips = tuple(plan_region(rows, columns) for rows, columns in _pad_strips(geometry))
    return ConvolutionPlan(geometry, image, strips, execution)


@frozen_value(shown=("first", "threads", "seconds"))
class AdjointPlan(NamedTuple):
    """dV by the adjoint of each tile's windows, for weights that are not shared."""

    plan: Plan
    execution: Execution

    @property
    def first(self) -> Choice | None:
        """The choice for the first pass."""
        return self.plan.first

    @property
    def passes(self) -> Sequence[object]:
        """The passes."""
        return self.plan.passes

    @property
    def seconds(self) -> float:
        """The estimate of all passes for one thread."""
        return self.plan.seconds

    @property
    def elapsed(self) -> float:
        """The estimated seconds until all threads are done."""
        return self.plan.elapsed

    @property
    def threads(self) -> int:
        """The number of threads of the first pass."""
        return self.plan.threads

    def run(self, G: Array, kernel: KernelBlocks, dV: FloatArray) -> Tally:
        """Add the gradient to ``dV``."""
        return engine.input_gradient(G, kernel.K, self.plan, dV)


class Phase(NamedTuple):
    """One of the convolutions of G that make up dV': its taps, its plan, and the place of its outputs in a region."""

    taps: Taps
    plan: Plan
    place: tuple[slice, slice]


class Region(NamedTuple):
    """A rectangle of padded pixels, and the convolutions that compute dV' there."""

    rows: range
    columns: range
    phases: tuple[Phase, ...]

    def run(self, G: Array, kernel: KernelBlocks, out: FloatArray) -> Tally:
        """Fill ``out``, which holds zeros, with dV' over this region, and return what ran."""
        tally = Tally()
        for phase in self.phases:
            weights = _phase_kernel(kernel, phase.taps)
            tally.update(engine.convolve(G, weights, phase.plan, out[..., *phase.place]))
        return tally


@frozen_value(shown=("first", "threads", "seconds"))
class ConvolutionPlan(NamedTuple):
    """dV by convolutions of G: over the image itself, then over strips of pads, added to the pixels that they copy."""

    geometry: Geometry
    image: Region
    strips: tuple[Region, ...]
    execution: Execution

    @property
    def first(self) -> Choice | None:
        """The choice for the first phase of the stride that reaches the image, or None."""
        return self.image.phases[0].plan.first if self.image.phases else None

    @property
    def passes(self) -> Sequence[object]:
        """The phases of the stride that reach the image."""
        return self.image.phases

    @property
    def seconds(self) -> float:
        """The estimate for the image and the strips of pads, for one thread."""
        return sum(plan.seconds for plan in self._plans)

    @property
    def elapsed(self) -> float:
        """The estimated seconds until all threads are done, for the image and the strips of pads."""
        return sum(plan.elapsed for plan in self._plans)

    @property
    def _plans(self) -> list[Plan]:
        return [phase.plan for region in (self.image, *self.strips) for phase in region.phases]

    @property
    def threads(self) -> int:
        """The number of threads of the first phase."""
        return self.image.phases[0].plan.threads if self.image.phases else 1

    def run(self, G: Array, kernel: KernelBlocks, dV: FloatArray) -> Tally:
        """Add the gradient to ``dV``."""
        y, x, edge = self.geometry.rows, self.geometry.columns, self.geometry.edge
        tally = self.image.run(G, kernel, dV)
        for region in self.strips:
            strip = np.zeros((*dV.shape[:3], len(region.rows), len(region.columns)), dV.dtype)
            tally.update(region.run(G, kernel, strip))
            pad_adjoint(strip, y.runs(region.rows, edge), x.runs(region.columns, edge), dV)
        return tally


def _inside(axis: Axis) -> range:
    return range(axis.before, axis.before + axis.size)


def _pad_strips(geometry: Geometry) -> list[tuple[range, range]]:
    """Return the padded pixels around the image as rectangles; none if the edge fill copies no pixels."""
    if not geometry.edge.copies:
        return []
    y, x = geometry.rows, geometry.columns
    above, below = range(y.before), range(y.before + y.size, y.padded)
    left, right = range(x.before), range(x.before + x.size, x.padded)
    across = range(x.padded)
    strips = [(above, across), (below, across), (_inside(y), left), (_inside(y), right)]
    return [(rows, columns) for rows, columns in strips if rows and columns]


def _phases(geometry: Geometry, rows: range, columns: range, plan: Callable[[Geometry, Taps], Plan]) -> Iterator[Phase]:
    """Yield the phases of a region. plan: plans the correlation of G with some taps."""
    for y in _axis_phases(geometry.rows, rows):
        for x in _axis_phases(geometry.columns, columns):
            phase = Geometry(
                images=geometry.images,
                groups=geometry.groups,
                in_channels=geometry.out_channels,
                out_channels=geometry.in_channels,
                rows=y.axis,
                columns=x.axis,
                edge=EdgeFill("constant"),
            )
            taps = (y.taps, x.taps)
            yield Phase(taps, plan(phase, taps), (y.place, x.place))


def _phase_kernel(kernel: KernelBlocks, taps: Taps) -> KernelBlocks:
    """Return the kernel that G is correlated with: these taps in reverse order, from output to input channels."""
    return kernel.transposed().at(*taps).at(REVERSED, REVERSED)


class _AxisPhase(NamedTuple):
    """One phase of the stride: the place of its padded pixels in a span, the taps that read them, and the axis of G."""

    place: slice
    taps: slice
    axis: Axis


def _axis_phases(axis: Axis, span: range) -> Iterator[_AxisPhase]:
    """Yield the phases of the span that some tap reaches (see the derivation at the top of this module)."""
    common = gcd(axis.stride, axis.dilation)
    step, dilation = axis.stride // common, axis.dilation // common
    for first_tap in range(min(step, axis.taps)):
        offset, residue = divmod(first_tap * axis.dilation, axis.stride)
        first, last = (-((residue - end) // axis.stride) for end in (span.start, span.stop))
        if first == last:
            continue
        taps = len(range(first_tap, axis.taps, step))
        before = offset + dilation * (taps - 1) - first
        after = last - first + dilation * (taps - 1) - axis.output - before
        place = slice(residue + axis.stride * first - span.start, len(span), axis.stride)
        upstream = Axis(axis.output, taps, dilation=dilation, before=before, after=after)
        yield _AxisPhase(place, slice(first_tap, None, step), upstream)
