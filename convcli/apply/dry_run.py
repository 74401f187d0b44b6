"""What a batch would write, from headers alone."""

from math import prod
from typing import NamedTuple

import numpy as np

from convcli.apply.batch import Batch
from convcli.files.source import Source
from convcli.pictures.reading import read_header


class Foreseen(NamedTuple):
    """One output file.

    shape: of its maps.  bytes: of its pixels, alpha among them, before compression.
    skipped: whether it is there already, and would be left as it is.
    """

    input: str
    frame: int
    output: str
    kernel: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    skipped: bool


def foresee(batch: Batch, source: Source) -> list[Foreseen]:
    """What would be made of one image; the later frames of a picture are taken to be as its first.

    Raises what reading the header and naming the outputs can raise.
    """
    header = read_header(source)
    found = []
    for each in batch.expected(source, header):
        output = each.plan.output
        maps = (output.shape[0] // len(each.paths), *output.shape[1:])
        size = prod(maps[1:]) * (maps[0] + output.alpha) * np.dtype(output.dtype).itemsize
        skipped = batch.destination.skips(each.paths)
        found += [
            Foreseen(
                input=source.name,
                frame=each.frame.number,
                output=str(path),
                kernel=each.plan.request.name,
                shape=maps,
                dtype=str(output.dtype),
                bytes=size,
                skipped=skipped,
            )
            for path in each.paths
        ]
    return found
