"""Damaged pictures, arrays and archives: each is read, or gives one line."""

import random
import re
import struct
import time
import tracemalloc
import zlib
from dataclasses import replace
from io import BytesIO

import corpus
import damage
import PIL.Image
import pytest
from many_commands import Commands
from support.command_line import Result, convcli

from convcli.errors import FileError
from convcli.files.source import Source
from convcli.pictures.reading import iter_frames, read_header, read_image

# The largest allowed picture, its maps, and their copies.
MEMORY = 400 << 20
PIXELS = 1_000_000

COMMANDS = (
    "apply {file} -k [[1,0],[0,2]] -o out/Z.npy --overwrite",
    "apply {file} -k box -o out/ --all-frames --overwrite",
    "apply {file} -k sobel-x --gray --unit --range abs -o out/Z.png --overwrite",
    "apply - -k box -o out/Z.tif --overwrite",
    "apply {file} -k gaussian:1 --linear --gray --unit --range minmax -o out/Z.png --overwrite",
    "apply {file} -k outline --alpha premultiply --unit --range offset -o out/Z.png --overwrite",
    "plan {file} -k box --json",
    "grad {file} -k [[1]] --wrt kernel,bias",
    "grad [[1,2],[3,4]] -k [[1]] -G {file} --wrt kernel",
    "grad {file} -k box -G mse:{file} -o out/g.npz --overwrite",
    "explain {file} -k [[1,2]] --at 0,0,0",
    "apply [[1,2],[3,4]] -k {file} --bias {file} -o out/Z.npy --overwrite",
)


def assert_as_promised(folder, seed, count, kind):
    """Run ``count`` damaged files through the commands; leave a file that ends the process in the folder."""
    seeds, draw, begun = list(corpus.KINDS[kind]().values()), random.Random(seed), time.monotonic()
    (folder / "out").mkdir(parents=True)
    read, faults = 0, []
    with Commands(folder, MEMORY) as commands:
        for number in range(count):
            data = damage.damaged(draw.choice(seeds), draw.choice(seeds), draw)
            (folder / "file").write_bytes(data)
            words = draw.choice(COMMANDS)
            asked = [*words.format(file="file").split(), "--max-pixels", str(PIXELS)]
            result = commands.run(*asked, stdin=data if "-" in asked else b"")
            several = "--all-frames" in words or words.count("{file}") > 1
            if found := complaints(result, folder / "out", several=several):
                (folder / f"fault-{number}").write_bytes(data)
                faults.append(f"{words.format(file=f'fault-{number}')}: {' '.join(found)}")
            read += result.code == 0
    print(f"\n{count} {kind} tried, {read} read, {time.monotonic() - begun:.1f} s", end=" ")
    assert faults == []


def complaints(result, folder, *, several):
    """Return what breaks a promise. A warning may precede an error; of several images, earlier ones may be written."""
    code, out, err = result.code, result.out, result.err
    lines, found = err.splitlines(), []
    if code not in (0, 1, 2):
        found.append(f"exit code {code}.")
    warned, failed = lines[: -1 if code else None], lines[-1:] if code else []
    if code and not re.match(r"convcli: error: \S", "".join(failed)):
        found.append(f"expected one line: {err!r}.")
    if not all(re.match(r"convcli: (warning|loss|note): \S", line) for line in warned):
        found.append(f"expected warnings: {err!r}.")
    if code and out:
        found.append(f"stdout: {out[:100]!r}.")
    if "not enough memory" in err or "Unable to allocate" in err:
        found.append(f"asked for memory: {err!r}.")
    left = [path.name for path in folder.iterdir() if (code and not several) or path.name.startswith(".")]
    if left:
        found.append(f"left {left}.")
    for path in folder.iterdir():
        path.unlink()
    return found


def test_some_damaged_files(seed, tmp_path, tried):
    assert_as_promised(tmp_path / "files", seed, 120, "files")
    tried(120)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("pictures", 2200), ("arrays", 800)])
def test_many_damaged_files(kind, count, seed, soak, tmp_path, tried):
    for number in range(soak):
        assert_as_promised(tmp_path / f"{number}", seed + number, count, kind)
    tried(count * soak)


@pytest.mark.slow
def test_some_damaged_files_in_separate_processes(seed, tmp_path):
    """Processes of their own also cover the start and the end of the program."""
    draw, seeds = random.Random(seed), list(corpus.files().values())
    for number in range(6):
        data = damage.damaged(draw.choice(seeds), draw.choice(seeds), draw)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "file").write_bytes(data)
        for name in ("file", "-"):
            result = convcli("apply", name, "-k", "box", "-o", "Z.png", "--overwrite", cwd=folder, stdin=data)
            # Text is JSON of another kind than was asked for.
            assert result.code in (0, 1, 2)
            assert result.err.count("convcli: error: ") == (result.code > 0)
            assert result.err.count("convcli: error: cannot read ") == (result.code == 1)
            assert all(line.startswith("convcli: ") for line in result.err.splitlines())
            assert (folder / "Z.png").exists() == (result.code == 0)


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
def test_broken_promises_are_complaints(code, out, err, tmp_path):
    assert complaints(Result(code, out.encode(), err), tmp_path, several=False)


def test_leftovers_are_complaints(tmp_path):
    (tmp_path / "Z.png").touch()
    assert complaints(Result(1, b"", "convcli: error: a"), tmp_path, several=False)


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt"])
def test_bombs_in_metadata(kind):
    """The chunk holds 50 MB in 50 KB; little of it is expanded."""
    data = corpus.png_with(kind, b"a\0\0" + zlib.compress(bytes(50 << 20)))
    tracemalloc.start()
    with pytest.raises(FileError, match=r"^cannot read <bytes>: a text or the colour profile unpacks to more"):
        read_image(data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 << 20


def test_the_pixel_limit_applies_to_pictures_within_pictures():
    stream = BytesIO()
    PIL.Image.new("L", (300, 200)).save(stream, "PNG")
    data = stream.getvalue()
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(data), 22) + data
    with pytest.raises(FileError) as caught:
        read_image(replace(Source.of_bytes(icon), max_pixels=59_999))
    reason = "it has 60,000 pixels, more than the limit of 59,999: use `max_pixels` 60000 to read it"
    assert str(caught.value) == f"cannot read <bytes>: {reason}"


@pytest.mark.filterwarnings("ignore:.* deprecated:DeprecationWarning")
def test_the_corpus_is_readable():
    """Undamaged files are readable; otherwise the tests would only cover the first look at a file."""
    unreadable = ("EPS", "only")
    for name, data in corpus.pictures().items():
        if not name.startswith(unreadable):
            assert read_image(data).pixels.shape == read_header(data).shape
            assert len(list(iter_frames(data))) == read_header(data).frames
