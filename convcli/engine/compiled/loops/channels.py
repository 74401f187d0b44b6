"""The loops of the algorithm ``compiled-channels``, which Numba compiles for blocks of channels and a float type.

    Z[i,p] = sum over t of V'[p + t] * K[t,i]        (t: the taps of all input channels, in the order of the definition)

The sums of a block, some output channels i of some vectors of pixels p, stay in registers for all taps t: each pixel is
loaded once for all channels, and each weight once for all pixels.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.compiled.blocks import VECTOR
from convcli.engine.compiled.channel_blocks import ChannelBlocks
from convcli.engine.compiled.loops.vectors import FLOATS, Vectors, named_jit


def jitted(blocks: ChannelBlocks) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``fill`` for these blocks, not compiled yet, and the types of its arguments."""
    number, channels, vectors = FLOATS[blocks.dtype], blocks.channels, blocks.vectors
    lanes = VECTOR // (number.bitwidth // 8)
    add_taps, add_taps_at_end = _add_taps(blocks, number), _add_taps(blocks, number, at_end=True)

    def fill(tile: Any, out: Any, K: Any, taps: Any, sources: Any, targets: Any) -> None:
        """Fill ``out`` (images, groups, C_out, rows, columns) from a padded tile (images, groups, C_in, h, w).

        K: the weights (groups, blocks, taps, channels).
        taps: the bytes from the pixel of the first tap to that of each tap of a window.
        sources, targets: the bytes from the first pixel of a channel to each vector, in the tile and in ``out``.
        """
        images, groups, out_channels, _, out_columns = out.shape
        step, first_tap, depth = out.strides[2], taps.ctypes.data, len(taps)
        for image in range(images):
            for group in range(groups):
                V = tile.ctypes.data + image * tile.strides[0] + group * tile.strides[1]
                Z = out.ctypes.data + image * out.strides[0] + group * out.strides[1]
                for place in range(0, len(sources), vectors):
                    source, target = sources.ctypes.data + place * 8, targets.ctypes.data + place * 8
                    for block in range(K.shape[1]):
                        weights = K.ctypes.data + group * K.strides[0] + block * K.strides[1]
                        sums = Z + min(block * channels, out_channels - channels) * step
                        if out_columns >= lanes:
                            add_taps(V, source, first_tap, depth, weights, sums, target, step, lanes)
                        else:
                            add_taps_at_end(V, source, first_tap, depth, weights, sums, target, step, out_columns)

    read, written = (types.Array(number, 5, "A", readonly=readonly) for readonly in (True, False))
    K, places = types.Array(number, 4, "C", readonly=True), types.Array(types.int64, 1, "C", readonly=True)
    return named_jit(fill, blocks.name), (read, written, K, places, places, places)


def _add_taps(blocks: ChannelBlocks, number: Any, *, at_end: bool = False) -> Any:
    """Return the intrinsic that computes a block.

    at_end: whether only the first ``count`` pixels of each vector are read and written.
    """
    channels, vectors, bytes_per_float = range(blocks.channels), range(blocks.vectors), number.bitwidth // 8

    @intrinsic
    def add(
        context: Any,
        V: Any,
        sources: Any,
        taps: Any,
        depth: Any,
        K: Any,
        Z: Any,
        targets: Any,
        channel: Any,
        count: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            V, sources, taps, depth, K, Z, targets, channel, count = arguments
            code = Vectors(builder, context.get_value_type(number), bytes_per_float, count if at_end else None)
            integer, float_ = code.constant(8), code.constant(bytes_per_float)
            first = [builder.add(V, code.integer(code.moved(sources, integer, v))) for v in vectors]
            sums = [[cgutils.alloca_once_value(builder, code.zeros) for _ in vectors] for _ in channels]
            with cgutils.for_range(builder, depth) as loop:
                tap = code.integer(builder.add(taps, builder.mul(loop.index, integer)))
                weights = builder.add(K, builder.mul(loop.index, code.constant(bytes_per_float * blocks.channels)))
                pixels = [code.load_pixels(builder.add(first[v], tap)) for v in vectors]
                for i in channels:
                    weight = code.weight(code.moved(weights, float_, i))
                    for v in vectors:
                        builder.store(code.multiply_add(pixels[v], weight, builder.load(sums[i][v])), sums[i][v])
            for v in vectors:
                target = builder.add(Z, code.integer(code.moved(targets, integer, v)))
                for i in channels:
                    code.store(builder.load(sums[i][v]), code.moved(target, channel, i))
            return context.get_dummy_value()

        return types.void(V, sources, taps, depth, K, Z, targets, channel, count), generate

    return add
