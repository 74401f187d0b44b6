"""The convolutions of ONNX models, as kernels with weights, bias, groups and options.

A node ``Conv`` is a convolution as ``conv2d`` computes it: without a flip, and with zeros around its input; a node
``ConvTranspose`` is one as ``conv2d_transpose`` computes it. The weights may be an initializer, in the model or in a
file beside it, or the value of a ``Constant`` node. The library ``onnx`` decodes the model and the tensors; it is the
extra ``onnx``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import OptionError
from convcli.extras import install_command
from convcli.files.file_bytes import contents
from convcli.files.forks import renewing_locks
from convcli.files.memory import require_memory
from convcli.files.source import Source
from convcli.files.stored_tensors import Wanted
from convcli.geometry.options import Options, parse_options
from convcli.geometry.transposed import OutputSize, parse_output_size
from convcli.kernels.kernel import Kernel

TRANSPOSED = "ConvTranspose"
OPERATORS = ("Conv", TRANSPOSED)
# ONNX's own operators have this name or none for their domain.
_DOMAINS = ("", "ai.onnx")
_AUTO_PADS = {"SAME_UPPER": "same", "SAME_LOWER": "same-lower", "VALID": "valid"}
_FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")


def read_onnx_kernel(source: Source) -> Kernel:
    """Return the convolution of a model that a source names, or the only one.

    Raises KernelError for a convolution that cannot be reproduced, with the reason; OptionError for the name of none.
    """
    return read_model(source).convolution(source.key).kernel()


def read_model(source: Source) -> "Model":
    """Return the model in a source. Raises ValueError if the library for it is not installed."""
    try:
        import onnx
    except ImportError:
        raise ValueError(f"it is an ONNX model: to read it, {install_command('onnx')}") from None
    proto = onnx.load_model_from_string(contents(source.file()))
    return Model(source.file_name, proto, None if source.read else source.path.parent)


@renewing_locks
@dataclass(frozen=True)
class Model:
    """A model.

    file: its name in errors.  proto: an ``onnx.ModelProto``.  folder: that of the file, or None for bytes.
    """

    file: str
    proto: Any
    folder: Path | None

    def convolution(self, key: str | None) -> "Node":
        """Return the convolution of that name, or without a name the only one; OptionError if there is none.

        A convolution can also be named by its output, or by its weights, with or without ``.weight``.
        """
        return Wanted(self.file, self._name(key), noun="convolution").of(self.convolutions)

    @cached_property
    def convolutions(self) -> dict[str, "Node"]:
        """The convolutions by the names of their nodes, or of the outputs of nodes without a name of their own."""
        found: dict[str, Node] = {}
        for proto in self.proto.graph.node:
            if proto.op_type in OPERATORS and proto.domain in _DOMAINS:
                own = proto.name and proto.name not in found
                node = Node(self, proto, proto.name if own else proto.output[0])
                found[node.name] = node
        return found

    def _name(self, key: str | None) -> str | None:
        """Return the name of the only convolution with this name or another one; the key itself if there is none."""
        for names in zip(*(node.names for node in self.convolutions.values()), strict=True):
            if names.count(key) == 1:
                return list(self.convolutions)[names.index(key)]
        return key

    @cached_property
    def initializers(self) -> dict[str, Any]:
        """The constant tensors of the graph, by name."""
        return {tensor.name: tensor for tensor in self.proto.graph.initializer}

    @cached_property
    def _producers(self) -> dict[str, Any]:
        return {name: node for node in self.proto.graph.node for name in node.output}

    def constant(self, name: str) -> Any:
        """Return the constant of that name, an ``onnx.TensorProto``; ValueError if its value depends on inputs."""
        if name in self.initializers:
            return self.initializers[name]
        node = self._producers.get(name)
        if node is None:
            raise ValueError(f"{name} is an input of the model, and no constant")
        value = next((each.t for each in node.attribute if each.name == "value"), None)
        if node.op_type != "Constant" or value is None:
            raise ValueError(f"{name} is computed by a node of type {node.op_type}, and no constant")
        return value

    def shapes(self, input_shape: tuple[int, ...] | None = None) -> dict[str, tuple[int | None, ...]]:
        """Return the shapes of the graph's tensors and constants by name, with None for an unknown length.

        input_shape: the shape of the model's first input, instead of what the model says.
        """
        from onnx import shape_inference

        proto = type(self.proto)()
        proto.CopyFrom(self.proto)
        if input_shape is not None:
            _give_shape(next(each for each in proto.graph.input if each.name not in self.initializers), input_shape)
            # What an exporter noted holds for the old shape.
            del proto.graph.value_info[:]
        graph = shape_inference.infer_shapes(proto).graph
        values = (*graph.input, *graph.value_info, *graph.output)
        found = {each.name: _shape(each.type.tensor_type) for each in values if each.type.tensor_type.HasField("shape")}
        return found | {name: tuple(tensor.dims) for name, tensor in self.initializers.items()}

    def array(self, tensor: Any) -> FloatArray:
        """Return a constant tensor in float64; ValueError unless it holds finite floats."""
        from onnx import TensorProto, external_data_helper, numpy_helper

        type_ = TensorProto.DataType.Name(tensor.data_type)
        if type_ not in _FLOATS:
            raise ValueError(f"{tensor.name}: expected floats, given {type_}")
        if external_data_helper.uses_external_data(tensor) and self.folder is None:
            raise ValueError(f"{tensor.name} is in another file: expected the model as a file")
        require_memory(8 * prod(tensor.dims), "in float64 it takes")
        # The library turns them into arrays of a type of its own.
        numbers = np.array(numpy_helper.to_array(tensor, str(self.folder or "")), np.float64)
        index = first_non_finite(numbers)
        if index is not None:
            raise ValueError(f"{tensor.name}{list(index)}: expected a finite number, given {numbers[index]}")
        return numbers


@dataclass(frozen=True)
class Node:
    """A node that convolves. proto: an ``onnx.NodeProto``.  name: its name in the model."""

    model: Model
    proto: Any
    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the node can be given by; the first ones win over the last ones."""
        weights = self._input(1)
        # PyTorch writes the path of the module and the operator.
        path = self.name.removeprefix("/").removesuffix(f"/{self.proto.op_type}")
        return self.name, self.proto.output[0], weights, weights.removesuffix(".weight"), path

    @property
    def is_transposed(self) -> bool:
        """Return whether the node computes a transposed convolution."""
        return bool(self.proto.op_type == TRANSPOSED)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights; ValueError if they are no constant."""
        return tuple(self.model.constant(self._input(1)).dims)

    def require_constant(self) -> None:
        """Raise ValueError, with the reason, unless the weights and the bias are constants."""
        for name in self.proto.input[1:]:
            if name:
                self.model.constant(name)

    def kernel(self) -> Kernel:
        """Return weights, bias and options; ValueError, with the reason, if ``conv2d`` cannot reproduce the node."""
        options = self.options(self.shape)
        bias = self._input(2)
        return Kernel(
            name=self.name,
            weights=self.model.array(self.model.constant(self._input(1))),
            bias=self.model.array(self.model.constant(bias)) if bias else None,
            groups=options.groups,
            options=options,
            transposed=self.output_size(self.shape) if self.is_transposed else None,
        )

    def options(self, shape: tuple[int, ...]) -> Options:
        """Return the options; ValueError, with the reason, if ``conv2d`` cannot reproduce the node.

        shape: that of its weights.
        """
        attributes = attributes_of(self.proto)
        if len(shape) != 4:
            raise ValueError(f"expected weights (C_out, C_in/groups, kh, kw) for images, given shape {shape}")
        if attributes.get("kernel_shape", list(shape[2:])) != list(shape[2:]):
            raise ValueError(f"its kernel_shape {attributes['kernel_shape']} differs from its weights' {shape}")
        return parse_options(
            stride=attributes.get("strides", (1, 1)),
            padding=_padding(attributes),
            dilation=attributes.get("dilations", (1, 1)),
            groups=attributes.get("group", 1),
        )

    def output_size(self, shape: tuple[int, ...]) -> OutputSize:
        """Return the size of the output of a transposed convolution; ValueError if it cannot be reproduced.

        shape: that of its weights.
        """
        attributes = attributes_of(self.proto)
        if "output_shape" in attributes:
            raise ValueError("its output_shape decides its pads: expected a node with pads or auto_pad")
        extra = attributes.get("output_padding", [0, 0])
        if not _rule(attributes).startswith("SAME"):
            return parse_output_size(output_padding=extra)
        if any(extra):
            raise ValueError(f"expected no output_padding with auto_pad, given {list(extra)}")
        steps = zip(shape[2:], attributes.get("dilations", (1, 1)), attributes.get("strides", (1, 1)), strict=True)
        if any(dilation * (taps - 1) + 1 < stride for taps, dilation, stride in steps):
            raise ValueError("auto_pad has no pads for a window that is smaller than the stride")
        return OutputSize()

    def _input(self, place: int) -> str:
        """Return the name of an input; "" if the node has none there."""
        return str(self.proto.input[place]) if len(self.proto.input) > place else ""


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of an ``onnx.NodeProto`` by name."""
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _give_shape(value: Any, shape: tuple[int, ...]) -> None:
    """Give a model's input this shape, which may omit the batch axis."""
    dims = value.type.tensor_type.shape.dim
    if len(shape) not in (len(dims), len(dims) - 1):
        raise OptionError(
            f"expected {len(dims)} lengths for the model's input {value.name}, or {len(dims) - 1} without the batch "
            f"axis, given {shape}",
            option="input_shape",
        )
    for dim, length in zip(list(dims)[-len(shape) :], shape, strict=True):
        dim.dim_value = length


def _shape(tensor_type: Any) -> tuple[int | None, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor_type.shape.dim)


def _padding(attributes: Mapping[str, Any]) -> Any:
    """Return a rule, or the pads as top, bottom, left, right. ONNX lists the beginnings of all axes, then the ends."""
    rule = _rule(attributes)
    if rule in _AUTO_PADS:
        return _AUTO_PADS[rule]
    if rule not in ("NOTSET", ""):
        raise ValueError(f"expected auto_pad {', '.join(_AUTO_PADS)} or NOTSET, given {rule}")
    pads = attributes.get("pads", [0, 0, 0, 0])
    if len(pads) != 4 or min(pads) < 0:
        raise ValueError(f"expected four pads of at least 0, given {list(pads)}")
    top, left, bottom, right = pads
    return top, bottom, left, right


def _rule(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("auto_pad", b"NOTSET").decode())
