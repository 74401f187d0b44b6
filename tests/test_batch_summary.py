"""What is said about the outputs of apply, once they are written."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.command_line import convcli, save_picture
from support.pictures import random_pixels

from convcli.apply.outcomes import Outcome, OutputRecord
from convcli.apply.pixels import Clipping
from convcli.cli.text.apply import BatchSummary, written_text
from convcli.engine.levels import MapStatistics
from convcli.errors import FileError
from convcli.files.source import Source


def record(name: str, clipped: int = 0, *losses: str, **fields: object) -> OutputRecord:
    return OutputRecord(
        **{
            "input": "a.jpg",
            "frame": 0,
            "frames": 1,
            "output": name,
            "kernel": "box",
            "pads": (1, 1, 1, 1),
            "edge": "replicate",
            "shape": (3, 10, 20),
            "alpha": False,
            "dtype": "uint8",
            "range": "clip",
            "gain": 1.0,
            "minimum": 0.0,
            "maximum": 255.0,
            "clipped": clipped,
            "milliseconds": 1.0,
            "algorithm": "direct",
            "tiles": {"direct": 1},
            "losses": losses,
        }  # type: ignore[arg-type]
        | fields
    )


def summary(*outcomes: Outcome) -> BatchSummary:
    found = BatchSummary()
    for outcome in outcomes:
        found.add(outcome)
    return found


def outcome(name: str, *records: OutputRecord, warnings: tuple[str, ...] = (), **fields: object) -> Outcome:
    return Outcome(Source.of(name), records, warnings=warnings, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "20x10 RGB"),
        ({"shape": (1, 10, 20), "dtype": "uint16"}, "20x10 16-bit gray"),
        ({"alpha": True}, "20x10 RGB and alpha"),
        ({"dtype": "float32"}, "20x10 float32 RGB"),
        ({"shape": (5, 10, 20), "dtype": "float64"}, "5x10x20 float64"),
        ({"frames": 24}, "20x10 RGB, 24 frames"),
    ],
)
def test_an_output_is_described(fields: dict[str, object], text: str) -> None:
    assert written_text([record("edges.png", **fields)]) == f"wrote edges.png, {text}"


def test_of_several_outputs_the_first_is_described() -> None:
    assert written_text([record("a.png"), record("b.png")]) == "wrote 2 files, the first of them a.png, 20x10 RGB"


def test_clipping_is_one_line_with_the_worst_file() -> None:
    found = summary(
        outcome("a.jpg", record("out/a.jpg", 6)),
        outcome("b.jpg", record("out/b.jpg", 24)),
        outcome("c.jpg", record("c")),
    )
    assert list(found.warnings()) == ["clipped in 2 of 3 files, worst 4.0 % in out/b.jpg"]


def test_the_warning_about_clipping_of_each_file_is_no_line_of_its_own() -> None:
    clippings = [Clipping(MapStatistics(count, 0, -1, 300), 600, 255, "clip", 1.0, 1.0) for count in (6, 24)]
    records = [record(f"{each.statistics.clipped}.jpg", each.statistics.clipped, clipping=each) for each in clippings]
    found = summary(*(outcome("a.jpg", each) for each in records))
    assert list(found.warnings()) == ["clipped in 2 of 2 files, worst 4.0 % in 24.jpg"]


def test_other_losses_are_a_line_per_kind() -> None:
    lost = "alpha is dropped: jpeg cannot store it"
    found = summary(
        outcome("a.png", record("out/a.jpg", 0, lost), warnings=("3 frames",)),
        outcome("b.png", record("out/b.jpg", 0, lost)),
    )
    assert list(found.warnings()) == ["3 frames (in a.png)", f"{lost} (in 2 files, the first of them out/a.jpg)"]


def test_remarks_are_a_line_per_kind_and_count_once_per_image() -> None:
    remark = "white is taken to be 1"
    found = summary(
        outcome("a.npy", record("a.box.png", remarks=(remark,)), record("a.sobel-x.png", remarks=(remark,))),
        outcome("b.npy", record("b.png", remarks=(remark,))),
        outcome("c.npy", record("c.png")),
    )
    assert list(found.notes()) == [f"{remark} (in 2 files, the first of them a.npy)"]


def test_the_white_of_floats_is_told(tmp_path: Path) -> None:
    """Without --verbose too, because it is a guess: once per image, and once per batch."""
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.full((5, 8), 0.5))
    one = convcli("apply", "a.npy", "-k", "box", "-k", "identity", "-o", "{kernel}.png", cwd=tmp_path)
    told = "white is taken to be 1, by the largest magnitude: --white sets it"
    assert one.err == f"convcli: note: a.npy: {told}\n"
    both = convcli("apply", "a.npy", "b.npy", "-k", "box", "-f", "png", "-o", "out/", cwd=tmp_path)
    assert both.err == f"convcli: note: {told} (in 2 files, the first of them a.npy)\n"


def test_the_result_counts_images() -> None:
    found = summary(
        *(outcome(f"{number}.png", record("out.png")) for number in range(1200)),
        outcome("b.png", skipped=True),
        outcome("c.png", error=FileError("broken")),
    )
    assert re.fullmatch(r"1,200 written, 1 skipped, 1 failed in 0\.\d s", found.result(0))
    assert re.fullmatch(r"0 written, 2 not started in 0\.\d s", summary().result(2))


def test_one_picture_is_named_and_stdout_is_not(tmp_path: Path) -> None:
    save_picture(tmp_path / "in.png", random_pixels(4))
    rows, columns = random_pixels(4).shape[1:]
    result = convcli("apply", "in.png", "-k", "box", "-o", "out.png", cwd=tmp_path)
    assert (result.code, result.result) == (0, f"convcli: wrote out.png, {columns}x{rows} RGB and alpha\n")
    assert convcli("apply", "in.png", "-k", "box", "-o", "-", cwd=tmp_path).result == ""
    assert convcli("apply", "in.png", "-k", "box", "-o", "quiet.png", "-q", cwd=tmp_path).result == ""


def test_files_are_counted_apart_from_images_if_their_numbers_differ() -> None:
    found = summary(*(outcome(name, *(record(f"{name}{n}") for n in range(4))) for name in "abc"))
    assert re.fullmatch(r"12 files written from 3 images in 0\.\d s", found.result(0))
    one = summary(outcome("a", record("a0"), record("a1")), outcome("b", skipped=True))
    assert re.fullmatch(r"2 files written from 1 image, 1 skipped in 0\.\d s", one.result(0))
