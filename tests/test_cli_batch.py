"""``convcli apply`` on many files: selection, parallel processing, and failures."""

import json
import os
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from support.command_line import (
    convcli,
    json_lines,
    pixels,
    save_picture,
    shell,
    succeed,
    terminal_at_stderr,
)
from support.folders import files_in

from convcli.cli.messages import Messages
from convcli.cli.progress import progress
from convcli.files.memory import format_size

BROKEN = "expected a picture that Pillow can read, an .npy array or a JSON tensor, given text"
MIXING = json.dumps(np.eye(3)[:, :, np.newaxis, np.newaxis].tolist())


def picture(seed, channels=1, shape=(6, 7)):
    return np.random.default_rng(seed).integers(0, 256, (channels, *shape), np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Save twelve pictures of three sizes in two folders."""
    for number in range(12):
        folder = tmp_path / "photos" / ("sub" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        save_picture(folder / f"p{number:02}.png", picture(number, shape=(20 + number % 3, 30)))
    return tmp_path


def test_files_and_lines_do_not_depend_on_the_jobs(photos):
    common = ["apply", "photos/**/*.png", "-k", "box", "-k", "gaussian:1", "-e", "reflect", "--json"]
    lines = {}
    for jobs in ("0", "1", "2", "5"):
        out = succeed(*common, "-o", f"out{jobs}/{{stem}}.{{kernel}}.png", "-j", jobs, cwd=photos)
        lines[jobs] = [
            {**line, "output": line["output"].removeprefix(f"out{jobs}/"), "milliseconds": 0}
            for line in json_lines(out)
        ]
    assert len(files_in(photos / "out0")) == 24
    assert lines["0"] == lines["1"] == lines["2"] == lines["5"]
    assert [line["input"] for line in lines["0"][::2]] == sorted(
        f"photos/{name}" for name in files_in(photos / "photos")
    )
    one, *others = (files_in(photos / f"out{jobs}") for jobs in lines)
    assert all(one == other for other in others)


def test_folders_of_a_template_are_created(photos):
    succeed("apply", "photos", "photos/sub", "-k", "[[1]]", "-o", "new/{dir}/", cwd=photos)
    assert list(files_in(photos / "new" / "photos" / "sub")) == [f"p{n:02}.png" for n in range(1, 12, 2)]
    assert len(files_in(photos / "new" / "photos")) == 12


def test_names_from_a_pipe(photos):
    shutil.copy(photos / "photos" / "p00.png", photos / "photos" / "two words\nand lines.png")
    result = shell("find photos -name '*.png' -print0 | convcli apply --files-from - -0 -k '[[1]]' -o out/", photos)
    assert (result.code, result.out, result.err) == (0, b"", "")
    assert len(files_in(photos / "out")) == 13
    assert "two words\nand lines.png" in files_in(photos / "out")
    (photos / "list.txt").write_text("photos/p02.png\nphotos/p04.png\n")
    succeed("apply", "photos/p00.png", "--files-from", "list.txt", "-k", "[[1]]", "-o", "three/", cwd=photos)
    assert list(files_in(photos / "three")) == ["p00.png", "p02.png", "p04.png"]


def test_an_empty_list_does_nothing(tmp_path):
    assert succeed("apply", "--files-from", "-", "-k", "box", cwd=tmp_path, stdin=b"") == b""


def test_one_unreadable_image_does_not_stop_the_others(tmp_path):
    V = save_picture(tmp_path / "a.png", picture(1))
    (tmp_path / "b.png").write_text("no picture")
    save_picture(tmp_path / "c.png", V)
    result = convcli("apply", "a.png", "b.png", "c.png", "-k", "[[1]]", "-o", "out/", "--json", cwd=tmp_path)
    assert result.code == 1
    assert result.err == f"convcli: error: cannot read b.png: {BROKEN}\n"
    assert np.array_equal(pixels(tmp_path / "out" / "c.png"), V[0])
    lines = json_lines(result.out)
    assert [(line["output"], line["error"]) for line in lines] == [
        ("out/a.png", None),
        (None, f"cannot read b.png: {BROKEN}"),
        ("out/c.png", None),
    ]
    assert len({tuple(line) for line in lines}) == 1


def test_one_image_that_does_not_fit_is_named_and_does_not_stop_the_others(tmp_path):
    for stem, channels in {"a": 3, "b": 1, "c": 3}.items():
        save_picture(tmp_path / f"{stem}.png", picture(1, channels))
    result = convcli("apply", "a.png", "b.png", "c.png", "-k", MIXING, "-o", "out/", cwd=tmp_path)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert result.err.startswith("convcli: error: b.png: ")
    assert list(files_in(tmp_path / "out")) == ["a.png", "c.png"]


def test_fail_fast_starts_no_further_file(photos):
    (photos / "photos" / "a.png").write_text("no picture")
    result = convcli("apply", "photos/*.png", "-k", "[[1]]", "-o", "out/", "--fail-fast", "-j", "1", cwd=photos)
    assert (result.code, result.out) == (1, b"")
    assert result.err == f"convcli: error: cannot read photos/a.png: {BROKEN}\n"
    assert result.result.startswith("convcli: error: 0 written, 1 failed, 6 not started in ")
    assert not (photos / "out").exists()


def test_skip_existing_processes_only_the_rest(photos):
    common = ["apply", "photos/*.png", "-k", "box", "-k", "[[2]]", "-q", "-o", "out/"]
    succeed(*common, cwd=photos)
    whole = files_in(photos / "out")
    (photos / "out" / "p02.box.png").unlink()
    (photos / "out" / "p04.box.png").write_bytes(b"somebody's own")
    out = succeed(*common, "--skip-existing", "--json", cwd=photos)
    assert files_in(photos / "out") == {**whole, "p04.box.png": b"somebody's own"}
    lines = json_lines(out)
    assert [(line["input"], line["output"], line["skipped"]) for line in lines if not line["skipped"]] == [
        ("photos/p02.png", "out/p02.box.png", False)
    ]
    assert len(lines) == 6


def test_a_batch_warns_once_and_says_what_was_written(photos):
    result = convcli("apply", "photos/*.png", "-k", "[[2]]", "-o", "out/", "-j", "3", cwd=photos)
    share = {path: np.mean(2 * pixels(path).astype(int) > 255) for path in (photos / "photos").glob("*.png")}
    worst = max(share, key=share.get)
    line = f"clipped in 6 of 6 files, worst {100 * share[worst]:.1f} % in out/{worst.name}"
    assert (result.code, result.err) == (0, f"convcli: warning: {line}\n")
    assert re.fullmatch(r"convcli: 6 written in \d+\.\d s\n", result.result)
    again = convcli("apply", "photos/*.png", "absent.png", "-k", "[[2]]", "-o", "out/", "--skip-existing", cwd=photos)
    assert again.err == "convcli: error: cannot read absent.png: No such file or directory\n"
    assert re.fullmatch(r"convcli: error: 0 written, 6 skipped, 1 failed in \d+\.\d s\n", again.result)
    quiet = convcli("apply", "photos/*.png", "-k", "[[2]]", "-o", "out/", "--overwrite", "-q", cwd=photos)
    assert (quiet.code, quiet.err, quiet.result) == (0, "", "")


def test_verbose_warns_of_each_output(photos):
    result = convcli("apply", "photos/*.png", "-k", "[[2]]", "-o", "out/", "-j", "3", "-v", cwd=photos)
    warnings = [line for line in result.err.splitlines() if line.startswith("convcli: warning")]
    assert [line.split(": ")[:3] for line in warnings] == [
        ["convcli", "warning", f"out/p{number:02}.png"] for number in range(0, 12, 2)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "box"], "expected images: files, folders or patterns, or --files-from"),
        (["a.png", "-0", "-k", "box"], "--null is for the names in a list: expected --files-from too"),
        (["-", "--files-from", "-", "-k", "box"], "'-' is given more than once: stdin can be only one of"),
        (["a.png", "-k", "box", "-j", "-2"], "--jobs: expected a number of files, or 0 for one per CPU, given -2"),
        (["a.png", "-k", "box", "--overwrite", "--skip-existing"], "--overwrite and --skip-existing contradict each"),
    ],
)
def test_wrong_requests(tmp_path, arguments, message):
    result = convcli("apply", *arguments, cwd=tmp_path)
    assert (result.code, result.out, result.err.count("\n")) == (2, b"", 1)
    assert result.err.startswith(f"convcli: error: {message}")


def test_lists_and_patterns_that_name_nothing(tmp_path):
    for arguments, message in (
        (["--files-from", "absent.txt"], "cannot read absent.txt: No such file or directory"),
        (["*.jpg"], "no file matches *.jpg"),
    ):
        result = convcli("apply", *arguments, "-k", "box", cwd=tmp_path)
        assert (result.code, result.err) == (1, f"convcli: error: {message}\n")


def many(folder, count, shape):
    save_picture(folder / "one.png", picture(1, 3, shape))
    (folder / "photos").mkdir()
    for number in range(count):
        os.link(folder / "one.png", folder / "photos" / f"{number:04}.png")


def test_a_terminal_shows_a_bar(tmp_path):
    many(tmp_path, 12, (600, 600))
    arguments = ["apply", "photos/*.png", "-k", "box", "-o", "out/", "-j", "2", "--overwrite"]
    code, bar = terminal_at_stderr(*arguments, cwd=tmp_path)
    assert code == 0
    assert re.search(r"[1-9]\d?/12\S* files +\d+\.\d megapixels per second +\S*\d:\d\d:\d\d\S* left", bar)
    assert terminal_at_stderr(*arguments, "-q", cwd=tmp_path) == (0, "")


def test_lines_without_a_terminal(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("convcli.cli.progress.monotonic", lambda: now)
    with progress(40, Messages()) as shown:
        for _ in range(40):
            now += 0.3
            shown.advance(500_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"convcli: progress: {done} of 40 files, 1.7 megapixels per second, {left} left"
        for done, left in ((4, "0:00:11"), (11, "0:00:09"), (25, "0:00:04"), (40, "0:00:00"))
    ]


@pytest.fixture
def film(tmp_path):
    """Save three frames as a GIF, and as pages of a TIFF that differ in size; return the folder and the frames."""
    frames = [PIL.Image.fromarray(picture(seed)[0]) for seed in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    frames[1] = frames[1].resize((9, 4))
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    return tmp_path, [np.asarray(frame) for frame in frames]


def test_every_frame_has_its_own_file_if_the_name_says_so(film):
    folder, frames = film
    output = "out/{stem}.{frame}.{ext}"
    out = succeed("apply", "pages.tif", "film.gif", "-k", "[[1]]", "-o", output, "--all-frames", "--json", cwd=folder)
    assert list(files_in(folder / "out")) == [
        *(f"film.{n}.gif" for n in range(3)),
        *(f"pages.{n}.tif" for n in range(3)),
    ]
    for number, frame in enumerate(frames):
        assert np.array_equal(pixels(folder / "out" / f"pages.{number}.tif"), frame)
    assert [line["frame"] for line in json_lines(out)] == [0, 1, 2] * 2


def test_frames_need_names(film):
    folder, _ = film
    for name, output, holding in (
        ("film.gif", "out.jpg", ".png, .tif, .webp, .avif or .gif"),
        ("pages.tif", "out.png", ".tif"),
    ):
        result = convcli("apply", name, "-k", "[[1]]", "-o", output, "--all-frames", cwd=folder)
        message = (
            f"3 frames need one file each, but '{output}' names one: add {{frame}} to the name, or write {holding}"
        )
        assert (result.code, result.err) == (2, f"convcli: error: {message}, which can hold them all\n")


def test_frames_that_are_not_read_are_one_warning_per_batch(film):
    folder, _ = film
    message = "of its frames only the first is read (apply with --all-frames reads each)"
    alone = convcli("apply", "film.gif", "-k", "[[1]]", "-o", "out.png", cwd=folder)
    assert (alone.code, alone.err) == (0, f"convcli: warning: film.gif: {message}\n")
    frames = [PIL.Image.fromarray(picture(seed)[0]) for seed in range(2)]
    frames[0].save(folder / "short.gif", save_all=True, append_images=frames[1:])
    all_three = convcli("apply", "film.gif", "short.gif", "pages.tif", "-k", "[[1]]", "-o", "out/", cwd=folder)
    assert all_three.err == f"convcli: warning: {message} (in 3 files, the first of them film.gif)\n"


def test_a_dry_run_writes_nothing_and_lists_what_would_be_written(film):
    folder, _ = film
    save_picture(folder / "deep.png", np.arange(42, dtype=np.uint16).reshape(1, 6, 7))
    save_picture(folder / "clear.png", picture(1, 4))
    np.save(folder / "maps.npy", np.ones((2, 6, 7), np.float64))
    bank = json.dumps(np.ones((2, 2, 3, 3)).tolist())
    for arguments in (
        ["*.png", "film.gif", "-k", "box:4", "-s", "2", "--all-frames"],
        ["clear.png", "-k", "box", "-f", "npy"],
        ["maps.npy", "-k", bank],
    ):
        common = ["apply", *arguments, "-o", "out/", "--json"]
        before = files_in(folder)
        dry = convcli(*common, "--dry-run", cwd=folder)
        assert (dry.code, files_in(folder)) == (0, before)
        wet = json_lines(succeed(*common, "-q", cwd=folder))
        listed = json_lines(dry.out)
        keys = ("input", "frame", "frames", "output", "kernel", "shape", "dtype", "skipped")
        assert [{key: line[key] for key in keys} for line in listed] == [
            {key: line[key] for key in keys} for line in wet
        ]
        size = sum(line["bytes"] for line in listed)
        assert (
            dry.err
            == f"convcli: dry run: {len(wet)} outputs, {format_size(size)} before compression; nothing was written\n"
        )
        shutil.rmtree(folder / "out")


def test_a_dry_run_as_text(photos):
    succeed("apply", "photos/p02.png", "-k", "box", "-o", "out/", cwd=photos)
    arguments = ["apply", "photos/*.png", "-k", "box", "-o", "out/", "--skip-existing", "--dry-run"]
    result = convcli(*arguments, cwd=photos)
    assert result.out.decode().splitlines()[:2] == [
        "photos/p00.png -> out/p00.png: 1x20x30 uint8, 600 bytes",
        "photos/p02.png -> out/p02.png: 1x22x30 uint8, 660 bytes, skipped",
    ]
    assert result.err == "convcli: dry run: 5 outputs, 3.0 KB before compression; nothing was written\n"


@pytest.mark.parametrize(
    ("names", "output", "complaint"),
    [
        (
            ["pages.tif", "pages1.tif"],
            "{stem}{frame}.tif",
            "the output pages1.tif is also an input: use --output",
        ),
        (
            ["pages.tif", "pages.1.tif", "-f", "png"],
            "out/",
            "two outputs would be named out/pages.1.png: write them",
        ),
    ],
)
def test_frames_that_clash_with_others_are_refused_before_any_work(film, names, output, complaint):
    folder, _ = film
    save_picture(folder / names[1], picture(5))
    before = files_in(folder)
    arguments = [*names, "-k", "[[1]]", "-o", output, "--all-frames", "--overwrite"]
    result = convcli("apply", *arguments, cwd=folder)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert result.err.startswith(f"convcli: error: {complaint}")
    assert files_in(folder) == before


def test_an_input_that_can_be_read_once_is_used_twice(film):
    folder, frames = film
    result = shell("convcli apply <(cat film.gif) --all-frames -k '[[1]]' -o 'out/{frame}.png'", folder)
    assert (result.code, result.err) == (0, "")
    assert len(files_in(folder / "out")) == len(frames)
