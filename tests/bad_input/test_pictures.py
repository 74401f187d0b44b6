"""Damaged pictures, arrays and archives: each is read, or ends in one line."""

import random
import resource
import struct
import zlib
from io import BytesIO

import corpus
import damage
import PIL.Image
import pytest
import trial
from command_line import convcli

from convcli.errors import FileError
from convcli.images import decode_frames, decode_header, decode_image, limit_pixels


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
@pytest.mark.parametrize(("kind", "count"), [("pictures", 2200), ("arrays", 800)])
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
    assert trial.complaints(code, out, err, several=False)


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt"])
def test_bombs_beside_the_pixels(kind):
    """Of 50 MB within 50 KB, little is expanded."""
    data = corpus.png_with(kind, b"a\0\0" + zlib.compress(bytes(50 << 20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileError, match=r"^cannot read a: Decompressed data too large"):
        decode_image(data, "a")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


def test_the_limit_of_pixels_is_for_pictures_within_pictures(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", PIL.Image.MAX_IMAGE_PIXELS)
    stream = BytesIO()
    PIL.Image.new("L", (300, 200)).save(stream, "PNG")
    data = stream.getvalue()
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(data), 22) + data
    limit_pixels(59_999)
    with pytest.raises(FileError) as caught:
        decode_image(icon, "a.ico")
    reason = "it has 60,000 pixels, more than the limit of 59,999: --max-pixels 60000 reads it"
    assert str(caught.value) == f"cannot read a.ico: {reason}"


@pytest.mark.filterwarnings("ignore:.* deprecated:DeprecationWarning")
def test_what_is_damaged_was_whole():
    """Or nothing would be tried but the first look at a file."""
    unreadable = ("EPS", "only")
    for name, data in corpus.pictures().items():
        if not name.startswith(unreadable):
            assert decode_image(data, name).pixels.shape == decode_header(data, name).shape
            assert len(list(decode_frames(data, name))) == decode_header(data, name).frames
