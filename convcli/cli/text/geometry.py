"""The geometry of a convolution as text for people."""

from convcli.convolution.layers import PreparedLayer
from convcli.geometry.axes import Geometry


def geometry_text(prepared: PreparedLayer) -> str:
    """Return the pads, their fill and the output's shape, which follow from the options and the input."""
    return f"pads: {pads_text(prepared.geometry)}; output {'x'.join(map(str, prepared.output_shape))}"


def pads_text(geometry: Geometry) -> str:
    """Return the pads and their fill."""
    top, bottom, left, right = geometry.pads
    return f"top {top}, bottom {bottom}, left {left}, right {right}, filled with {geometry.edge}"
