"""The types of recipes, each with the function that makes the loops of such a recipe."""

from collections.abc import Callable, Mapping
from typing import Any

from convcli.engine.compiled.blocks import Blocks, GradientBlocks, LevelBlocks, Passes
from convcli.engine.compiled.channel_blocks import ChannelBlocks
from convcli.engine.compiled.loops import channels, convolution, kernel_gradient, levels, separable

# Returns the dispatcher, not compiled yet, and the types of its arguments.
Maker = Callable[[Any], tuple[Any, tuple[Any, ...]]]

MAKERS: Mapping[type, Maker] = {
    Blocks: convolution.jitted,
    ChannelBlocks: channels.jitted,
    GradientBlocks: kernel_gradient.jitted,
    LevelBlocks: levels.jitted,
    Passes: separable.jitted,
}
