"""Transposed convolution: the input's gradient under its own name, as values like those of a convolution.

With C the convolution with kernel K, without a bias, and C^T its transpose, the layer computes

    Z = C^T V + b        <C(X), V> = <X, C^T V> for every X

so its V has the shape of C's output, and its Z that of C's input. It is linear in V and in K, and with G = dJ/dZ

    dV = C(G)            dK = the kernel's gradient of C at the input G, for the upstream gradient V

So each of them is something that ``Prepared`` computes for C: its dV, its Z and its dK.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arrays import (
    Array,
    FloatArray,
    IntArray,
    cut,
    ends_of,
    fill_rounded,
    is_whole,
    parameter,
    require_range,
)
from convcli.convolution.backward import AdjointPlan, ConvolutionPlan, InputPlan, bias_gradient, plan_input_gradient
from convcli.convolution.operands import bias_blocks, bias_shape, input_of, upstream_of
from convcli.convolution.prepared import Convolution, GradientPlan, Gradients, Prepared
from convcli.engine import AUTOMATIC, Execution, Plan, Store, Tally, announce
from convcli.files.large_arrays import ROWS, Empty, large_empty
from convcli.geometry.axes import Geometry, Places
from convcli.geometry.fills import EdgeFill
from convcli.geometry.options import Numbers, Options
from convcli.geometry.transposed import OutputSize, parse_output_size, transposition
from convcli.kernels.kernel import Kernel
from convcli.names import WRT, parse_wrt
from convcli.text import require_type
from convcli.values import frozen_value


@frozen_value()
@dataclass(frozen=True)
class TransposedConvolution:
    """A transposed convolution that waits for an input.

    forward: the convolution whose transpose it is, without a bias.
    bias: a number, one per output channel, one per output unit, or None. The output's channels are C_in of the kernel.
    size: the requested size of the output.
    """

    forward: Convolution
    bias: Array | None = None
    size: OutputSize = field(default_factory=OutputSize)

    def __post_init__(self) -> None:
        """Make an array of the bias, and replace a constant in the pads by zero: the transpose skips constants."""
        require_type("forward", self.forward, Convolution, "a Convolution")
        if self.bias is not None:
            object.__setattr__(self, "bias", parameter("bias b", self.bias))
        if not self.options.edge.copies:
            object.__setattr__(self, "forward", self.forward.with_edge(EdgeFill("constant")))

    @classmethod
    def of(
        cls,
        K: ArrayLike | Kernel,
        bias: ArrayLike | None = None,
        *,
        output_shape: Numbers | None = None,
        output_padding: Numbers | None = None,
        **options: Any,
    ) -> "TransposedConvolution":
        """Parse and validate the arguments of ``conv2d_transpose`` except its input; ``options`` are those of conv2d.

        Raises GeometryError or OptionError for an invalid option.
        """
        size = parse_output_size(output_shape, output_padding)
        if isinstance(K, Kernel) and K.transposed is not None:
            size, K = K.transposed.agreeing_with(size), K._replace(transposed=None)
        convolution = Convolution.of(K, bias, **options)
        return cls(replace(convolution, bias=None), convolution.bias, size)

    @property
    def weights(self) -> Array:
        """K."""
        return self.forward.weights

    @property
    def options(self) -> Options:
        """The parsed options of the convolution."""
        return self.forward.options

    @property
    def gain(self) -> float:
        """The mean of Z for a constant input of 1 and a 2-D kernel, far from the border."""
        return self.forward.gain / self.spread

    @property
    def spread(self) -> int:
        """The number of outputs that a pixel's weights are spread over, for each step of the window."""
        rows, columns = self.options.stride
        return rows * columns

    @property
    def window_axes(self) -> tuple[int, ...]:
        """The axes of the weights that the sum for one output runs over: (kh, kw), and C_out of a bank."""
        return (-2, -1) if self.weights.ndim == 2 else (0, -2, -1)

    def output_channels(self, channels: int) -> int:
        """Return the number of channels of Z for an input with so many channels."""
        return channels if self.weights.ndim == 2 else self.weights.shape[-3] * self.options.groups

    def computing_type(self, stored: np.dtype[Any], requested: DTypeLike | None = None) -> np.dtype[Any]:
        """Return the float type for an input of type ``stored``: the requested one, or the default.

        The default is that of the convolution, and float64 for 16-bit integers if the weights are whole: with a fill
        that copies, any number of products may be added up.
        """
        if requested is None and stored.kind in "iu" and stored.itemsize == 2 and is_whole(self.weights):
            return np.dtype(np.float64)
        return self._with_bias.computing_type(stored, requested)

    @property
    def beyond_float32(self) -> str | None:
        """The number that float32 cannot hold, as ``Convolution.beyond_float32`` names it."""
        return self._with_bias.beyond_float32

    @property
    def _with_bias(self) -> Convolution:
        return replace(self.forward, bias=self.bias)

    def with_edge(self, edge: EdgeFill) -> "TransposedConvolution":
        """Return the transposed convolution with another edge fill."""
        return replace(self, forward=self.forward.with_edge(edge))

    def at(self, input_shape: tuple[int, ...], dtype: DTypeLike) -> "PreparedTransposed":
        """Return the transposed convolution for an input ``(..., C_out, OH, OW)``, computed in a float type.

        Raises GeometryError if the input, the kernel, the bias and the options do not fit together.
        """
        found = transposition(self.options, self.size, input_shape, self.weights.shape)
        forward = replace(self.forward, options=found.options).at(found.output_shape, dtype)
        return _prepared(self, input_shape, forward, found.sizes)


# A bias beyond the range of the float type becomes infinite, as IEEE 754 defines.
@np.errstate(over="ignore", invalid="ignore")
def _prepared(
    convolution: TransposedConvolution, input_shape: tuple[int, ...], forward: Prepared, sizes: tuple[range, ...]
) -> "PreparedTransposed":
    outputs, bias = forward.geometry.input_blocks, convolution.bias
    return PreparedTransposed(
        convolution=convolution,
        input_shape=input_shape,
        forward=forward,
        sizes=sizes,
        bias=None if bias is None else bias_blocks(bias, convolution.weights, outputs, forward.dtype),
    )


class TransposedGradientPlan(NamedTuple):
    """The plan of the gradients of a transposed convolution.

    wrt: the names of the gradients.  kernel, input: the plans of dK and dV, or None if they are not in ``wrt``.
    """

    wrt: tuple[str, ...]
    kernel: Plan | None
    input: Plan | None


@frozen_value(
    compared=("convolution", "input_shape", "dtype"), shown=("convolution", "input_shape", "output_shape", "dtype")
)
class PreparedTransposed(NamedTuple):
    """A transposed convolution at one input shape and type: everything is checked, nothing is computed.

    input_shape: the shape of V.  forward: the convolution whose transpose it is.
    sizes: the rows and the columns that Z may have, as other values of ``output_shape`` request.
    bias: an array that broadcasts against the engine's Z, or None.
    """

    convolution: TransposedConvolution
    input_shape: tuple[int, ...]
    forward: Prepared
    sizes: tuple[range, ...]
    bias: FloatArray | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type to compute in."""
        return self.forward.dtype

    @property
    def geometry(self) -> Geometry:
        """The geometry of the convolution whose transpose it is."""
        return self.forward.geometry

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of Z."""
        return self.forward.input_shape

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """The shape of Z for the engine."""
        return self.geometry.input_blocks

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The most rows and columns of V that a number of Z' depends on."""
        return self.geometry.rows.transposed_reach, self.geometry.columns.transposed_reach

    @property
    def centres(self) -> tuple[IntArray, IntArray]:
        """The row and the column of V at the centre of each row and column of Z."""
        return self.geometry.rows.nearest_outputs, self.geometry.columns.nearest_outputs

    @property
    def places(self) -> tuple[Places, Places]:
        """The places in V of Z's rows and columns."""
        return self.geometry.rows.transposed_places, self.geometry.columns.transposed_places

    def with_parameters(self, weights: Array, bias: Array | None) -> "PreparedTransposed":
        """Return the transposed convolution with other weights of the same shape, and another bias or none."""
        convolution = replace(self.convolution, forward=replace(self.convolution.forward, weights=weights))
        forward = self.forward.with_parameters(weights, None)
        return _prepared(replace(convolution, bias=bias), self.input_shape, forward, self.sizes)

    def with_edge(self, edge: EdgeFill) -> "PreparedTransposed":
        """Return the transposed convolution with another edge fill, which changes no shape."""
        convolution = self.convolution.with_edge(edge)
        return self._replace(convolution=convolution, forward=self.forward.with_edge(convolution.options.edge))

    def computed_in(self, dtype: np.dtype[Any]) -> "PreparedTransposed":
        """Return the transposed convolution, to be planned for another float type."""
        return self._replace(forward=self.forward.computed_in(dtype))

    def without_bias(self) -> "PreparedTransposed":
        """Return the transposed convolution without its bias."""
        return self._replace(convolution=replace(self.convolution, bias=None), bias=None)

    def plan(self, execution: Execution = AUTOMATIC) -> InputPlan:
        """Plan Z. Raises OptionError if the requested algorithm refuses."""
        require_type("execution", execution, Execution, "an Execution")
        return plan_input_gradient(self.forward.kernel, self.geometry, self.dtype, execution)

    def plan_any_kernel(self, execution: Execution = AUTOMATIC) -> InputPlan:
        """Plan Z for every kernel of this shape. Raises OptionError if the requested algorithm refuses."""
        return plan_input_gradient(None, self.geometry, self.dtype, execution)

    # As IEEE 754 defines, numbers beyond the range of the float type become infinite, and infinity - infinity is NaN.
    @np.errstate(over="ignore", invalid="ignore")
    def convolve(
        self, V: Array, plan: InputPlan, *, stored: np.dtype[Any] | None = None, empty: Empty = np.empty
    ) -> FloatArray:
        """Return Z for V, in the array that ``empty`` makes.

        stored: the type of Z, by default the type that is computed in. For an unsigned type, Z is rounded and clipped.
        """
        Z = empty(self.output_blocks, self.dtype)
        self._fill(V, plan, Z)
        if stored is not None and stored != self.dtype:
            rounded = empty(self.output_blocks, stored)
            fill_rounded(Z, ends_of(Z), rounded)
            Z = rounded
        return Z.reshape(self.output_shape)

    @np.errstate(over="ignore", invalid="ignore")
    def store(self, V: Array, plan: InputPlan, store: Store) -> Tally:
        """Pass parts of Z to ``store(place, part)`` once Z is complete, and return what ran; see ``Prepared.store``."""
        Z = large_empty(self.output_blocks, self.dtype)
        tally = self._fill(V, plan, Z)
        for rows in cut(range(self.output_shape[-2]), ROWS):
            place = (*[slice(None)] * 3, slice(rows.start, rows.stop), slice(None))
            store(place, Z[place])
        return tally

    def _fill(self, V: Array, plan: InputPlan, Z: FloatArray) -> Tally:
        V = input_of(V, self.input_shape, self.dtype)
        require_type("plan", plan, AdjointPlan | ConvolutionPlan, "the plan of this transposed convolution")
        announce(plan)
        Z[...] = 0
        tally = plan.run(V.reshape(self.geometry.output_blocks), self.forward.kernel, Z)
        if self.bias is not None:
            np.add(Z, self.bias, out=Z)
        return tally

    def plan_gradients(self, wrt: Iterable[str] = WRT, execution: Execution = AUTOMATIC) -> TransposedGradientPlan:
        """Plan the gradients that ``wrt`` names. Raises OptionError for an unknown name, or if an algorithm refuses."""
        names = parse_wrt(wrt)
        require_type("execution", execution, Execution, "an Execution")
        kernel = self.forward.plan_gradients("kernel", execution).kernel if "kernel" in names else None
        input_ = self.forward.plan(execution) if "input" in names else None
        return TransposedGradientPlan(names, kernel, input_)

    @np.errstate(over="ignore", invalid="ignore")
    def gradients(self, V: Array, G: ArrayLike, plan: TransposedGradientPlan, *, zeros: Empty = np.zeros) -> Gradients:
        """Return the planned gradients of V and G; ``zeros`` makes the array for dV.

        Raises GeometryError unless G has the shape of Z.
        """
        V = input_of(V, self.input_shape, self.dtype)
        require_type("plan", plan, TransposedGradientPlan, "the plan of these gradients")
        upstream = upstream_of(G, self.output_shape)
        require_range("G", upstream, self.dtype)
        kernel = input_ = bias = None
        if plan.kernel is not None:
            only = GradientPlan(("kernel",), plan.kernel, None)
            kernel = self.forward.gradients(upstream, V.reshape(self.forward.output_shape), only).kernel
        if plan.input is not None:
            input_ = self.forward.convolve(upstream, plan.input, empty=zeros).reshape(self.input_shape)
        if "bias" in plan.wrt:
            blocks = upstream.reshape(self.output_blocks)
            bias = bias_gradient(blocks, self._bias_or_zeros(), self.dtype).reshape(self.bias_shape)
        return Gradients(kernel, input_, bias)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of db."""
        weights, channels = self.convolution.weights.shape, self.geometry.groups * self.geometry.in_channels
        return bias_shape(self.convolution.bias, weights, channels=channels)

    def _bias_or_zeros(self) -> FloatArray:
        if self.bias is not None:
            return self.bias
        return bias_blocks(np.zeros(self.bias_shape), self.convolution.weights, self.output_blocks, self.dtype)
