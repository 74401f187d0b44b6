"""A convolution as a chain of values: the request, its meaning for one input, the plan, the result.

    convolution = Convolution.of(K, bias, stride=2, padding="same")
    prepared    = convolution.at(V.shape, V.dtype)
    plan        = prepared.plan()
    Z           = prepared.convolve(V, plan)

Each value is immutable and knows strictly more than the one before. The plan that is shown is the plan that runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from inspect import signature
from math import inf, prod
from os import PathLike
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli import engine
from convcli.arrays import (
    FIRST_GAP,
    LARGEST,
    SMALLEST,
    Array,
    FloatArray,
    IntArray,
    beyond_float32,
    computing_type,
    float_type,
    is_beyond_float32,
    is_interleaved,
    is_whole,
    parameter,
    require_range,
)
from convcli.convolution.backward import InputPlan, bias_gradient, kernel_gradient, plan_input_gradient
from convcli.convolution.operands import bias_blocks, bias_shape, flipped, input_of, kernel_blocks, upstream_of
from convcli.engine import AUTOMATIC, Execution, Factorisation, KernelBlocks, Plan, Store, Tally
from convcli.engine.levels import Levels, LevelStore
from convcli.errors import GeometryError, OptionError
from convcli.files.large_arrays import Empty, interleaved
from convcli.geometry.axes import Geometry, Places
from convcli.geometry.fills import EdgeFill
from convcli.geometry.options import Numbers, Options, group_count, parse_options, parse_shape
from convcli.kernels.kernel import Kernel
from convcli.names import SYMBOLS, WRT, parse_wrt
from convcli.text import quoted, require_type
from convcli.values import frozen_value

# A sum of weights below this share of the sum of their magnitudes counts as 0: weights that are typed or in float32 are
# rounded that much.
ROUNDING = 1e-6
UNKNOWN = Factorisation(np.empty((0, 0)))
_DEFAULTS = {name: parameter.default for name, parameter in signature(parse_options).parameters.items()}


@frozen_value(compared=("weights", "bias", "options"))
@dataclass(frozen=True)
class Convolution:
    """A convolution that waits for an input: weights K, bias b and options.

    weights: ``(kh, kw)``, ``(C_out, C_in/groups, kh, kw)`` or ``(C_out, tr, tc, C_in/groups, kh, kw)``.
    bias: a number, one per output channel, one per output unit, or None.
    factorisation: the factors of these weights, which are computed once for all inputs; by default they are not known.
    """

    weights: Array
    bias: Array | None
    options: Options
    factorisation: Factorisation = UNKNOWN

    def __post_init__(self) -> None:
        """Make arrays of the weights and the bias, and replace a factorisation that belongs to other weights."""
        object.__setattr__(self, "weights", parameter("kernel K", self.weights))
        if self.bias is not None:
            object.__setattr__(self, "bias", parameter("bias b", self.bias))
        require_type("options", self.options, Options, "Options, which Convolution.of makes")
        if self.factorisation.weights is not self.weights:
            object.__setattr__(self, "factorisation", Factorisation(self.weights))

    @classmethod
    def of(
        cls,
        K: ArrayLike | Kernel,
        bias: ArrayLike | None = None,
        *,
        stride: Numbers = 1,
        padding: Numbers = "valid",
        dilation: Numbers = 1,
        groups: SupportsIndex = 1,
        edge: str = "zero",
        flip: bool = False,
    ) -> "Convolution":
        """Parse and validate the arguments of ``conv2d`` except V. A Kernel brings its own bias, groups and options.

        Raises GeometryError or OptionError for an invalid option, for a bias that the Kernel has already, and for an
        option that is neither the default nor the Kernel's own.
        """
        if isinstance(K, str | PathLike):
            raise GeometryError(
                f"kernel K: expected an array or a Kernel, given text: load_kernel reads {quoted(str(K))}"
            )
        factors = K.factors if isinstance(K, Kernel) else ()
        layer = K.options if isinstance(K, Kernel) else None
        weights, bias, groups = _parameters(K, bias, groups) if isinstance(K, Kernel) else (K, bias, groups)
        given: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "edge": edge, "flip": flip}
        if layer is not None:
            layer.require_agreement({name: value for name, value in given.items() if value is not _DEFAULTS[name]})
        options = layer or parse_options(**given, groups=groups)
        weights = parameter("kernel K", weights)
        bias = None if bias is None else parameter("bias b", bias)
        return cls(weights, bias, options, Factorisation(weights, factors))

    @property
    def forward(self) -> "Convolution":
        """The convolution itself; a transposed convolution has one that it is the transpose of."""
        return self

    @property
    def spread(self) -> int:
        """The number of outputs that a pixel's weights are spread over, for each step of the window: only one."""
        return 1

    @property
    def gain(self) -> float:
        """The sum of a 2-D kernel's weights, which is Z for a constant input of 1; 0 if the sum is only rounding."""
        total = float(self.weights.sum())
        return total if abs(total) > ROUNDING * np.abs(self.weights).sum() else 0.0

    def computing_type(self, stored: np.dtype[Any], requested: DTypeLike | None = None) -> np.dtype[Any]:
        """Return the float type for an input of type ``stored``: the requested one, or the default.

        The default is float32 for types that float32 holds exactly, otherwise float64. It is float64 too if float32
        cannot hold the weights, the bias or the edge fill, and for integers if it may not hold their sums.
        Raises OptionError if float32 is requested and cannot hold the weights, the bias or the edge fill.
        """
        found = computing_type(stored, requested)
        if found == np.float64:
            return found
        beyond = self.beyond_float32
        if beyond and requested is not None:
            raise OptionError(f"float32 cannot hold {beyond}: expected float64, or no `dtype`", option="dtype")
        wider = beyond or (requested is None and self._may_exceed_float32(stored))
        return np.dtype(np.float64) if wider else found

    @property
    def beyond_float32(self) -> str | None:
        """The number beyond float32, as in "a weight of 1e-50": a bias, an edge fill, or the largest weight of a sum.

        Weights that are too small for float32 are lost in its rounding if the same sum has a larger weight.
        """
        weights, is_wider = self.weights, self.weights.itemsize > np.dtype(np.float32).itemsize
        # The weights of a type that float32 holds lose no digits, unless all are tiny. A large layer has millions.
        largest = abs(float(weights.item(0))) if weights.size and not is_wider else 0.0
        if largest < SMALLEST or is_wider:
            largest = max(float(weights.max(initial=0)), -float(weights.min(initial=0)))
        if not is_beyond_float32(largest) and weights.ndim > 2 and is_wider:
            largest = beyond_float32(_by_sum(np.abs(weights)).max(axis=1, initial=0)) or 0
        if is_beyond_float32(largest):
            return f"a weight of {largest:g}"
        if self.bias is not None and (found := beyond_float32(self.bias)):
            return f"a bias of {found:g}"
        value = self.options.edge.value
        return f"an edge fill of {value:g}" if is_beyond_float32(abs(value)) else None

    def _may_exceed_float32(self, stored: np.dtype[Any]) -> bool:
        """Return whether float32 may not hold sums of such integers: infinite ones, or of 16 bits and whole weights."""
        if stored.kind not in "iu":
            return False
        range_, sums = np.iinfo(stored), np.abs(_by_sum(self.weights).astype(np.float64)).sum(axis=1).max(initial=0)
        added = 0 if self.bias is None else np.abs(self.bias.astype(np.float64)).max(initial=0)
        largest = max(-int(range_.min), int(range_.max), abs(self.options.edge.value)) * sums + added
        return bool(
            LARGEST < largest < inf or (stored.itemsize == 2 and largest >= FIRST_GAP and is_whole(self.weights))
        )

    @property
    def window_axes(self) -> tuple[int, ...]:
        """The axes of the weights that the sum for one output runs over: (kh, kw), and C_in of a bank."""
        return (-2, -1) if self.weights.ndim == 2 else (-3, -2, -1)

    def output_channels(self, channels: int) -> int:
        """Return the number of channels of Z for an input with so many channels."""
        return channels if self.weights.ndim == 2 else len(self.weights)

    def with_edge(self, edge: EdgeFill) -> "Convolution":
        """Return the convolution with another edge fill."""
        return replace(self, options=self.options._replace(edge=edge))

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """Return the geometry for an input ``(..., C_in, H, W)``.

        Raises GeometryError if the input, the kernel and the options do not fit together.
        """
        return self.options.geometry(input_shape, self.weights.shape)

    def at(self, input_shape: tuple[int, ...], dtype: DTypeLike) -> "Prepared":
        """Return the convolution for an input ``(..., C_in, H, W)``, computed in a float type.

        Raises GeometryError if the input, the kernel, the bias and the options do not fit together.
        """
        if not isinstance(input_shape, tuple):
            input_shape = parse_shape(input_shape)
        return _prepared(self, input_shape, self.geometry(input_shape), float_type(dtype))


def _by_sum(weights: Array) -> Array:
    """Return the weights with those of each output's sum in a row."""
    rows = prod(weights.shape[:-3])
    return weights.reshape(rows, weights.size // max(rows, 1))


def _parameters(kernel: Kernel, bias: ArrayLike | None, groups: SupportsIndex) -> tuple[Any, Any, SupportsIndex]:
    """Return the weights, bias and groups of a kernel. Raises OptionError for a bias or groups that contradict it."""
    if kernel.transposed is not None:
        raise OptionError("the kernel's model transposes the convolution: add `transpose`, or call conv2d_transpose")
    if bias is not None and kernel.bias is not None:
        raise OptionError("the kernel has a bias already: expected no `bias`")
    if group_count(groups) not in (1, kernel.groups):
        raise OptionError(f"the kernel has groups {kernel.groups}: expected no other `groups`, given {quoted(groups)}")
    return kernel.weights, kernel.bias if bias is None else bias, kernel.groups


# A bias beyond the range of the float type becomes infinite, as IEEE 754 defines.
@np.errstate(over="ignore", invalid="ignore")
def _prepared(
    convolution: Convolution, input_shape: tuple[int, ...], geometry: Geometry, dtype: np.dtype[Any]
) -> "Prepared":
    K, bias = convolution.weights, convolution.bias
    return Prepared(
        convolution=convolution,
        input_shape=input_shape,
        geometry=geometry,
        dtype=dtype,
        kernel=kernel_blocks(convolution.factorisation, geometry, flip=convolution.options.flip),
        bias=None if bias is None else bias_blocks(bias, K, geometry.output_blocks, dtype),
    )


@frozen_value()
class Gradients(NamedTuple):
    """dJ/dK, dJ/dV and dJ/db, each with the shape of its parameter, or None if it was not requested."""

    kernel: FloatArray | None = None
    input: FloatArray | None = None
    bias: FloatArray | None = None

    def _repr_html_(self) -> str:
        """Return what a notebook shows: each gradient as numbers on colours, or as a heatmap."""
        from convcli.drawing.html import card, tensor

        gradients = {name: numbers for name, numbers in self._asdict().items() if numbers is not None}
        return card("Gradients", *(tensor(SYMBOLS[name], numbers) for name, numbers in gradients.items()))


class GradientPlan(NamedTuple):
    """The plan of gradients.

    wrt: the names of the gradients.  kernel, input: the plans of dK and dV, or None if they are not in ``wrt``.
    """

    wrt: tuple[str, ...]
    kernel: Plan | None
    input: InputPlan | None


@frozen_value(
    compared=("convolution", "input_shape", "dtype"), shown=("convolution", "input_shape", "output_shape", "dtype")
)
class Prepared(NamedTuple):
    """A convolution at one input shape and type: everything is checked, nothing is computed.

    input_shape: the shape of V.  dtype: the float type to compute in.
    kernel: K with the engine's axes, flipped if the options say so.
    bias: an array that broadcasts against the engine's Z, or None.
    """

    convolution: Convolution
    input_shape: tuple[int, ...]
    geometry: Geometry
    dtype: np.dtype[Any]
    kernel: KernelBlocks
    bias: FloatArray | None

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of Z."""
        return self.geometry.output_shape

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """The shape of Z for the engine."""
        return self.geometry.output_blocks

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The rows and the columns of V, padding included, that a number of Z depends on."""
        return self.geometry.rows.reach, self.geometry.columns.reach

    @property
    def centres(self) -> tuple[IntArray, IntArray]:
        """The row and the column of V at the centre of each row and column of Z."""
        return self.geometry.rows.centres, self.geometry.columns.centres

    @property
    def places(self) -> tuple[Places, Places]:
        """The places in V of Z's rows and columns."""
        return self.geometry.rows.places, self.geometry.columns.places

    def with_parameters(self, weights: Array, bias: Array | None) -> "Prepared":
        """Return the convolution with other weights of the same shape, and another bias or none."""
        convolution = replace(self.convolution, weights=weights, bias=bias)
        return _prepared(convolution, self.input_shape, self.geometry, self.dtype)

    def with_edge(self, edge: EdgeFill) -> "Prepared":
        """Return the convolution with another edge fill, which changes no shape."""
        convolution = self.convolution.with_edge(edge)
        return self._replace(convolution=convolution, geometry=self.geometry._replace(edge=edge))

    def computed_in(self, dtype: np.dtype[Any]) -> "Prepared":
        """Return the convolution, to be planned for another float type."""
        return self._replace(dtype=dtype)

    def without_bias(self) -> "Prepared":
        """Return the convolution without its bias."""
        return self._replace(convolution=replace(self.convolution, bias=None), bias=None)

    def plan(self, execution: Execution = AUTOMATIC) -> Plan:
        """Plan Z. Raises OptionError if the requested algorithm refuses."""
        require_type("execution", execution, Execution, "an Execution")
        return engine.plan_output(self.kernel, self.geometry, self.dtype, execution)

    def plan_any_kernel(self, execution: Execution = AUTOMATIC) -> Plan:
        """Plan Z for every kernel of this shape. Raises OptionError if the requested algorithm refuses."""
        return engine.plan_output_of_any_kernel(self.geometry, self.dtype, execution)

    # As IEEE 754 defines, numbers beyond the range of the float type become infinite, and infinity - infinity is NaN.
    @np.errstate(over="ignore", invalid="ignore")
    def convolve(
        self, V: Array, plan: Plan, *, stored: np.dtype[Any] | None = None, empty: Empty = np.empty
    ) -> FloatArray:
        """Return Z for V, in the array that ``empty`` makes.

        stored: the type of Z, by default the type that is computed in. For an unsigned type, Z is rounded and clipped.
        """
        V = input_of(V, self.input_shape, self.dtype)
        require_type("plan", plan, Plan, "the plan of this convolution")
        if stored is not None and stored != self.dtype:
            return self._convolve_to_levels(V, plan, stored, empty)
        Z = empty(self.geometry.output_blocks, self.dtype)
        engine.announce(plan)
        engine.convolve(V.reshape(self.geometry.input_blocks), self.kernel, plan, Z, self.bias)
        return Z.reshape(self.geometry.output_shape)

    def interleaves(self, V: Array, plan: Plan) -> bool:
        """Return whether V is interleaved, and levels are computed fastest if they are, too."""
        filters_alone = self.geometry.maps_one_to_one and self.geometry.groups == 1
        return filters_alone and plan.makes_levels and is_interleaved(V)

    def _convolve_to_levels(self, V: Array, plan: Plan, stored: np.dtype[Any], empty: Empty) -> Array:
        make = interleaved(empty) if self.interleaves(V, plan) else empty
        Z = make(self.geometry.output_shape, stored)
        blocks = Z.reshape(self.geometry.output_blocks)
        self.store(V, plan, LevelStore(blocks, Levels(int(np.iinfo(stored).max))))
        return Z

    @np.errstate(over="ignore", invalid="ignore")
    def store(self, V: Array, plan: Plan, store: Store) -> Tally:
        """Pass each finished tile of Z to ``store(place, tile)`` once, without an array for Z; return what ran.

        place: slices of a Z of shape ``Geometry.output_blocks``. Tiles come in any order, from several threads at once,
        and ``store`` may overwrite them.
        """
        V = input_of(V, self.input_shape, self.dtype)
        require_type("plan", plan, Plan, "the plan of this convolution")
        engine.announce(plan)
        return engine.convolve_and_store(V.reshape(self.geometry.input_blocks), self.kernel, plan, store, self.bias)

    def plan_gradients(self, wrt: Iterable[str] = WRT, execution: Execution = AUTOMATIC) -> GradientPlan:
        """Plan the gradients that ``wrt`` names. Raises OptionError for an unknown name, or if an algorithm refuses."""
        names = parse_wrt(wrt)
        require_type("execution", execution, Execution, "an Execution")
        kernel = input_ = None
        if "kernel" in names:
            kernel = engine.plan_kernel_gradient(self.geometry, self.dtype, execution)
        if "input" in names:
            input_ = plan_input_gradient(self.kernel, self.geometry, self.dtype, execution)
        return GradientPlan(names, kernel, input_)

    @np.errstate(over="ignore", invalid="ignore")
    def gradients(self, V: Array, G: ArrayLike, plan: GradientPlan, *, zeros: Empty = np.zeros) -> Gradients:
        """Return the planned gradients of V and G; ``zeros`` makes the array for dV.

        Raises GeometryError unless G has the shape of Z.
        """
        V = input_of(V, self.input_shape, self.dtype)
        require_type("plan", plan, GradientPlan, "the plan of these gradients")
        upstream = upstream_of(G, self.output_shape).reshape(self.output_blocks)
        require_range("G", upstream, self.dtype)
        engine.announce(plan.kernel, plan.input)
        kernel = input_ = bias = None
        if plan.kernel is not None:
            blocks = V.reshape(self.geometry.input_blocks)
            dK = kernel_gradient(blocks, upstream, plan.kernel, self.geometry, self.dtype)
            kernel = flipped(dK.reshape(self.convolution.weights.shape), flip=self.convolution.options.flip)
        if plan.input is not None:
            dV = zeros(self.geometry.input_blocks, self.dtype)
            plan.input.run(upstream, self.kernel, dV)
            input_ = dV.reshape(self.input_shape)
        if "bias" in plan.wrt:
            bias = bias_gradient(upstream, self._bias_or_zeros(), self.dtype).reshape(self.bias_shape)
        return Gradients(kernel, input_, bias)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of db."""
        weights = self.convolution.weights.shape
        return bias_shape(self.convolution.bias, weights, channels=weights[0])

    def _bias_or_zeros(self) -> FloatArray:
        if self.bias is not None:
            return self.bias
        return bias_blocks(np.zeros(self.bias_shape), self.convolution.weights, self.output_blocks, self.dtype)
