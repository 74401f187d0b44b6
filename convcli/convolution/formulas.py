"""Write the formulas of Z and its gradients as text, for one convolution.

A formula has only the letters that the convolution needs: no index of an axis of length 1, no stride or dilation of 1,
and V instead of V' where there is no padding. Indices are in the order of the user's layouts.

The letter l counts the channels of V, and in K[i,l,m,n] those of a group. With co output and ci input channels per
group, the group of output channel i is i//co, that of input channel l is l//ci, and l is channel l%ci of its group.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from convcli.convolution.layers import PreparedLayer
from convcli.convolution.places import bracketed
from convcli.convolution.prepared import Prepared
from convcli.convolution.transposed import PreparedTransposed
from convcli.layouts import DEFAULT, Layouts

T = TypeVar("T")
KERNEL_LETTERS = {2: "mn", 4: "ilmn", 6: "ipqlmn"}


def index_letters(name: str, rank: int) -> list[str]:
    """Return the letters of a gradient's axes in the formulas; batch axes are ``batch``, ``batch2``, ..."""
    if name == "kernel":
        return list(KERNEL_LETTERS[rank])
    if name == "bias":
        return list("ijk"[:rank])
    batch = ["batch" if axis == 0 else f"batch{axis + 1}" for axis in range(rank - 3)]
    return [*batch, *"lac"[max(0, 3 - rank) :]]


def output_letters(input_rank: int, kernel_rank: int) -> list[str]:
    """Return the letters of Z's axes: a 2-D kernel maps channel l to channel l."""
    before = index_letters("input", input_rank)[:-2]
    return [*before, *"jk"] if kernel_rank == 2 else [*before[:-1], *"ijk"]


def formulas_of(prepared: PreparedLayer, layouts: Layouts = DEFAULT) -> "Formulas | TransposedFormulas":
    """Return the formulas of a convolution or of a transposed one."""
    if isinstance(prepared, PreparedTransposed):
        return TransposedFormulas(Formulas.of(prepared.forward, layouts))
    assert isinstance(prepared, Prepared)
    return Formulas.of(prepared, layouts)


def output_formula(prepared: PreparedLayer, layouts: Layouts = DEFAULT) -> str:
    """Return the formula of Z, of a convolution or of a transposed one, with its bias if it has one."""
    bias = prepared.convolution.bias
    return formulas_of(prepared, layouts).output(None if bias is None else bias.ndim)


class Formulas(NamedTuple):
    """The formulas of a convolution, and the properties that they depend on.

    stride, dilation: of rows and columns.  padded: whether there are pads.
    single: the letters of the axes whose length is 1, which the formulas omit; l for the channels of V.
    channels: the output and the input channels per group.  layouts: the order of the axes.
    """

    input_rank: int
    kernel_rank: int
    groups: int
    flip: bool
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padded: bool
    single: frozenset[str] = frozenset()
    channels: tuple[int, int] = (1, 1)
    layouts: Layouts = DEFAULT

    @classmethod
    def of(cls, prepared: Prepared, layouts: Layouts = DEFAULT) -> "Formulas":
        """Return the formulas of a convolution."""
        geometry = prepared.geometry
        rows, columns = geometry.rows, geometry.columns
        return cls(
            input_rank=len(prepared.input_shape),
            kernel_rank=prepared.convolution.weights.ndim,
            groups=geometry.groups,
            flip=prepared.convolution.options.flip,
            stride=(rows.stride, columns.stride),
            dilation=(rows.dilation, columns.dilation),
            padded=any(geometry.pads),
            single=_single(prepared),
            channels=(geometry.out_channels, geometry.in_channels),
            layouts=layouts,
        )

    def letters(self, name: str, rank: int) -> list[str]:
        """Return the letters of the axes of ``output``, ``kernel``, ``input`` or ``bias``, which has this rank."""
        return output_letters(self.input_rank, self.kernel_rank) if name == "output" else index_letters(name, rank)

    def gradient(self, name: str, rank: int) -> str:
        """Return the formula of the gradient of ``kernel``, ``input`` or ``bias``, which has this rank, in one line."""
        if name == "bias":
            return self._bias(rank)
        return self._kernel() if name == "kernel" else self._input()

    def output(self, bias_rank: int | None) -> str:
        """Return the formula of Z, with a bias of this rank or without one."""
        summed = ",".join(letter for letter in "lmn" if letter in self._weights and letter not in self._output)
        bias = "" if bias_rank is None else f"b{bracketed(self._bias_letters(bias_rank))} + "
        return f"Z{bracketed(self._output)} = {bias}sum over {summed} of {self._pixel} * {self._weight}{self._grouping}"

    @property
    def pixel_symbol(self) -> str:
        """The name of the pixels that windows read: V', or V without padding."""
        return "V'" if self.padded else "V"

    @property
    def input_sum(self) -> str:
        """The right-hand side of the formula of dV'[l,a,c], the gradient of a padded pixel."""
        place = index_letters("input", self.input_rank)
        letters = [*self._output, *self._weights]
        summed = ",".join(dict.fromkeys(letter for letter in letters if letter.isalnum() and letter not in place))
        # The channel l of V has another number in its group.
        weight = self._weight.replace("l", "l%ci") if self.groups > 1 else self._weight
        row, column = self._places
        conditions = f"{self._same_group}{row} = a, {column} = c"
        return f"sum over {summed} with {conditions}, of {self._upstream} * {weight}{self._grouping}"

    def kept(self, letters: Iterable[str]) -> list[str]:
        """Return the letters of a tensor's axes, or of a sum, without those of axes of length 1."""
        letters = list(letters)
        return self._kept_of(letters, letters)

    def _kept_of(self, letters: Collection[str], values: Iterable[T]) -> list[T]:
        """Return one value per letter, without those of axes of length 1."""
        # With m, the letter l is that of K, which counts the channels of a group.
        channels_of_group = {"l"} if "m" in letters and self.channels[1] == 1 else set()
        omitted = self.single | channels_of_group
        return [value for letter, value in zip(letters, values, strict=True) if letter not in omitted]

    def indices(self, tensor: str, letters: Sequence[str], indices: Sequence[T]) -> list[T]:
        """Return the indices of a tensor in the order of its layout, without those of axes of length 1.

        tensor: its name or letters.  letters: those of its axes, channel-major as ``indices`` are.
        """
        layout = self.layouts.of(tensor)
        return self._kept_of(layout.order(letters), layout.order(indices))

    def _kernel(self) -> str:
        kernel = index_letters("kernel", self.kernel_rank)
        place = bracketed(self.indices("kernel", kernel, kernel))
        summed = ",".join(letter for letter in self._output if letter not in kernel)
        phases = ", ".join(f"{index} = {letter}" for letter, index in self._phases.items())
        condition = f"with {phases}, " if phases else ""
        return f"dK{place} = sum over {summed} {condition}of {self._upstream} * {self._pixel}{self._grouping}"

    def _input(self) -> str:
        letters = index_letters("input", self.input_rank)
        place = bracketed(self.indices("input", letters, letters))
        if not self.padded:
            return f"dV{place} = {self.input_sum}"
        return f"dV = (adjoint of the padding)(dV'), dV'{place} = {self.input_sum}"

    def _bias(self, rank: int) -> str:
        kept = self._bias_letters(rank)
        summed = [letter for letter in self._output if letter not in kept]
        total = f"sum over {','.join(summed)} of " if summed else ""
        return f"db{bracketed(kept)} = {total}{self._upstream}"

    def _bias_letters(self, rank: int) -> list[str]:
        letters = index_letters("bias", rank)
        return self.indices("bias", letters, letters)

    @property
    def _output(self) -> list[str]:
        """The letters of Z's axes."""
        letters = output_letters(self.input_rank, self.kernel_rank)
        return self.indices("output", letters, letters)

    @property
    def _phases(self) -> dict[str, str]:
        """The indices of weights that outputs do not share, by the letters of their axes."""
        letters = KERNEL_LETTERS[self.kernel_rank]
        return {letter: index for letter, index in (("p", "j%tr"), ("q", "k%tc")) if letter in self.kept(letters)}

    @property
    def _weights(self) -> list[str]:
        """The indices of the weight that multiplies, for output (i, j, k), the pixel of channel l at tap (m, n)."""
        letters = KERNEL_LETTERS[self.kernel_rank]
        return self.indices("kernel", letters, [self._phases.get(letter, letter) for letter in letters])

    @property
    def _weight(self) -> str:
        return f"K{bracketed(self._weights)}"

    @property
    def _upstream(self) -> str:
        return f"G{bracketed(self._output)}"

    @property
    def _pixel(self) -> str:
        letters = index_letters("input", self.input_rank)
        places = [*letters[:-2], *self._places]
        if self.groups > 1:
            places[-3] = self._channel
        return f"{self.pixel_symbol}[{', '.join(self.indices('input', letters, places))}]"

    @property
    def _channel(self) -> str:
        """The channel of V that weight l of output channel i multiplies, if there are groups."""
        return self._group if self.channels[1] == 1 else f"{self._group}*ci + l"

    @property
    def _group(self) -> str:
        """The group of output channel i."""
        return "i" if self.channels[0] == 1 else "i//co"

    @property
    def _same_group(self) -> str:
        """The condition that output channel i and input channel l are in one group, if there are groups."""
        group_of_input = "l" if self.channels[1] == 1 else "l//ci"
        return f"{self._group} = {group_of_input}, " if self.groups > 1 else ""

    @property
    def _places(self) -> tuple[str, str]:
        """The row and column of V' that tap (m, n) reads for output (j, k)."""
        m, n = ("(kh-1-m)", "(kw-1-n)") if self.flip else ("m", "n")
        (sy, sx), (dy, dx) = self.stride, self.dilation
        return f"{_times('j', 'sy', sy)} + {_times(m, 'dy', dy)}", f"{_times('k', 'sx', sx)} + {_times(n, 'dx', dx)}"

    @property
    def _grouping(self) -> str:
        kinds = zip(("co output", "ci input"), self.channels, strict=True)
        named = ", ".join(kind for kind, count in kinds if count > 1)
        return f" (each group: {named} channels)" if self.groups > 1 and named else ""


# The tensors of a transposed convolution, by those of the convolution in the same places.
_TRANSPOSED = {"V": "G", "G": "V", "Z": "dV", "dV": "Z"}


class TransposedFormulas(NamedTuple):
    """The formulas of a transposed convolution: those of the convolution, with other names for its tensors.

    forward: the formulas of the convolution whose transpose it is.
    """

    forward: Formulas

    def letters(self, name: str, rank: int) -> list[str]:
        """Return the letters of the axes of ``output``, ``kernel``, ``input`` or ``bias``, which has this rank."""
        if name == "input":
            return output_letters(self.forward.input_rank, self.forward.kernel_rank)[-rank:]
        if name == "output":
            return index_letters("input", rank)
        return list("lac"[:rank]) if name == "bias" else index_letters(name, rank)

    def gradient(self, name: str, rank: int) -> str:
        """Return the formula of the gradient of ``kernel``, ``input`` or ``bias``, which has this rank, in one line."""
        if name == "bias":
            return self._bias(rank)
        own = self.forward.gradient("kernel", rank) if name == "kernel" else self.forward.output(None)
        return transposed_symbols(own)

    def output(self, bias_rank: int | None) -> str:
        """Return the formula of Z, with a bias of this rank or without one."""
        Z, _, formula = transposed_symbols(self.forward.gradient("input", self.forward.input_rank)).partition(" = ")
        letters = self.letters("bias", bias_rank or 0)
        kept = self.forward.indices("bias", letters, letters)
        return f"{Z} = {formula}" if bias_rank is None else f"{Z} = b{bracketed(kept)} + {formula}"

    def _bias(self, rank: int) -> str:
        bias, output = self.letters("bias", rank), index_letters("input", self.forward.input_rank)
        kept, letters = self.forward.indices("bias", bias, bias), self.forward.indices("output", output, output)
        summed = [letter for letter in letters if letter not in kept]
        total = f"sum over {','.join(summed)} of " if summed else ""
        return f"db{bracketed(kept)} = {total}G{bracketed(letters)}"


def transposed_symbols(formula: str) -> str:
    """Return a convolution's formula, or a symbol in it, with the symbols of the transposed convolution."""
    return re.sub(r"\b(?:d?V|G|Z)\b", lambda tensor: _TRANSPOSED[tensor[0]], formula)


def _times(index: str, name: str, factor: int) -> str:
    return index if factor == 1 else f"{index}*{name}"


def _single(prepared: Prepared) -> frozenset[str]:
    """Return the letters of the axes of length 1, except those of rows, columns and taps."""
    geometry, shape = prepared.geometry, prepared.input_shape
    extents = dict(zip(index_letters("input", len(shape))[:-2], shape[:-2], strict=True))
    if prepared.convolution.weights.ndim > 2:
        extents |= {"i": geometry.groups * geometry.out_channels, "l": geometry.groups * geometry.in_channels}
    extents |= dict(zip("pq", geometry.tiling, strict=True))
    return frozenset(letter for letter, extent in extents.items() if extent == 1)
