"""A layer as a command requests it: first with a name and an ``Execution``, then with a plan for one input."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.axis_orders import order_doubt, require_order
from convcli.convolution.layers import Layer, PreparedLayer
from convcli.convolution.prepared import Prepared
from convcli.engine import AUTOMATIC, Execution, Plan, Store, Tally
from convcli.files.large_arrays import large_empty
from convcli.geometry.axes import Geometry, Places
from convcli.geometry.fills import OF_ARRAYS, OF_PICTURES
from convcli.geometry.options import Options
from convcli.kernels.kernel import Kernel
from convcli.layouts import Layouts


class Request(NamedTuple):
    """A named convolution, and its execution: algorithm, threads, memory, cluster.

    dtype: the float type that was requested, or None.
    edge_by_source: whether the edge fill is the default of the input's source, which ``suited_to`` fills in.
    rescaled_by: the option that divided the kernel's weights, or None.
    layouts: the order of the axes of arrays, which errors ask to change; None where no option does that.
    is_layer: whether it comes from a model, which says the order of the kernel's axes.
    """

    name: str
    convolution: Layer
    execution: Execution = AUTOMATIC
    dtype: DTypeLike | None = None
    edge_by_source: bool = False
    rescaled_by: str | None = None
    layouts: Layouts | None = None
    is_layer: bool = False

    @property
    def fixed(self) -> frozenset[str]:
        """The options that cannot be added to it: those of a model, and another divisor of the weights."""
        rescaling = ("divisor", "normalize") if self.rescaled_by else ()
        layer = (*Options._fields, "bias", "kernel_layout", "transpose", "output_padding") if self.is_layer else ()
        return frozenset((*rescaling, *layer))

    @property
    def requests(self) -> tuple["Request", ...]:
        """The request itself; a combination has several."""
        return (self,)

    @property
    def kernel(self) -> Kernel:
        """The named kernel, with its bias and groups."""
        return Kernel(self.name, self.convolution.weights, self.convolution.bias, self.convolution.options.groups)

    @property
    def gain(self) -> float:
        """Z for a constant input of 1, without the bias."""
        return self.convolution.gain

    def computing_type(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the float type to compute in, for an input of type ``stored``."""
        return self.convolution.computing_type(stored, self.dtype)

    def each(self, change: Callable[["Request"], "Request"]) -> "Request":
        """Return the changed request; a combination changes every one of its requests."""
        return change(self)

    def suited_to(self, shape: tuple[int, ...], *, picture: bool) -> "Request":
        """Return the request with the default edge fill of a picture or of an array, unless it has one already.

        Raises GeometryError as ``require_order`` does.
        """
        self.require_order(shape, picture=picture)
        if not self.edge_by_source:
            return self
        convolution = self.convolution.with_edge(OF_PICTURES if picture else OF_ARRAYS)
        return self._replace(convolution=convolution, edge_by_source=False)

    def require_order(self, shape: tuple[int, ...], *, picture: bool) -> None:
        """Raise GeometryError if the axes of an input or of the kernel seem to be in another order."""
        fixed = {"layout": picture, "kernel_layout": self.is_layer}
        require_order(self.convolution, shape, self.layouts, [option for option in fixed if fixed[option]])

    def order_doubt(self, shape: tuple[int, ...], *, picture: bool) -> str | None:
        """Return a sentence about an input that may be ``(H, W, C)``, or None."""
        if picture or self.layouts is None:
            return None
        return order_doubt(self.convolution, shape, self.layouts)

    def executed(self, **execution: Any) -> "Request":
        """Return the request with some fields of its ``Execution`` replaced."""
        return self._replace(execution=replace(self.execution, **execution))

    def at(self, input_shape: tuple[int, ...], dtype: np.dtype[Any]) -> "Planned":
        """Prepare and plan the convolution of an input ``(..., C_in, H, W)``, computed in ``dtype``."""
        prepared = self.convolution.at(input_shape, dtype)
        return Planned(prepared, prepared.plan(self.execution))


class Planned(NamedTuple):
    """A convolution of one input shape, and the plan that it made of its Z."""

    prepared: PreparedLayer
    plan: Any

    @property
    def geometry(self) -> Geometry:
        """The geometry of the convolution."""
        return self.prepared.geometry

    @property
    def places(self) -> tuple[tuple[Places, Places], ...]:
        """The places in V of Z's rows and columns; a combination has several."""
        return (self.prepared.places,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of Z."""
        return self.prepared.output_shape

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """The shape of Z for the engine."""
        return self.prepared.output_blocks

    @property
    def centres(self) -> tuple[IntArray, IntArray]:
        """The row and the column of V at the centre of each row and column of Z."""
        return self.prepared.centres

    @property
    def algorithm(self) -> str:
        """The name of the algorithm that computes Z; "none" if Z is only the bias."""
        return str(self.plan.first.algorithm) if self.plan.first else "none"

    @property
    def bias(self) -> FloatArray | None:
        """The bias as an array that broadcasts against the engine's Z, or None."""
        return self.prepared.bias

    def interleaves(self, V: Array) -> bool:
        """Return whether V is interleaved, and levels are computed fastest if they are, too."""
        prepared, plan = self.prepared, self.plan
        return isinstance(prepared, Prepared) and isinstance(plan, Plan) and prepared.interleaves(V, plan)

    def without_bias(self) -> "Planned":
        """Return the convolution without its bias. The plan stays valid, because no plan depends on the bias."""
        return self._replace(prepared=self.prepared.without_bias())

    def convolve(self, V: Array) -> FloatArray:
        """Return Z for V."""
        return self.prepared.convolve(V, self.plan, empty=large_empty)

    def store(self, V: Array, store: Store) -> Tally:
        """Pass each finished tile of Z to ``store``, and return what ran (``Prepared.store``)."""
        return self.prepared.store(V, self.plan, store)
