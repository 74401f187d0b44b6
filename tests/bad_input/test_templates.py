"""Templates of output names: the name of a file or kernel cannot lead out of the folder."""

import os
import random

import numpy as np
import pytest
from many_commands import assert_well_mannered
from support.command_line import convcli

from convcli.errors import OptionError
from convcli.files.output_names import destination_of, kernel_path
from convcli.files.templates import expand, safe_name

KNOWN = {"stem": "photo", "kernel": "box", "map": "0", "frame": "0", "ext": "png", "dir": "."}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{}", r"unknown placeholder {} in the output name"),
        ("{0}", r"unknown placeholder {0} in the output name"),
        ("{stem.__class__}", r"unknown placeholder {stem.__class__} in the output name"),
        ("{stem[0]}", r"unknown placeholder {stem[0]} in the output name"),
        ("{stem!r}", r"unknown placeholder {stem!r} in the output name"),
        ("{stem:>1000000000}", r"unknown placeholder {stem:>1000000000} in the output name"),
        ("{stem!r:>1000000000}", r"unknown placeholder {stem!r:>1000000000} in the output name"),
        ("{stem:{kernel}}", r"unknown placeholder {stem:{kernel}} in the output name"),
        ("{", r"the output name '{' has a lone brace"),
        ("{stem", r"the output name '{stem' has a lone brace"),
        ("stem}", r"the output name 'stem}' has a lone brace"),
        ("{stem!}", r"the output name '{stem!}' has a lone brace"),
        ("{{stem}", r"the output name '{{stem}' has a lone brace"),
    ],
)
def test_invalid_templates(template, message):
    with pytest.raises(OptionError) as error:
        expand(template, KNOWN)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("template", "stem", "folder", "name"),
    [
        ("out/{stem}.png", "a", ".", "out/a.png"),
        ("out/{stem}.png", "..", ".", "out/...png"),
        ("out/{dir}/{stem}.png", "a", "x/y", "out/x/y/a.png"),
        ("out/{dir}/{stem}.png", "a", "/home/x", "out//home/x/a.png"),
        ("out/{dir}/{stem}.png", "a", "x/../y", "out/x/../y/a.png"),
        ("../out/{dir}/{stem}.png", "a", "x", "../out/x/a.png"),
        ("{dir}/{stem}.png", "a", "../x", "../x/a.png"),
        ("{dir}/edges/{stem}.png", "a", "/home/x", "/home/x/edges/a.png"),
        ("{dir}-edges/{stem}.png", "a", "..", "..-edges/a.png"),
        ("{dir}/../{stem}.png", "a", "x/y", "x/y/../a.png"),
        ("/{stem}/x.png", "a", ".", "/a/x.png"),
        ("{{{stem}}}.png", "a", "..", "{a}.png"),
    ],
)
def test_names_within(template, stem, folder, name):
    assert expand(template, KNOWN | {"stem": stem, "dir": folder}) == name


@pytest.mark.parametrize(
    ("template", "stem", "folder", "name", "outside"),
    [
        ("out/{dir}/{stem}.png", "a", "..", "out/../a.png", "out"),
        ("out/{dir}/{stem}.png", "a", "../../x", "out/../../x/a.png", "out"),
        ("out/{dir}/{stem}.png", "a", "x/../../y", "out/x/../../y/a.png", "out"),
        ("./out/{dir}/{stem}.png", "a", "..", "./out/../a.png", "./out"),
        ("/srv/out/{dir}/{stem}.png", "a", "../out2", "/srv/out/../out2/a.png", "/srv/out"),
        ("../{dir}/{stem}.png", "a", "..", "../../a.png", ".."),
        ("out/{stem}/x.png", "..", ".", "out/../x.png", "out"),
        ("{stem}/x.png", "..", ".", "../x.png", "the current folder"),
        ("{dir}/{stem}/x.png", "..", "photos", "photos/../x.png", "photos"),
        ("{{o}}/{dir}/{stem}.png", "a", "..", "{o}/../a.png", "{o}"),
    ],
)
def test_names_outside(template, stem, folder, name, outside):
    with pytest.raises(OptionError) as error:
        expand(template, KNOWN | {"stem": stem, "dir": folder})
    assert str(error.value) == (
        f"the output {name} would be outside of {outside}, because {{dir}} or {{stem}} leads out of it: "
        "use an `output` without these, or run this in a folder that contains the images"
    )


@pytest.mark.parametrize(
    "name", ["..", ".", "../../evil", "/etc/evil", "a\nb", "\x1b[31m", "a\0b", "~", " ", "\udcff", "-"]
)
def test_a_kernels_name_stays_in_the_folder(name):
    path = kernel_path(destination_of("out/{kernel}/x.png"), name, "png")
    assert path.parent.parent.name == "out"
    assert path.parent.name not in ("", ".", "..")
    assert safe_name(name).isprintable()


@pytest.mark.slow
def test_no_crafted_name_leads_out(seed, soak, tried):
    draw = random.Random(seed)
    pieces = ["..", ".", "/", "a", "{stem}", "{dir}", "{kernel}", "-", "~"]
    refused = 0
    for _ in range(20_000 * soak):
        template = f"out/{''.join(draw.choices(pieces[2:], k=draw.randint(1, 5)))}/{{stem}}.png"
        folder = "".join(draw.choices(pieces[:4], k=draw.randint(1, 6)))
        try:
            name = expand(template, KNOWN | {"stem": draw.choice(["..", ".", "a", "..."]), "dir": folder})
        except OptionError:
            refused += 1
        else:
            assert os.path.normpath(name).startswith("out/")
    assert refused
    tried(20_000 * soak)


@pytest.fixture
def folder(tmp_path):
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    image = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    for name in ("deep/a.npy", "deep/work/a.npy", "deep/work/...npy", "deep/work/b.npy"):
        with (tmp_path / name).open("wb") as stream:
            np.save(stream, image)
    (work / "evil.json").write_text('{"name": "../../evil", "weights": [[1]]}')
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    ("arguments", "stdin", "named"),
    [
        (["../a.npy", "-k", "box", "-o", "out/{dir}/{stem}.png"], b"", "out/../a.png"),
        (["a.npy", "../a.npy", "-k", "box", "-o", "out/{dir}/"], b"", None),
        (["...npy", "-k", "box", "-o", "out/{stem}/{kernel}.png"], b"", "out/../box.png"),
        (["--files-from", "-", "-k", "box", "-o", "out/{dir}/{stem}.png"], b"a.npy\n../a.npy\n", "out/../a.png"),
        (["--files-from", "-", "-k", "box", "-o", "out/{dir}/{stem}.png", "--dry-run"], b"../a.npy", "out/../a.png"),
    ],
)
def test_before_any_work(commands, folder, arguments, stdin, named):
    before = files(folder)
    result = commands.run("apply", *arguments, stdin=stdin, cwd=folder / "deep" / "work")
    assert_well_mannered(result)
    assert result.code == 2
    assert named is None or f"the output {named} would be outside of out, because" in result.err
    assert files(folder) == before


def test_outputs_of_other_commands(commands, folder):
    work, before = folder / "deep" / "work", files(folder)
    result = commands.run("grad", "../a.npy", "-k", "box", "-o", "out/{dir}/{stem}.{wrt}.npy", cwd=work)
    assert (result.code, "would be outside of out" in result.err) == (2, True)
    assert files(folder) == before
    assert commands.run("kernels", "evil.json", "-o", "out/", cwd=work).code == 0
    assert commands.run("apply", "a.npy", "-k", "evil.json", "-o", "out/{stem}.{kernel}.{ext}", cwd=work).code == 0
    assert files(folder) - before == {"deep/work/out/-..-evil.txt", "deep/work/out/a.-..-evil.npy"}


def test_links(commands, folder):
    """An output folder may be a link to another folder; an output may not be a broken link or a link to an input."""
    work, elsewhere = folder / "deep" / "work", folder / "elsewhere"
    elsewhere.mkdir()
    (work / "out").mkdir()
    (work / "linked").symlink_to(elsewhere)
    (work / "out" / "nothing.npy").symlink_to(folder / "nothing.npy")
    (work / "out" / "a.npy").symlink_to(work / "a.npy")
    (work / "out" / "b.npy").symlink_to(work / "b.npy")
    inputs = {name: (work / name).read_bytes() for name in ("a.npy", "b.npy")}
    assert commands.run("apply", "a.npy", "-k", "box", "-o", "linked/{stem}.png", cwd=work).code == 0
    for output, code, message in (
        ("out/nothing.npy", 1, "out/nothing.npy is a broken link: remove it, or use --output to write elsewhere"),
        ("out/a.npy", 2, "the output out/a.npy is also an input: use --output to write elsewhere"),
    ):
        result = commands.run("apply", "a.npy", "-k", "box", "-o", output, "--overwrite", cwd=work)
        assert (result.code, result.err) == (code, f"convcli: error: {message}\n")
    many = ["apply", "a.npy", "b.npy", "-k", "box", "-o", "out/{stem}.npy", "--overwrite"]
    both = commands.run(*many, cwd=work)
    assert (both.code, "is also an input" in both.err) == (2, True)
    assert (elsewhere / "a.png").exists()
    assert not (folder / "nothing.npy").exists()
    assert {name: (work / name).read_bytes() for name in inputs} == inputs


def test_in_place_only_by_name(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((1, 4, 5), np.uint8))
    result = convcli("apply", "a.npy", "-k", "[[2]]", "-o", "./a.npy", "--overwrite", cwd=tmp_path)
    assert result.code == 0
    assert np.load(tmp_path / "a.npy").max() == 2


def test_what_every_output_is_made_from_is_not_replaced(commands, folder):
    """The kernel, the bias and the list of files are inputs, too."""
    work = folder / "deep" / "work"
    (work / "k.json").write_text("[[1, 2]]")
    (work / "b.json").write_text("0.5")
    (work / "list").write_text("a.npy\n")
    before = {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()}
    for output, options in (
        ("k.json", ["a.npy", "-k", "k.json"]),
        ("b.json", ["a.npy", "-k", "box", "--bias", "b.json"]),
        ("list", ["--files-from", "list", "-k", "box"]),
    ):
        result = commands.run("apply", *options, "-f", "npy", "-o", output, "--overwrite", cwd=work)
        message = f"the output {output} is also an input: use --output to write elsewhere"
        assert (result.code, result.err) == (2, f"convcli: error: {message}\n")
    assert {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()} == before
