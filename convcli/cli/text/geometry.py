"""The geometry of a convolution as text for people."""

from convcli.convolution.layers import PreparedLayer
from convcli.geometry.axes import Geometry
from convcli.layouts import Layouts


def geometry_text(prepared: PreparedLayer, layouts: Layouts) -> str:
    """Return the pads, their fill and the output's shape, which follow from the options and the input."""
    shape = layouts.maps.order(prepared.output_shape)
    return f"pads: {pads_text(prepared.geometry)}; output {'x'.join(map(str, shape))}"


def pads_text(geometry: Geometry) -> str:
    """Return the pads and their fill."""
    top, bottom, left, right = geometry.pads
    return f"top {top}, bottom {bottom}, left {left}, right {right}, filled with {geometry.edge}"
