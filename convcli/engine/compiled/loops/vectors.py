"""Shared by all compiled loops: Numba's dispatchers under names of their own, and vectors of floats in LLVM's code."""

from collections.abc import Callable
from typing import Any, Self

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from convcli.engine.compiled.blocks import VECTOR

FLOATS = {"float32": types.float32, "float64": types.float64}

Jitted = Callable[..., Any]


def named_jit(function: Jitted, name: str) -> Jitted:
    """Return Numba's dispatcher of a function, under a name of its own.

    Numba numbers the functions of a process, and names machine code by the function and its number. Code that different
    processes compiled under one name, and that one process loads from the cache, would be confused.
    """
    function.__name__ = function.__qualname__ = name
    return njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


class Vectors:
    """A writer of LLVM instructions for vectors of floats.

    An address is an integer.  count: how many lanes are active; None for all.
    """

    def __init__(self, builder: Any, number: Any, bytes_per_float: int, count: Any = None) -> None:
        self._builder, self._number, self.bytes = builder, number, bytes_per_float
        self.lanes = lanes = VECTOR // bytes_per_float
        self._vector, self._bits = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(1), lanes)
        self._suffix = f"v{lanes}f{8 * bytes_per_float}"
        self._all = count is None
        self._active = ir.Constant(self._bits, [1] * lanes)
        if count is not None:
            places = ir.VectorType(ir.IntType(64), lanes)
            each = ir.Constant(places, list(range(lanes)))
            self._active = builder.icmp_signed("<", each, self._everywhere(count, places))

    def constant(self, number: int) -> Any:
        """Return an integer as a constant of the code."""
        return ir.Constant(ir.IntType(64), number)

    def moved(self, address: Any, step: Any, times: int) -> Any:
        """Return the address that lies ``times`` steps on."""
        return self._builder.add(address, self._builder.mul(step, self.constant(times)))

    def along(self, count: Any, write: "Callable[[Self, Any, int], None]", together: int = 1) -> None:
        """Write a loop over the vectors of so many lanes, in turns of vectors ``together``.

        write: writes the code of one vector, given its writer, its first lane, and its place in the turn.
        """
        builder, turn = self._builder, self.constant(self.lanes * together)
        end = builder.mul(builder.sdiv(count, turn), turn)
        firsts = [self.constant(self.lanes * place) for place in range(together)]
        with cgutils.for_range_slice(builder, self.constant(0), end, turn, count.type) as (lane, _):
            for place, first in enumerate(firsts):
                write(self, builder.add(lane, first), place)
        with builder.if_then(builder.icmp_signed("<", end, count)):
            for place, first in enumerate(firsts):
                lane = builder.add(end, first)
                write(type(self)(builder, self._number, self.bytes, builder.sub(count, lane)), lane, place)

    @property
    def zeros(self) -> Any:
        """0 in every lane."""
        return ir.Constant(self._vector, None)

    def load(self, address: Any, unless: Any = None) -> Any:
        """Return the active lanes in memory, and 0 for the others; all are 0 if ``unless`` is true."""
        if unless is None:
            return self._load_kind(address, self._vector, self.bytes)
        kept = self._builder.and_(self._active, self._everywhere(self._builder.not_(unless), self._bits))
        return self._load_lanes(address, kept, self._vector, self.bytes)

    def load_pixels(self, address: Any) -> Any:
        """Return the active lanes in memory that the loops do not write, and 0 for the others."""
        return self._load_constant(address, self._vector) if self._all else self.load(address)

    def integer(self, address: Any) -> Any:
        """Return an integer in memory."""
        return self._load_constant(address, ir.IntType(64))

    def places(self, columns: Any, taps: int, *, adjacent: bool) -> list[Any]:
        """Return the bytes from the pixel of a row's first tap to that of each tap of a block.

        columns: the address of these numbers.  adjacent: whether the taps read neighbouring pixels, so that only the
        first number is loaded.
        """
        if adjacent:
            return [self.moved(self.integer(columns), self.constant(self.bytes), n) for n in range(taps)]
        return [self.integer(self.moved(columns, self.constant(8), n)) for n in range(taps)]

    def weight(self, address: Any) -> Any:
        """Return a number in memory, in every lane."""
        return self._everywhere(self._load_constant(address, self._number), self._vector)

    def everywhere(self, value: Any) -> Any:
        """Return a number in every lane."""
        return self._everywhere(value, self._vector)

    def multiply_add(self, left: Any, right: Any, added: Any) -> Any:
        """Return left * right + added, rounded once where the processor has such an instruction."""
        return self._call("fmuladd", self._vector, left, right, added)

    def total(self, vector: Any) -> Any:
        """Return the sum of all lanes in float64, added in pairs."""
        wide, double = ir.VectorType(ir.DoubleType(), vector.type.count), ir.DoubleType()
        lanes = vector if vector.type == wide else self._builder.fpext(vector, wide)
        kind = ir.FunctionType(double, [double, wide])
        name = f"llvm.vector.reduce.fadd.v{wide.count}f64"
        function = cgutils.get_or_insert_function(self._builder.module, kind, name)
        # Without this flag, the lanes would be added one after another.
        return self._builder.call(function, [ir.Constant(double, 0.0), lanes], fastmath=("reassoc",))

    def store(self, vector: Any, address: Any) -> None:
        """Store the active lanes."""
        self._store(vector, address, self._vector, self.bytes)

    def _store(self, vector: Any, address: Any, kind: Any, size: int) -> None:
        target = self._pointer(address, kind)
        if self._all:
            self._builder.store(vector, target, align=size)
        else:
            self._call("masked.store", ir.VoidType(), vector, target, self._alignment(size), self._active, of=kind)

    def _load_constant(self, address: Any, kind: Any) -> Any:
        found = self._builder.load(self._pointer(address, kind), align=min(8, self.bytes))
        # Nobody writes what is loaded here, so that LLVM may load weights once for many outputs.
        found.set_metadata("invariant.load", self._builder.module.add_metadata([]))
        return found

    def _load_kind(self, address: Any, kind: Any, size: int) -> Any:
        """Return the active lanes of a vector of this type, and 0 for the others. size: the bytes per lane."""
        if not self._all:
            return self._load_lanes(address, self._active, kind, size)
        return self._builder.load(self._pointer(address, kind), align=size)

    def _load_lanes(self, address: Any, lanes: Any, kind: Any, size: int) -> Any:
        source, nothing, alignment = self._pointer(address, kind), ir.Constant(kind, None), self._alignment(size)
        return self._call("masked.load", kind, source, alignment, lanes, nothing, of=kind)

    def _alignment(self, size: int) -> Any:
        return ir.Constant(ir.IntType(32), size)

    def _pointer(self, address: Any, kind: Any) -> Any:
        return self._builder.inttoptr(address, kind.as_pointer())

    def _everywhere(self, value: Any, kind: Any) -> Any:
        undefined, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = self._builder.insert_element(undefined, value, first)
        return self._builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
        )

    def _call(self, name: str, kind: Any, *arguments: Any, of: Any = None) -> Any:
        """Call an intrinsic function of LLVM that exists for each type of vectors. of: theirs, if not of floats."""
        suffix = self._suffix if of in (None, self._vector) else f"v{of.count}{of.element}"
        suffix += ".p0" * name.startswith("masked")
        declared = ir.FunctionType(kind, [each.type for each in arguments])
        function = cgutils.get_or_insert_function(self._builder.module, declared, f"llvm.{name}.{suffix}")
        return self._builder.call(function, arguments)
