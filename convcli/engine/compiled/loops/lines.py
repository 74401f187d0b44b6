"""The lines of a picture as floats, and sums as levels: what the compiled loops do before and after they add.

A line is the samples of a row, which lie next to each other in memory: of one channel, or of the pixels of all channels
in turn. What a sum becomes is defined by ``convcli.engine.levels``.
"""

from functools import reduce
from math import inf
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.compiled.lines import TURNS
from convcli.engine.compiled.loops.vectors import Jitted, Vectors, named_jit

# The bits after the first of a float's digits, by its bytes.
DIGITS = {4: 23, 8: 52}


def line_loader(number: Any, name: str) -> Jitted:
    """Return the function that fills a line of floats with the samples of some padded pixels."""
    copy, size = _copier(number, name), number.bitwidth // 8

    def load(
        source: Any, ahead: Any, bits: Any, samples: Any, places: Any, window: Any, inside: Any, value: Any, line: Any
    ) -> Any:
        """Fill a line with the pixels at the places of a window, or with ``value`` where these are negative.

        source, line: addresses.  inside: the places that follow each other, which are copied at once.
        """
        first, stop = window
        start = min(max(first, inside[0]), stop)
        end = max(start, min(stop, inside[1]))
        pixel = samples * (bits if bits else size * 8) // 8
        for apart in ((first, start), (end, stop)):
            for place in range(apart[0], apart[1]):
                target = line + (place - first) * samples * size
                if places[place] < 0:
                    fill(value, samples, target)
                else:
                    copy(source + places[place] * pixel, 0, bits, samples, target)
        if start < end:
            copy(
                source + places[start] * pixel,
                ahead,
                bits,
                (end - start) * samples,
                line + (start - first) * samples * size,
            )

    fill = line_filler(number)
    return named_jit(load, f"load-{name}")


def _copier(number: Any, name: str) -> Jitted:
    """Return the function that copies samples of 8 or 16 bits, or floats, to floats."""
    copy_8, copy_16, copy_floats = (_copier_of(number, bits) for bits in (8, 16, 0))

    def copy(source: Any, ahead: Any, bits: Any, count: Any, target: Any) -> None:
        if bits == 8:
            copy_8(source, ahead, count, target)
        elif bits == 16:
            copy_16(source, ahead, count, target)
        else:
            copy_floats(source, ahead, count, target)

    return named_jit(copy, f"copy-{name}")


def _copier_of(number: Any, bits: int) -> Jitted:
    @intrinsic
    def copy(context: Any, source: Any, ahead: Any, count: Any, target: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, ahead, count, target = arguments

            def step(code: Levels, first: Any, part: int) -> None:
                place = code.moved(source, first, bits // 8 or code.bytes)
                code.prefetch(builder.add(place, ahead))
                floats = code.load_samples(place, bits)
                code.store(floats, code.moved(target, first, code.bytes))

            _levels(context, builder, number).along(count, step)
            return context.get_dummy_value()

        return types.void(source, ahead, count, target), generate

    return copy  # type: ignore[no-any-return]


def line_filler(number: Any) -> Jitted:
    """Return the intrinsic that fills a line of floats with a number."""

    @intrinsic
    def fill(context: Any, value: Any, count: Any, target: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value, count, target = arguments

            def step(code: Levels, first: Any, part: int) -> None:
                code.store(code.everywhere(value), code.moved(target, first, code.bytes))

            _levels(context, builder, number).along(count, step)
            return context.get_dummy_value()

        return types.void(value, count, target), generate

    return fill  # type: ignore[no-any-return]


def _levels(context: Any, builder: Any, number: Any) -> "Levels":
    return Levels(builder, context.get_value_type(number), number.bitwidth // 8)


def plain_storer(number: Any, bits: int) -> Jitted:
    """Return the intrinsic that stores a line of sums that are levels but for the bias, and looks for odd numbers.

    These are the ones that are clipped, infinite or NaN. The intrinsic returns whether there are any. Otherwise, it
    updates the ends. The arguments are those of ``line_storer``.
    """

    @intrinsic
    def store(context: Any, Z: Any, count: Any, numbers: Any, out: Any, ends: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            Z, count, numbers, out, ends = arguments
            every = _levels(context, builder, number)
            constants = [every.constants(numbers, part) for part in range(TURNS)]
            found = [every.nothing_found() for _ in range(TURNS)]

            def step(code: Levels, first: Any, part: int) -> None:
                levels = builder.fadd(code.load(code.moved(Z, first, code.bytes)), constants[part].bias)
                code.look_at(levels, found[part])
                code.store_levels(levels, constants[part], bits, code.moved(out, first, bits // 8))

            every.along(count, step, TURNS)
            is_odd = reduce(builder.or_, [every.is_odd(each, constants[0]) for each in found])
            with builder.if_then(builder.not_(is_odd)):
                for part, each in enumerate(found):
                    every.widen(ends, part, each)
            return is_odd

        return types.boolean(Z, count, numbers, out, ends), generate

    return store  # type: ignore[no-any-return]


def line_storer(number: Any, bits: int) -> Jitted:
    """Return the intrinsic that stores a line of sums as levels of 8 or 16 bits, and counts what was clipped.

    Z, out: the addresses of the sums and of the levels.  numbers: that of the constants of ``lines.constants``.
    ends: that of the least and the greatest finite number per lane.  counts: that of how many numbers were clipped, and
    how many are NaN, per lane.
    """

    @intrinsic
    def store(context: Any, Z: Any, count: Any, numbers: Any, out: Any, ends: Any, counts: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            Z, count, numbers, out, ends, counts = arguments
            every = _levels(context, builder, number)
            constants = [every.constants(numbers, part) for part in range(TURNS)]
            tallies = [every.tally(ends, counts, part) for part in range(TURNS)]

            def step(code: Levels, first: Any, part: int) -> None:
                sums = code.load(code.moved(Z, first, code.bytes))
                levels = code.counted(builder.fadd(sums, constants[part].bias), constants[part], tallies[part])
                code.store_levels(levels, constants[part], bits, code.moved(out, first, bits // 8))

            every.along(count, step, TURNS)
            for part, tally in enumerate(tallies):
                every.write(tally, ends, counts, part)
            return context.get_dummy_value()

        return types.void(Z, count, numbers, out, ends, counts), generate

    return store  # type: ignore[no-any-return]


class _Constants(NamedTuple):
    """The numbers of ``lines.constants`` for one of the vectors of a turn."""

    bias: Any
    scale: Any
    offset: Any
    full: Any
    is_magnitude: Any


class _Tally(NamedTuple):
    """The memory of what is counted in one of the vectors of a turn, which LLVM keeps in registers."""

    low: Any
    high: Any
    clipped: Any
    nans: Any


class _Found(NamedTuple):
    """The memory of what is found in one of the vectors of a turn.  unfinite: NaN once a number is not finite."""

    low: Any
    high: Any
    unfinite: Any


class Levels(Vectors):
    """A writer of LLVM instructions for vectors of floats that become levels."""

    def load_samples(self, address: Any, bits: int) -> Any:
        """Return the active lanes of samples of so many bits, or of floats if that is 0, as floats."""
        if not bits:
            return self.load(address)
        kind = ir.VectorType(ir.IntType(bits), self.lanes)
        return self._builder.uitofp(self._load_kind(address, kind, bits // 8), self._vector)

    def prefetch(self, address: Any) -> None:
        """Have the processor fetch a line of its cache."""
        pointer = self._pointer(address, ir.IntType(8))
        declared = ir.FunctionType(ir.VoidType(), [pointer.type, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(self._builder.module, declared, "llvm.prefetch.p0")
        read, keep, data = (ir.Constant(ir.IntType(32), number) for number in (0, 3, 1))
        self._builder.call(function, [pointer, read, keep, data])

    def constants(self, numbers: Any, part: int) -> _Constants:
        """Return the constants."""
        step, turn = self.constant(self.bytes), self.lanes * TURNS
        scale, offset, full, magnitude = (self.weight(self.moved(numbers, step, turn + place)) for place in range(4))
        bias = self.load(self.moved(numbers, step, self.lanes * part))
        is_magnitude = self._builder.fcmp_ordered(">", magnitude, self._of(0.0))
        return _Constants(bias, scale, offset, full, is_magnitude)

    def store_levels(self, levels: Any, constants: _Constants, bits: int, address: Any) -> None:
        """Store the active lanes, rounded half to even, and clipped; NaN becomes 0."""
        code = self._builder
        clipped = code.select(code.fcmp_ordered(">", levels, self._of(0.0)), levels, self._of(0.0))
        clipped = code.select(code.fcmp_ordered("<", clipped, constants.full), clipped, constants.full)
        # The sum has no bits for fractions, and the lowest bits of its digits are the level.
        rounded = code.fadd(clipped, self._of(1.5 * 2.0 ** DIGITS[self.bytes]))
        integers = code.bitcast(rounded, ir.VectorType(ir.IntType(8 * self.bytes), self.lanes))
        kind = ir.VectorType(ir.IntType(bits), self.lanes)
        self._store(code.trunc(integers, kind), address, kind, bits // 8)

    def nothing_found(self) -> _Found:
        """Return what has been found before the first vector."""
        return _Found(*(cgutils.alloca_once_value(self._builder, self._of(start)) for start in (inf, -inf, 0.0)))

    def look_at(self, levels: Any, found: _Found) -> None:
        """Look at the active lanes."""
        code = self._builder
        self._widen(found.low, found.high, levels, self._active)
        # Other lanes are 0, which is finite.
        code.store(self.multiply_add(levels, self._of(0.0), code.load(found.unfinite)), found.unfinite)

    def is_odd(self, found: _Found, constants: _Constants) -> Any:
        """Return whether a number was clipped, or not finite."""
        code = self._builder
        low, high, unfinite = map(code.load, found)
        odd = code.or_(code.fcmp_unordered("uno", unfinite, unfinite), self._is_clipped(low, high, constants))
        return self._call("vector.reduce.or", ir.IntType(1), odd, of=self._bits)

    def widen(self, ends: Any, part: int, found: _Found) -> None:
        """Widen the ends in memory by what was found."""
        code = self._builder
        low, high = (self._pointer(address, kind) for address, kind in self._counted(ends, ends, part)[:2])
        self._widen(low, high, code.load(found.low), self._active)
        self._widen(low, high, code.load(found.high), self._active)

    def tally(self, ends: Any, counts: Any, part: int) -> _Tally:
        """Return what has been counted so far."""
        vectors = [
            self._builder.load(self._pointer(address, kind), align=4)
            for address, kind in self._counted(ends, counts, part)
        ]
        return _Tally(*(cgutils.alloca_once_value(self._builder, vector) for vector in vectors))

    def counted(self, Z: Any, constants: _Constants, tally: _Tally) -> Any:
        """Return numbers as levels that are not rounded, and count them."""
        code = self._builder
        finite = code.fcmp_ordered("<", self._magnitude(Z), self._of(inf))
        self._widen(tally.low, tally.high, Z, code.and_(self._active, finite))
        levels = code.fmul(Z, constants.scale)
        levels = code.select(constants.is_magnitude, self._magnitude(levels), levels)
        levels = code.fadd(levels, constants.offset)
        self._count(self._is_clipped(levels, levels, constants), tally.clipped)
        self._count(code.fcmp_unordered("uno", levels, levels), tally.nans)
        return levels

    def write(self, tally: _Tally, ends: Any, counts: Any, part: int) -> None:
        """Write what has been counted."""
        for (address, kind), place in zip(self._counted(ends, counts, part), tally, strict=True):
            self._builder.store(self._builder.load(place), self._pointer(address, kind), align=4)

    def _counted(self, ends: Any, counts: Any, part: int) -> list[tuple[Any, Any]]:
        """Return the addresses and types of the vectors of a tally."""
        step, whole = self.lanes * part, self.lanes * TURNS
        integers = ir.VectorType(ir.IntType(32), self.lanes)
        floats = [(self.moved(ends, self.constant(self.bytes), step + whole * row), self._vector) for row in range(2)]
        return [*floats, *((self.moved(counts, self.constant(4), step + whole * row), integers) for row in range(2))]

    def _widen(self, low: Any, high: Any, numbers: Any, marked: Any) -> None:
        """Widen the ends by the marked lanes."""
        code = self._builder
        for place, order in ((low, "<"), (high, ">")):
            end = code.load(place, align=4)
            beyond = code.fcmp_ordered(order, numbers, end)
            code.store(code.select(code.and_(marked, beyond), numbers, end), place, align=4)

    def _is_clipped(self, low: Any, high: Any, constants: _Constants) -> Any:
        """Return which lanes have levels that clipping changes by more than half a step, or NaN."""
        code = self._builder
        above = code.fcmp_unordered(">", high, code.fadd(constants.full, self._of(0.5)))
        return code.or_(above, code.fcmp_unordered("<", low, self._of(-0.5)))

    def _count(self, marked: Any, place: Any) -> None:
        code, integers = self._builder, ir.VectorType(ir.IntType(32), self.lanes)
        # A mark becomes -1.
        marks = code.sext(code.and_(self._active, marked), integers)
        code.store(code.sub(code.load(place), marks), place)

    def _magnitude(self, numbers: Any) -> Any:
        return self._call("fabs", self._vector, numbers)

    def _of(self, number: float) -> Any:
        return ir.Constant(self._vector, [number] * self.lanes)
