"""The loops of the algorithm ``compiled``, which Numba compiles for the blocks of a kernel and a float type.

    Z[i,j,k] += sum over m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]        (one input channel l, one block)

The sums of LANES consecutive columns k, in up to ROWS rows j, stay in vector registers while the taps of a block are
added in the order of the definition. If sy = dy, these rows share the pixels that they read. The numbers of taps are
constants of the compiled code, so that it holds no loop over taps.

This module imports numba, which takes a fifth of a second: only ``machine_code`` imports it, when it must.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.compiled.blocks import ROWS, VECTOR, Blocks

FLOATS = {"float32": types.float32, "float64": types.float64}

Jitted = Callable[..., Any]


def jitted(blocks: Blocks) -> tuple[Any, tuple[Any, ...]]:
    """Return the dispatcher of ``fill`` for these blocks, not compiled yet, and the types of its arguments."""
    number, rows = FLOATS[blocks.dtype], ROWS if blocks.share_rows else 1
    add_channel = _add_channel(blocks, rows, number)

    def fill(tile: Any, out: Any, K: Any, columns: Any, step: Any, dilation: Any) -> None:
        """Fill ``out`` (images, groups, C_out, rows, columns) from a padded tile (images, groups, C_in, h, w).

        columns: the bytes from the pixel of the first tap to that of each tap of a row.
        step, dilation: the rows of the tile from one output row, and from one tap, to the next.
        """
        images, groups, out_channels, out_rows, out_columns = out.shape
        line, Z_line = tile.strides[3], out.strides[3]
        for image in range(images):
            for group in range(groups):
                for i in range(out_channels):
                    for j in range(0, out_rows, rows):
                        Z = out.ctypes.data + image * out.strides[0] + group * out.strides[1] + i * out.strides[2]
                        target = Z + j * Z_line, Z_line, min(rows, out_rows - j), out_columns
                        for l in range(tile.shape[2]):  # noqa: E741 - the letter of the formula
                            V = tile.ctypes.data + image * tile.strides[0] + group * tile.strides[1]
                            source = V + l * tile.strides[2] + j * step * line, step * line, dilation * line
                            weights = K.ctypes.data + group * K.strides[0] + i * K.strides[1] + l * K.strides[2]
                            add_channel(source, columns, weights, K.shape[3], K.shape[4], target, l == 0)

    read, written = (types.Array(number, 5, "A", readonly=readonly) for readonly in (True, False))
    K, columns = types.Array(number, 5, "C", readonly=True), types.Array(types.int64, 1, "C")
    return _jitted(fill, blocks.name), (read, written, K, columns, types.int64, types.int64)


def _add_channel(blocks: Blocks, rows: int, number: Any) -> Jitted:
    """Return the function that adds all taps of one input channel to up to ``rows`` rows of outputs."""
    height, width, bytes_per_float = blocks.height, blocks.width, number.bitwidth // 8
    whole = _add_block(blocks, height, width, rows, number)
    low = _add_block(blocks, blocks.last_height, width, rows, number) if blocks.last_height else whole
    narrow = _add_block(blocks, height, blocks.last_width, rows, number) if blocks.last_width else whole

    def add(source: Any, columns: Any, K: Any, taps_down: Any, taps_across: Any, target: Any, first: Any) -> None:
        V, step, dilation = source
        for m in range(0, taps_down, height):
            for n in range(0, taps_across, width):
                below = V + m * dilation, step, dilation
                right = columns.ctypes.data + n * columns.itemsize
                weights = K + (m * taps_across + n) * bytes_per_float, taps_across * bytes_per_float
                if taps_down - m < height:
                    low(below, right, weights, target, first and m + n == 0)
                elif taps_across - n < width:
                    narrow(below, right, weights, target, first and m + n == 0)
                else:
                    whole(below, right, weights, target, first and m + n == 0)

    return _jitted(add, f"channel-{blocks.name}")


def _add_block(blocks: Blocks, height: int, width: int, rows: int, number: Any) -> Jitted:
    """Return the function that adds a block of taps to up to ``rows`` rows of outputs. Pointers are integers."""
    bytes_per_float = number.bitwidth // 8
    lanes = VECTOR // bytes_per_float
    add_to_rows = _add_taps(height, width, rows, number)
    add_to_row = _add_taps(height, width, 1, number)
    add_to_end = _add_taps(height, width, 1, number, at_end=True)

    def add(source: Any, columns: Any, weights: Any, target: Any, first: Any) -> None:
        V, step, dilation = source
        K, K_line = weights
        Z, Z_line, many, outputs = target
        end = outputs // lanes * lanes
        together = rows if many == rows else 1
        for j in range(0, many, together):
            for k in range(0, end, lanes):
                pixels, sums = V + j * step + k * bytes_per_float, Z + j * Z_line + k * bytes_per_float
                if together == rows:
                    add_to_rows(pixels, dilation, columns, K, K_line, sums, Z_line, lanes, first)
                else:
                    add_to_row(pixels, dilation, columns, K, K_line, sums, Z_line, lanes, first)
        if end < outputs:
            for j in range(many):
                pixels, sums = V + j * step + end * bytes_per_float, Z + j * Z_line + end * bytes_per_float
                add_to_end(pixels, dilation, columns, K, K_line, sums, Z_line, outputs - end, first)

    return _jitted(add, f"block-{height}x{width}-{blocks.name}")


def _jitted(function: Jitted, name: str) -> Jitted:
    """Return Numba's dispatcher of a function, under a name of its own.

    Numba numbers the functions of a process, and names machine code by the function and its number. Code that different
    processes compiled under one name, and that one process loads from the cache, would be confused.
    """
    function.__name__ = function.__qualname__ = name
    return njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def _add_taps(height: int, width: int, rows: int, number: Any, *, at_end: bool = False) -> Jitted:
    """Return the intrinsic that adds ``height`` x ``width`` taps to the sums of LANES columns in each of ``rows`` rows.

    at_end: whether only the first ``count`` columns are read and written.
    """

    @intrinsic
    def add(
        context: Any,
        V: Any,
        line: Any,
        columns: Any,
        K: Any,
        K_line: Any,
        Z: Any,
        Z_line: Any,
        count: Any,
        first: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            V, line, columns, K, K_line, Z, Z_line, count, first = arguments
            code = _Vectors(builder, context.get_value_type(number), number.bitwidth // 8, count if at_end else None)
            sums = [code.load(code.moved(Z, Z_line, j), unless=first) for j in range(rows)]
            columns = [code.integer(code.moved(columns, code.constant(8), n)) for n in range(width)]
            K = [
                [code.weight(code.moved(code.moved(K, K_line, m), code.constant(code.bytes), n)) for n in range(width)]
                for m in range(height)
            ]
            for row in range(rows + height - 1):
                for n in range(width):
                    pixels = code.load_pixels(builder.add(code.moved(V, line, row), columns[n]))
                    for j in range(max(0, row - height + 1), min(rows, row + 1)):
                        sums[j] = code.multiply_add(pixels, K[row - j][n], sums[j])
            for j in range(rows):
                code.store(sums[j], code.moved(Z, Z_line, j))
            return context.get_dummy_value()

        return types.void(V, line, columns, K, K_line, Z, Z_line, count, first), generate

    return add  # type: ignore[no-any-return]


class _Vectors:
    """A writer of LLVM instructions for vectors of floats.

    An address is an integer.  count: how many lanes are active; None for all.
    """

    def __init__(self, builder: Any, number: Any, bytes_per_float: int, count: Any = None) -> None:
        self._builder, self._number, self.bytes = builder, number, bytes_per_float
        lanes = VECTOR // bytes_per_float
        self._vector, self._bits = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(1), lanes)
        self._suffix = f"v{lanes}f{8 * bytes_per_float}"
        self._all = count is None
        self._active = ir.Constant(self._bits, [1] * lanes)
        if count is not None:
            places = ir.VectorType(ir.IntType(64), lanes)
            each = ir.Constant(places, list(range(lanes)))
            self._active = builder.icmp_signed("<", each, self._everywhere(count, places))

    def constant(self, number: int) -> Any:
        return ir.Constant(ir.IntType(64), number)

    def moved(self, address: Any, step: Any, times: int) -> Any:
        """Return the address that lies ``times`` steps on."""
        return self._builder.add(address, self._builder.mul(step, self.constant(times)))

    def load(self, address: Any, unless: Any) -> Any:
        """Return the active lanes in memory, and 0 for the others; all are 0 if ``unless`` is true."""
        kept = self._builder.and_(self._active, self._everywhere(self._builder.not_(unless), self._bits))
        return self._load_lanes(address, kept)

    def load_pixels(self, address: Any) -> Any:
        """Return the active lanes in memory, and 0 for the others."""
        return self._load(address, self._vector) if self._all else self._load_lanes(address, self._active)

    def integer(self, address: Any) -> Any:
        return self._load(address, ir.IntType(64))

    def weight(self, address: Any) -> Any:
        """Return a number in memory, in every lane."""
        return self._everywhere(self._load(address, self._number), self._vector)

    def multiply_add(self, left: Any, right: Any, added: Any) -> Any:
        """Return left * right + added, rounded once where the processor has such an instruction."""
        return self._call("fmuladd", self._vector, left, right, added)

    def store(self, vector: Any, address: Any) -> None:
        """Store the active lanes."""
        target = self._pointer(address, self._vector)
        if self._all:
            self._builder.store(vector, target, align=self.bytes)
        else:
            self._call("masked.store", ir.VoidType(), vector, target, self._alignment, self._active)

    def _load(self, address: Any, kind: Any) -> Any:
        found = self._builder.load(self._pointer(address, kind), align=min(8, self.bytes))
        # Nobody writes what is loaded here, so that LLVM may load weights once for many outputs.
        found.set_metadata("invariant.load", self._builder.module.add_metadata([]))
        return found

    def _load_lanes(self, address: Any, lanes: Any) -> Any:
        source, nothing = self._pointer(address, self._vector), ir.Constant(self._vector, None)
        return self._call("masked.load", self._vector, source, self._alignment, lanes, nothing)

    @property
    def _alignment(self) -> Any:
        return ir.Constant(ir.IntType(32), self.bytes)

    def _pointer(self, address: Any, kind: Any) -> Any:
        return self._builder.inttoptr(address, kind.as_pointer())

    def _everywhere(self, value: Any, kind: Any) -> Any:
        undefined, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = self._builder.insert_element(undefined, value, first)
        return self._builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
        )

    def _call(self, name: str, kind: Any, *arguments: Any) -> Any:
        suffix = self._suffix + ".p0" * name.startswith("masked")
        declared = ir.FunctionType(kind, [each.type for each in arguments])
        function = cgutils.get_or_insert_function(self._builder.module, declared, f"llvm.{name}.{suffix}")
        return self._builder.call(function, arguments)
