"""Print the output maps of a small array, where no output is named: as grids on a terminal, or else as JSON."""

from collections.abc import Sequence
from contextlib import suppress
from math import prod

import numpy as np

from convcli.apply.appearance import Appearance, prepare_header
from convcli.apply.batch import Batch
from convcli.apply.combining import Filter
from convcli.apply.filtering import apply_filter
from convcli.apply.outcomes import OutcomeBuilder
from convcli.cli.messages import Messages
from convcli.cli.output import print_lines
from convcli.cli.text.apply import tell_outcome
from convcli.errors import ConvcliError, OptionError
from convcli.files.source import Source
from convcli.pictures.image import Header
from convcli.pictures.reading import read_header, read_image

# The most numbers that are printed of an array in a file.
MOST_NUMBERS = 4096


def are_printed(requests: Sequence[Filter], sources: Sequence[Source], appearance: Appearance) -> bool:
    """Return whether the input is a single array with a single kernel, whose maps are printed.

    Raises OptionError if there are too many numbers to print, unless the array was typed; GeometryError if a kernel
    does not fit.
    """
    header = _header_of_one(sources)
    if header is None or header.is_picture or len(requests) > 1:
        return False
    shape = prepare_header(header, appearance).shape
    # All kernels of a combination have maps of one shape.
    first = requests[0].requests[0]
    first.require_order(shape, picture=False)
    numbers = prod(first.convolution.at(shape, np.float64).output_shape)
    if numbers > MOST_NUMBERS and not sources[0].is_typed:
        reason = f"Z has {numbers:,} numbers, and at most {MOST_NUMBERS:,} are printed"
        raise OptionError(f"expected a file, such as Z.npy, because {reason}", option="output")
    return True


def _header_of_one(sources: Sequence[Source]) -> Header | None:
    """Return the header of a single input; None if it cannot be read, which is an error when it is processed."""
    if len(sources) == 1:
        with suppress(ConvcliError):
            return read_header(sources[0])
    return None


def print_grids(batch: Batch, source: Source, messages: Messages) -> None:
    """Print the maps that each kernel makes of an array, as grids."""
    # It imports rich, which takes as long as filtering a small picture.
    from convcli.cli.text.maps import maps_text

    image, printed = read_image(source), OutcomeBuilder(source)
    printed.add_frame(image)
    for output in batch.outputs(source, image.header):
        filtered = apply_filter(output.plan, image)
        printed.add_output(output, filtered)
        if batch.show:
            batch.show(filtered)
        print_lines(maps_text(filtered))
    tell_outcome(printed.outcome(), messages)
