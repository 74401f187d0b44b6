"""Output maps as text for people: their shape, and their numbers as far as they fit."""

from collections.abc import Iterator

from rich.text import Text

from convcli.apply.filtering import FilteredImage
from convcli.cli.text.grids import Extent, grids, shape_text
from convcli.cli.text.screen import WIDTH_OF_FILES, console_for, printed_lines

ROWS_SHOWN = 64


def maps_text(filtered: FilteredImage) -> Iterator[str]:
    """Yield the lines."""
    console, Z = console_for(WIDTH_OF_FILES, plain=False), filtered.maps.values
    layout = filtered.plan.output.layout
    head = Text(f"{'A' if filtered.plan.appearance.relu else 'Z'}  {shape_text(Z, layout)}", style="bold")
    return printed_lines(console, [head, *grids(Z, Extent.of(console.width, ROWS_SHOWN), layout=layout)])
