"""The geometry of a convolution as text for people."""

from convcli.geometry.axes import Geometry


def geometry_text(geometry: Geometry) -> str:
    """Return the pads, their fill and the output's shape, which follow from the options and the input."""
    return f"pads: {pads_text(geometry)}; output {'x'.join(map(str, geometry.output_shape))}"


def pads_text(geometry: Geometry) -> str:
    """Return the pads and their fill."""
    top, bottom, left, right = geometry.pads
    return f"top {top}, bottom {bottom}, left {left}, right {right}, filled with {geometry.edge}"
