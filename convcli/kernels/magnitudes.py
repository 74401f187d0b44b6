"""Presets that are no single kernel, but the magnitude of a gradient from its two components.

Z[i,j,k] = sqrt(Zx[i,j,k]^2 + Zy[i,j,k]^2)
"""

from typing import NamedTuple

from convcli.errors import KernelError


class Magnitude(NamedTuple):
    """Two presets, the magnitude of whose maps is the output. gray: whether colours are converted to gray first."""

    kernels: tuple[str, str]
    gray: bool = False

    @property
    def summary(self) -> str:
        """The sentence about it in the list of presets."""
        return f"the magnitude of {' and '.join(self.kernels)}{' of the gray picture' * self.gray}"


_NAMES = ("sobel", "prewitt", "scharr", "roberts", "frei-chen", "farid")
MAGNITUDES = {name: Magnitude((f"{name}-x", f"{name}-y")) for name in _NAMES} | {
    "edges": Magnitude(("sobel-x", "sobel-y"), gray=True)
}


def magnitude_of(text: str) -> Magnitude | None:
    """Return the magnitude that a text names, in upper or lower case, or None; both kernels get its parameters."""
    name, colon, parameters = text.partition(":")
    if (found := MAGNITUDES.get(name.lower())) is None:
        return None
    first, second = (f"{kernel}{colon}{parameters}" for kernel in found.kernels)
    return found._replace(kernels=(first, second))


def refuse_magnitudes(text: str) -> None:
    """Raise KernelError for a preset that is no single kernel, with what it stands for."""
    if found := magnitude_of(text):
        first, second = found.kernels
        gray = " `gray`" if found.gray else ""
        raise KernelError(
            f"{text} is no single kernel: in apply it stands for `kernel` {first} `kernel` {second} `combine` "
            f"magnitude{gray}"
        )
