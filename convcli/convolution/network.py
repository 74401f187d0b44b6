"""The convolutions of a model, with their shapes and costs, from shapes alone.

The receptive field of a layer is what one of its outputs depends on, in pixels of the model's input. Along an axis a
window of k taps, dilation d and stride s over outputs that see ``size`` pixels and lie ``step`` apart gives

    size' = size + d*(k - 1)*step        step' = step*s
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import prod
from typing import Any, NamedTuple

from convcli.errors import GeometryError
from convcli.geometry.axes import Geometry
from convcli.geometry.options import Options
from convcli.geometry.transposed import OutputSize, transposition
from convcli.kernels.onnx_models import Model, Node, attributes_of

Shape = tuple[int, ...]
Shapes = Mapping[str, tuple[int | None, ...]]

# Operators whose output at each place depends on their inputs at one place.
_POINTWISE = frozenset(
    (
        *("Add", "BatchNormalization", "Concat", "Div", "LRN", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"),
        *("Abs", "Celu", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish"),
        *("Neg", "PRelu", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Tanh"),
        *("Cast", "DequantizeLinear", "Dropout", "Identity", "Pad", "QuantizeLinear", "Slice", "Split"),
    )
)
_WINDOWS = frozenset(("AveragePool", "Conv", "LpPool", "MaxPool"))


class ModelConvolution(NamedTuple):
    """A convolution of a model.

    operator: ``Conv`` or ``ConvTranspose``.
    input_shape, kernel_shape, output_shape: of one image, or None where the model does not say them.
    geometry: that of the convolution, or of the one whose transpose it is; None if the shape of its input is unknown,
        or if convcli cannot reproduce it.
    parameters: the number of weights and biases.  multiplications: the multiply-adds of the definition, for one image.
    receptive_field: rows and columns of the model's input, or None if it is unknown.
    refusal: why convcli cannot reproduce it; "" if it can.
    """

    name: str
    operator: str
    input_shape: Shape | None
    kernel_shape: Shape | None
    output_shape: Shape | None
    geometry: Geometry | None
    parameters: int | None
    multiplications: int | None
    receptive_field: tuple[int, int] | None
    refusal: str


class Network(NamedTuple):
    """The convolutions of a model, in the order in which it computes them."""

    convolutions: tuple[ModelConvolution, ...]

    @property
    def parameters(self) -> int:
        """The known numbers of weights and biases; those that two convolutions share count twice."""
        return sum(each.parameters or 0 for each in self.convolutions)

    @property
    def multiplications(self) -> int:
        """The known numbers of multiply-adds."""
        return sum(each.multiplications or 0 for each in self.convolutions)


def network_of(model: Model, input_shape: tuple[int, ...] | None = None) -> Network:
    """Return the convolutions of a model.

    input_shape: the shape of the model's first input, instead of what the model says.
    Raises GeometryError if a convolution cannot take what follows from this shape.
    """
    shapes, fields = model.shapes(input_shape), _fields(model)
    if input_shape is not None:
        for node in model.convolutions.values():
            _require_fit(node, shapes)
    return Network(tuple(_convolution(node, shapes, fields) for node in model.convolutions.values()))


def network_to_json(network: Network) -> dict[str, Any]:
    """Return the members of a JSON document."""
    return {
        "convolutions": [_convolution_to_json(each) for each in network.convolutions],
        "parameters": network.parameters,
        "multiplications": network.multiplications,
    }


def _convolution_to_json(found: ModelConvolution) -> dict[str, Any]:
    geometry = found.geometry
    sides = None if geometry is None else dict(zip(("top", "bottom", "left", "right"), geometry.pads, strict=True))
    return {
        "name": found.name,
        "operator": found.operator,
        "shape": {"input": found.input_shape, "kernel": found.kernel_shape, "output": found.output_shape},
        "pads": sides,
        "stride": geometry and [geometry.rows.stride, geometry.columns.stride],
        "dilation": geometry and [geometry.rows.dilation, geometry.columns.dilation],
        "groups": geometry and geometry.groups,
        "parameters": found.parameters,
        "multiplications": found.multiplications,
        "receptive_field": found.receptive_field,
        "refused": found.refusal or None,
    }


def _convolution(node: Node, shapes: Shapes, fields: "Fields") -> ModelConvolution:
    V, Z = (_image(shapes.get(name)) for name in (node.proto.input[0], node.proto.output[0]))
    K, *bias = (_known(shapes.get(name)) for name in node.proto.input[1:] if name)
    geometry, refusal = _geometry(node, V, K)
    field = fields.get(node.proto.output[0])
    return ModelConvolution(
        name=node.name,
        operator=node.proto.op_type,
        input_shape=V,
        kernel_shape=K,
        output_shape=Z if geometry is None or node.is_transposed else geometry.output_shape,
        geometry=geometry,
        parameters=None if K is None else prod(K) + sum(map(prod, filter(None, bias))),
        multiplications=_multiplications(node, V, K, geometry),
        receptive_field=None if field is None else (field.rows.size, field.columns.size),
        refusal=refusal,
    )


def _geometry(node: Node, V: Shape | None, K: Shape | None) -> tuple[Geometry | None, str]:
    """Return the geometry, or None if it is unknown; and why convcli cannot reproduce the node, or ""."""
    geometry = None
    try:
        if V is not None and K is not None:
            geometry = _options(node, K).geometry(V, K)
        # Weights that are computed may have a known shape, but are no kernel.
        node.require_constant()
    except ValueError as error:
        return geometry, str(error)
    return geometry, ""


def _require_fit(node: Node, shapes: Shapes) -> None:
    """Raise GeometryError if the input of a node does not fit its weights; do nothing if their shapes are unknown."""
    V, K = _image(shapes.get(node.proto.input[0])), _known(shapes.get(node.proto.input[1]))
    try:
        options = None if V is None or K is None else _options(node, K)
    # A node that convcli cannot reproduce may fit its input nevertheless.
    except ValueError:
        return
    if options is not None and V is not None and K is not None:
        try:
            options.geometry(V, K)
        except GeometryError as error:
            raise GeometryError(f"the convolution {node.name}: {error.message}", option="input_shape") from None


class _NodeOptions(NamedTuple):
    """The options of a node, and the size of its output if it is a transposed convolution."""

    options: Options
    size: OutputSize | None

    def geometry(self, V: Shape, K: Shape) -> Geometry:
        """Return the geometry of the convolution, or of the one whose transpose the node computes."""
        if self.size is None:
            return self.options.geometry(V, K)
        found = transposition(self.options, self.size, V, K)
        return found.options.geometry(found.output_shape, K)


def _options(node: Node, K: Shape) -> _NodeOptions:
    return _NodeOptions(node.options(K), node.output_size(K) if node.is_transposed else None)


def _multiplications(node: Node, V: Shape | None, K: Shape | None, geometry: Geometry | None) -> int | None:
    """Return the multiply-adds of the definition: each number of Z, or of V if transposed, meets one filter of K."""
    if K is None or V is None:
        return None
    if node.is_transposed:
        return prod(V) * prod(K[1:])
    return None if geometry is None else prod(geometry.output_shape) * prod(K[1:])


def _image(shape: tuple[int | None, ...] | None) -> Shape | None:
    """Return the shape without its batch axis, or None if another length is unknown."""
    return _known((shape or ())[1:] or None)


def _known(shape: tuple[int | None, ...] | None) -> Shape | None:
    """Return the shape, or None if a length is unknown."""
    lengths = tuple(length for length in shape or () if length is not None)
    return lengths if shape and len(lengths) == len(shape) else None


class _Axis(NamedTuple):
    """The receptive field of an output along an axis, and the distance of two of them: pixels of the model's input."""

    size: int = 1
    step: int = 1

    def through(self, taps: int, stride: int, dilation: int) -> "_Axis":
        return _Axis(self.size + dilation * (taps - 1) * self.step, self.step * stride)


class _Field(NamedTuple):
    """The receptive field of a tensor's numbers."""

    rows: _Axis = _Axis()
    columns: _Axis = _Axis()


# The receptive fields of tensors by name, or None for an unknown one. Constants have no entry.
Fields = dict[str, _Field | None]


def _fields(model: Model) -> Fields:
    fields: Fields = {each.name: _Field() for each in model.proto.graph.input if each.name not in model.initializers}
    for node in model.proto.graph.node:
        seen = [fields[name] for name in node.input if name in fields]
        if seen:
            fields.update(dict.fromkeys(node.output, _through(model, node, seen)))
    return fields


def _through(model: Model, node: Any, seen: list[_Field | None]) -> _Field | None:
    """Return the field of a node's outputs; None if it is unknown. seen: the fields of its inputs."""
    joined = _joined(seen)
    if joined is None or node.op_type in _POINTWISE:
        return joined
    if node.op_type not in _WINDOWS:
        return None
    # Weights that are computed have no known size, and a window of another rank has other numbers of them.
    with suppress(ValueError):
        (y, x), (sy, sx), (dy, dx) = _window(model, node)
        return _Field(joined.rows.through(y, sy, dy), joined.columns.through(x, sx, dx))
    return None


def _joined(seen: list[_Field | None]) -> _Field | None:
    known = [field for field in seen if field is not None]
    if len(known) < len(seen) or len({(field.rows.step, field.columns.step) for field in known}) > 1:
        return None
    return _Field(max(field.rows for field in known), max(field.columns for field in known))


def _window(model: Model, node: Any) -> Iterator[Any]:
    """Yield the taps, the stride and the dilation of a window; raise ValueError if its size is unknown."""
    attributes = attributes_of(node)
    taps = attributes.get("kernel_shape") or model.constant(node.input[1]).dims[2:]
    yield taps
    yield attributes.get("strides") or [1] * len(taps)
    yield attributes.get("dilations") or [1] * len(taps)
