"""The gradients' letters and formulas, as they read for one kernel rank, one batch, and one direction of taps."""

from typing import NamedTuple

SYMBOLS = {"kernel": "dK", "input": "dV", "bias": "db"}
LETTERS = {"kernel": "ilmn", "input": "lac", "bias": "ijk"}


def index_letters(name: str, rank: int) -> list[str]:
    """The letters of the formulas for a gradient's axes; batch axes are ``batch``, ``batch2``, ..."""
    letters = LETTERS[name]
    if name == "bias":
        return list(letters[:rank])
    batch = ["batch" if axis == 0 else f"batch{axis + 1}" for axis in range(rank - len(letters))]
    return [*batch, *letters[max(0, len(letters) - rank) :]]


class Formulas(NamedTuple):
    """What tells the formulas of two convolutions apart."""

    input_rank: int
    kernel_rank: int
    groups: int
    flip: bool

    def of(self, name: str, rank: int) -> str:
        """The formula, in one line, of the gradient of ``kernel``, ``input`` or ``bias``, which has this rank."""
        if name == "bias":
            return self._bias(rank)
        return self._kernel() if name == "kernel" else self._input()

    def _kernel(self) -> str:
        kernel = index_letters("kernel", self.kernel_rank)
        summed = ",".join(letter for letter in self._output if letter not in kernel)
        row, column = self._places
        pixel = ", ".join([*self._batch, "l", row, column])
        return f"dK[{','.join(kernel)}] = sum over {summed} of {self._upstream} * V'[{pixel}]{self._grouping}"

    def _input(self) -> str:
        kernel = index_letters("kernel", self.kernel_rank)
        place = index_letters("input", self.input_rank)
        summed = ",".join(dict.fromkeys(letter for letter in [*self._output, *kernel] if letter not in place))
        row, column = self._places
        return (
            f"dV = (adjoint of the padding)(dV'), dV'[{','.join(place)}] = sum over {summed} "
            f"with {row} = a, {column} = c, of {self._upstream} * K[{','.join(kernel)}]{self._grouping}"
        )

    def _bias(self, rank: int) -> str:
        kept = self._output[len(self._batch) :][:rank]
        summed = [letter for letter in self._output if letter not in kept]
        place = f"[{','.join(kept)}]" if kept else ""
        total = f"sum over {','.join(summed)} of " if summed else ""
        return f"db{place} = {total}{self._upstream}"

    @property
    def _batch(self) -> list[str]:
        return index_letters("input", self.input_rank)[:-3]

    @property
    def _output(self) -> list[str]:
        """The letters of Z's axes: a 2-D kernel makes one channel of each."""
        return [*self._batch, "l" if self.kernel_rank == 2 else "i", "j", "k"]

    @property
    def _upstream(self) -> str:
        return f"G[{','.join(self._output)}]"

    @property
    def _places(self) -> tuple[str, str]:
        """The padded row and column that output (j, k) reads under tap (m, n)."""
        m, n = ("(kh-1-m)", "(kw-1-n)") if self.flip else ("m", "n")
        return f"j*sy + {m}*dy", f"k*sx + {n}*dx"

    @property
    def _grouping(self) -> str:
        return " (i and l in one group, l counted within it)" if self.groups > 1 else ""
