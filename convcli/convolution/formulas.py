"""Write the formulas of Z and its gradients as text, for a convolution's kernel rank, batch axes, groups and flip."""

from typing import NamedTuple

from convcli.convolution.prepared import Prepared

GROUPING = " (i and l in one group, l counted within it)"
KERNEL_LETTERS = {2: "mn", 4: "ilmn", 6: "ipqlmn"}


def index_letters(name: str, rank: int) -> list[str]:
    """Return the letters of a gradient's axes in the formulas; batch axes are ``batch``, ``batch2``, ..."""
    if name == "kernel":
        return list(KERNEL_LETTERS[rank])
    if name == "bias":
        return list("ijk"[:rank])
    batch = ["batch" if axis == 0 else f"batch{axis + 1}" for axis in range(rank - 3)]
    return [*batch, *"lac"[max(0, 3 - rank) :]]


def output_letters(kernel_rank: int) -> str:
    """Return the letters of Z's axes after the batch axes: a 2-D kernel maps channel l to channel l."""
    return "ljk" if kernel_rank == 2 else "ijk"


class Formulas(NamedTuple):
    """The formulas of a convolution, and the four properties that they depend on."""

    input_rank: int
    kernel_rank: int
    groups: int
    flip: bool

    @classmethod
    def of(cls, prepared: Prepared) -> "Formulas":
        """Return the formulas of a convolution."""
        return cls(
            input_rank=len(prepared.input_shape),
            kernel_rank=prepared.convolution.weights.ndim,
            groups=prepared.geometry.groups,
            flip=prepared.convolution.options.flip,
        )

    def gradient(self, name: str, rank: int) -> str:
        """Return the formula of the gradient of ``kernel``, ``input`` or ``bias``, which has this rank, in one line."""
        if name == "bias":
            return self._bias(rank)
        return self._kernel() if name == "kernel" else self._input()

    def output(self, bias_rank: int | None) -> str:
        """Return the formula of Z, with a bias of this rank or without one."""
        summed = ",".join(letter for letter in self._weights if letter in "lmn" and letter not in self._output)
        bias = "" if bias_rank is None else f"b{_bracketed(self._bias_letters(bias_rank))} + "
        return (
            f"Z[{','.join(self._output)}] = {bias}sum over {summed} of {self._pixel} * {self._weight}{self._grouping}"
        )

    @property
    def input_sum(self) -> str:
        """The right-hand side of the formula of dV'[l,a,c], the gradient of a padded pixel."""
        place = index_letters("input", self.input_rank)
        letters = [*self._output, *self._weights]
        summed = ",".join(dict.fromkeys(letter for letter in letters if letter.isalpha() and letter not in place))
        row, column = self._places
        conditions = f"{row} = a, {column} = c"
        return f"sum over {summed} with {conditions}, of {self._upstream} * {self._weight}{self._grouping}"

    def _kernel(self) -> str:
        kernel = index_letters("kernel", self.kernel_rank)
        summed = ",".join(letter for letter in self._output if letter not in kernel)
        phases = "with j%tr = p, k%tc = q, " if self.kernel_rank == 6 else ""
        return f"dK[{','.join(kernel)}] = sum over {summed} {phases}of {self._upstream} * {self._pixel}{self._grouping}"

    def _input(self) -> str:
        place = ",".join(index_letters("input", self.input_rank))
        return f"dV = (adjoint of the padding)(dV'), dV'[{place}] = {self.input_sum}"

    def _bias(self, rank: int) -> str:
        kept = self._bias_letters(rank)
        summed = [letter for letter in self._output if letter not in kept]
        total = f"sum over {','.join(summed)} of " if summed else ""
        return f"db{_bracketed(kept)} = {total}{self._upstream}"

    def _bias_letters(self, rank: int) -> list[str]:
        return self._output[len(self._batch) :][:rank]

    @property
    def _batch(self) -> list[str]:
        return index_letters("input", self.input_rank)[:-3]

    @property
    def _output(self) -> list[str]:
        """The letters of Z's axes."""
        return [*self._batch, *output_letters(self.kernel_rank)]

    @property
    def _weights(self) -> list[str]:
        """The indices of the weight that multiplies, for output (i, j, k), the pixel of channel l at tap (m, n)."""
        phases = {"p": "j%tr", "q": "k%tc"}
        return [phases.get(letter, letter) for letter in index_letters("kernel", self.kernel_rank)]

    @property
    def _weight(self) -> str:
        return f"K[{','.join(self._weights)}]"

    @property
    def _upstream(self) -> str:
        return f"G[{','.join(self._output)}]"

    @property
    def _pixel(self) -> str:
        return f"V'[{', '.join([*self._batch, 'l', *self._places])}]"

    @property
    def _places(self) -> tuple[str, str]:
        """The row and column of V' that tap (m, n) reads for output (j, k)."""
        m, n = ("(kh-1-m)", "(kw-1-n)") if self.flip else ("m", "n")
        return f"j*sy + {m}*dy", f"k*sx + {n}*dx"

    @property
    def _grouping(self) -> str:
        return GROUPING if self.groups > 1 else ""


def _bracketed(letters: list[str]) -> str:
    return f"[{','.join(letters)}]" if letters else ""
