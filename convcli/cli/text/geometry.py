"""The geometry of a convolution as text for people."""

from convcli.geometry.axes import Geometry


def geometry_text(geometry: Geometry) -> str:
    """Return the pads and the output's shape, which follow from options such as "same" and the input's shape."""
    top, bottom, left, right = geometry.pads
    shape = "x".join(map(str, geometry.output_shape))
    return f"pads: top {top}, bottom {bottom}, left {left}, right {right}; output {shape}"
