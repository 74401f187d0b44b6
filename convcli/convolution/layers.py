"""The common interface of convolutions and transposed convolutions, for code that takes either."""

from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.prepared import Convolution, Gradients
from convcli.convolution.transposed import TransposedConvolution
from convcli.engine import AUTOMATIC, Execution, Store, Tally
from convcli.files.large_arrays import Empty
from convcli.geometry.axes import Geometry, Places
from convcli.geometry.fills import EdgeFill
from convcli.names import WRT

Layer = Convolution | TransposedConvolution


class PreparedLayer(Protocol):
    """A ``Prepared`` or a ``PreparedTransposed``. Each runs only plans that it made itself."""

    @property
    def convolution(self) -> Layer:
        """The layer that was prepared."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of V."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of Z."""

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """The shape of Z for the engine."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type to compute in."""

    @property
    def geometry(self) -> Geometry:
        """The geometry of the convolution, or of the one that is transposed."""

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The rows and the columns of V that a number of Z depends on, far from the border."""

    @property
    def centres(self) -> tuple[IntArray, IntArray]:
        """The row and the column of V at the centre of each row and column of Z."""

    @property
    def places(self) -> tuple[Places, Places]:
        """The places in V of Z's rows and columns."""

    @property
    def bias(self) -> FloatArray | None:
        """An array that broadcasts against the engine's Z, or None."""

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of db."""

    def with_parameters(self, weights: Array, bias: Array | None) -> "PreparedLayer":
        """Return the layer with other weights of the same shape, and another bias or none."""

    def with_edge(self, edge: EdgeFill) -> "PreparedLayer":
        """Return the layer with another edge fill, which changes no shape."""

    def computed_in(self, dtype: np.dtype[Any]) -> "PreparedLayer":
        """Return the layer, to be planned for another float type."""

    def without_bias(self) -> "PreparedLayer":
        """Return the layer without its bias."""

    def plan(self, execution: Execution = AUTOMATIC) -> Any:
        """Plan Z."""

    def plan_any_kernel(self, execution: Execution = AUTOMATIC) -> Any:
        """Plan Z for every kernel of this shape."""

    def convolve(
        self, V: Array, plan: Any, *, stored: np.dtype[Any] | None = None, empty: Empty = np.empty
    ) -> FloatArray:
        """Return Z for V."""

    def store(self, V: Array, plan: Any, store: Store) -> Tally:
        """Pass each finished part of Z to ``store``, and return what ran."""

    def plan_gradients(self, wrt: Collection[str] | str = WRT, execution: Execution = AUTOMATIC) -> Any:
        """Plan the gradients that ``wrt`` names."""

    def gradients(self, V: Array, G: ArrayLike, plan: Any, *, zeros: Empty = np.zeros) -> Gradients:
        """Return the planned gradients of V and G."""


def shape_of(prepared: PreparedLayer, tensor: str) -> tuple[int, ...]:
    """Return the shape of Z for ``output``, otherwise of the parameter with that name and of its gradient."""
    shapes = {
        "output": prepared.output_shape,
        "kernel": prepared.convolution.weights.shape,
        "input": prepared.input_shape,
        "bias": prepared.bias_shape,
    }
    return shapes[tensor]
