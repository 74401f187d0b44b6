"""Choose rows for the README from the table of docs/performance.md: some that convcli wins, and some that it loses."""

from collections.abc import Iterator, Sequence

# In the words of the README.
ROWS = {
    "5x5 full rank, 3x3000x4000": "5x5 filter, 12 megapixels, float32",
    "5x5 full rank, 3x3000x4000 uint8 in and out": "5x5 filter, 12 megapixels, 8 bits",
    "31x31 full rank, 3x3000x4000": "31x31 filter, 12 megapixels, float32",
    "dK of 5x5 per channel, 3x3000x4000": "dK of 5x5, 12 megapixels, float32",
    "layer 256->256 3x3/1 56: Z": "layer 256->256 3x3, 56x56: Z",
    "layer 64->64 3x3/1 56: dK": "layer 64->64 3x3, 56x56: dK",
    "apply 5x5, 12-megapixel JPEG to JPEG": "the command, JPEG to JPEG",
}

HEADING = (
    "| work | fastest other program | its time / convcli's | with `fast` |",
    "| --- | --- | --- | --- |",
)


def readme_table(table: Sequence[str]) -> list[str]:
    """Return the table of the README. table: that of docs/performance.md, below the line about the machine."""
    machine = table[0].partition(" Not installed")[0]
    return [*HEADING, *_rows(table), "", machine]


def _rows(table: Sequence[str]) -> Iterator[str]:
    cells = {row[0]: row[3:] for row in (line.strip("| ").split(" | ") for line in table)}
    for name, title in ROWS.items():
        peers, core, fast = (cell.split(", ") for cell in cells.get(name, ["-"] * 3))
        if peers != ["-"]:
            seconds = [float(peer.rpartition(" ")[2]) for peer in peers]
            fastest = seconds.index(min(seconds))
            ratios = core[fastest], fast[fastest] if len(fast) > fastest else "-"
            yield f"| {title} | {peers[fastest]} ms | {' | '.join(ratios)} |"
