"""Damaged pictures, arrays and archives: each is read, or ends in one line."""

import random

import corpus
import damage
import pytest
import trial
from command_line import convcli

from convcli.images import decode_frames, decode_header, decode_image


def assert_as_promised(folder, seed, count, kind, record):
    folder.mkdir()
    found = trial.try_out(folder, seed, count, kind)
    record("inputs", found.runs)
    record("of which were read", found.read)
    record("bytes at most", found.bytes)
    record("seconds", found.seconds)
    print(f"\n{found.runs} {kind} tried, {found.read} read, {found.bytes >> 20} MB, {found.seconds:.1f} s", end=" ")
    assert found.faults == []


def test_some_damaged_files(seed, tmp_path, record_property):
    assert_as_promised(tmp_path / "trial", seed, 120, "files", record_property)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("pictures", 3000), ("arrays", 1000)])
def test_many_damaged_files(kind, count, seed, soak, tmp_path, record_property):
    for number in range(soak):
        assert_as_promised(tmp_path / f"{number}", seed + number, count, kind, record_property)


@pytest.mark.slow
def test_some_in_processes_of_their_own(seed, tmp_path):
    """As the trial's are, but for what it leaves out: starting and ending."""
    draw, seeds = random.Random(seed), list(corpus.files().values())
    for number in range(6):
        data = damage.damaged(draw.choice(seeds), draw.choice(seeds), draw)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "file").write_bytes(data)
        for name in ("file", "-"):
            result = convcli("apply", name, "-k", "box", "-o", "Z.png", "--overwrite", cwd=folder, stdin=data)
            assert result.code in (0, 1)
            assert result.err.count("convcli: error: cannot read ") == result.code
            assert all(line.startswith("convcli: ") for line in result.err.splitlines())
            assert (folder / "Z.png").exists() == (result.code == 0)


def test_a_process_that_ends_by_itself_is_a_fault(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "command").write_text("apply")
    (fault,) = trial.try_out(tmp_path, 1, 1, "pictures").faults
    assert "FileExistsError" in fault


@pytest.mark.parametrize(
    ("code", "out", "err"),
    [
        (3, "", "convcli: error: a"),
        (1, "", ""),
        (1, "", "Traceback"),
        (1, "", "convcli: error: a\nconvcli: error: b"),
        (1, "", "libtiff\nconvcli: error: a"),
        (1, "data", "convcli: error: a"),
        (0, "", "RuntimeWarning: overflow"),
        (1, "", "convcli: error: not enough memory"),
    ],
)
def test_what_is_not_as_promised(code, out, err, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    assert trial.complaints(code, out, err, frames=False)


@pytest.mark.filterwarnings("ignore:.* deprecated:DeprecationWarning")
def test_what_is_damaged_was_whole():
    """Or nothing would be tried but the first look at a file."""
    unreadable = ("EPS", "only")
    for name, data in corpus.pictures().items():
        if not name.startswith(unreadable):
            assert decode_image(data, name).pixels.shape == decode_header(data, name).shape
            assert len(list(decode_frames(data, name))) == decode_header(data, name).frames
