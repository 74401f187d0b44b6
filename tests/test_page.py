"""``explain -o page.html``: the document of the page, its template, and what it refuses."""

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from support.command_line import convcli, succeed
from support.pages import page as doc

from convcli.convolution.prepared import Convolution
from convcli.errors import GeometryError, OptionError
from convcli.explain.crop import MOST_SIDE
from convcli.explain.page import html
from convcli.explain.page.document import MOST_PRODUCTS, Titles, page_of, page_to_json

TITLES = Titles("V.npy", "K")


def whole_numbers(*shape, seed=1):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(float)


def page(V, K, bias=None, *, G=None, of="output", at=None, **options):
    """Return the page of a convolution, by default with G of whole numbers."""
    prepared = Convolution.of(K, bias, **options).at(V.shape, "float64")
    G = whole_numbers(*prepared.output_shape, seed=2) if G is None else G
    return page_of(prepared, V, G, TITLES, of, at)


def written(page):
    stream = BytesIO()
    html.write_page(page, stream)
    return stream.getvalue().decode()


def document_in(text):
    return re.search(r'<script id="document" type="application/json">(.*?)</script>', text, re.DOTALL)[1]


def test_the_document_holds_the_operands_and_the_options():
    V, K, b, G = whole_numbers(4, 5, 6), whole_numbers(6, 2, 3, 2), whole_numbers(6), whole_numbers(6, 3, 6)
    options = {"stride": (2, 1), "padding": (1, 1, 0, 1), "groups": 2, "edge": "constant:2.5", "flip": True}
    found = json.loads(document_in(written(page(V, K, b, G=G, **options, of="kernel", at=(3, 1, 2, 0)))))
    assert {name: tensor["shape"] for name, tensor in found["tensors"].items()} == {
        "V": [4, 5, 6],
        "K": [6, 2, 3, 2],
        "b": [6],
        "G": [6, 3, 6],
    }
    for name, tensor in {"V": V, "K": K, "b": b, "G": G}.items():
        assert np.array_equal(found["tensors"][name]["values"], tensor)
    assert found["options"] == {
        "stride": [2, 1],
        "padding": "1,1,0,1",
        "dilation": [1, 1],
        "groups": 2,
        "edge": "constant:2.5",
        "flip": True,
    }
    # K is shown as a plane for each pair (i, l).
    assert found["pointed"] == {"of": "dK", "at": [7, 2, 0]}
    assert (found["convcli"], found["image"], found["kernel"], found["notes"]) == (1, "V.npy", "K", [])


def test_a_rule_of_padding_stays_a_rule():
    assert page_to_json(page(whole_numbers(5, 6), whole_numbers(3, 2), padding="same"))["options"]["padding"] == "same"


def test_names_cannot_end_the_script_or_the_title():
    name = "</script><!--<b>&amp;.npy"
    text = written(page(whole_numbers(3, 3), whole_numbers(2, 2))._replace(titles=Titles(name, name)))
    assert json.loads(document_in(text))["image"] == name
    assert name not in text
    assert text.count("</script>") == len(re.findall("<script", text))


def test_the_page_is_smaller_than_300_kilobytes_without_its_data():
    text = written(page(whole_numbers(2, 2), whole_numbers(2, 2)))
    assert len(text.encode()) < 300_000
    assert len(document_in(text)) < 3000


def test_nothing_in_the_page_comes_from_elsewhere():
    text = written(page(whole_numbers(2, 2), whole_numbers(2, 2)))
    assert not re.findall(r"https?://|\bsrc=|@import|url\(|\bfetch\(|XMLHttpRequest|<link", text)


def test_every_file_of_the_page_is_written_into_it():
    folder = Path(html.__file__).parent
    files = {each.name for each in folder.iterdir() if each.suffix in (".js", ".css", ".html")}
    assert files == {*html.SCRIPTS, html.STYLE, "page.html"}
    text = written(page(whole_numbers(2, 2), whole_numbers(2, 2)))
    assert all((folder / name).read_text("utf-8") in text for name in (*html.SCRIPTS, html.STYLE))


def test_the_documentation_says_what_a_page_can_hold():
    text = doc("docs/page.md")
    assert f"at most {MOST_SIDE} x {MOST_SIDE} pixels" in text
    assert f"at most {MOST_PRODUCTS // 10**6} million products" in text


# Crops


@pytest.mark.parametrize("padding", ["same", "same-lower", "valid", "full", (2, 0, 1, 3)])
@pytest.mark.parametrize(("of", "at"), [("output", (1, 20, 11)), ("input", (0, 150, 3)), ("bias", (1,))])
def test_the_windows_of_a_crop_are_windows_of_the_image(padding, of, at):
    """The outputs whose windows lie in the crop are equal, and so is their G."""
    V, K = whole_numbers(2, 167, 149), whole_numbers(3, 2, 3, 4)
    convolution = Convolution.of(K, stride=(3, 5), padding=padding)
    whole = convolution.at(V.shape, "float64")
    Z, G = whole.convolve(V, whole.plan()), whole_numbers(*whole.output_shape)
    found = page(V, K, G=G, stride=(3, 5), padding=padding, of=of, at=at)
    assert max(found.V.shape[-2:]) <= MOST_SIDE
    part = found.prepared.convolve(found.V, found.prepared.plan())
    rows, columns = (int(re.search(f"{word} (\\d+)", found.notes[0])[1]) for word in ("rows", "columns"))
    assert np.array_equal(found.V, V[:, rows : rows + found.V.shape[1], columns : columns + found.V.shape[2]])
    inner = np.s_[:, 3:-3, 3:-3]
    top, left = rows // 3, columns // 5
    place = np.s_[:, top : top + part.shape[1], left : left + part.shape[2]]
    assert np.array_equal(part[inner], Z[place][inner])
    assert np.array_equal(found.G, G[place])


def test_the_page_opens_at_the_number_in_the_crop():
    V, K = whole_numbers(3, 200, 90), whole_numbers(3, 3)
    found = page(V, K, padding="same", of="output", at=(2, 150, 80))
    assert found.notes == [
        "V is 200 x 90 pixels: this is the crop of rows 118 to 181 and columns 26 to 89, as an image of its own, with "
        "its own padding, its own dK and its own db."
    ]
    assert page_to_json(found)["pointed"] == {"of": "Z", "at": (2, 32, 54)}


def test_without_a_number_the_crop_is_the_middle():
    found = page(whole_numbers(100, 30), whole_numbers(3, 3), padding="same")
    assert found.V.shape == (64, 30)
    assert "rows 18 to 81 and columns 0 to 29" in found.notes[0]


def test_a_page_shows_one_image_of_a_batch():
    V, K = whole_numbers(3, 2, 4, 5), whole_numbers(2, 2, 2, 2)
    found = page(V, K, of="input", at=(2, 1, 3, 0))
    assert np.array_equal(found.V, V[2])
    assert found.notes == ["V is a batch: this is image 2 alone, and dK and db are its own."]
    assert page_to_json(found)["pointed"] == {"of": "dV", "at": (1, 3, 0)}


# Refusals


@pytest.mark.parametrize(
    ("V", "K", "bias", "message"),
    [
        ((4, 4), (1, 2, 2, 1, 2, 2), None, "kernels of rank 2 or 4"),
        ((1, 3, 3), (2, 1, 2, 2), (2, 2, 2), r"a number or one per channel, given shape \(2, 2, 2\)"),
        ((0, 1, 4, 4), (2, 2), None, r"expected at least one, given shape \(0,\)"),
        (
            (64, 64, 64),
            (64, 64, 5, 5),
            None,
            "at most 16,777,216 products at once, and this convolution has 368,640,000",
        ),
    ],
)
def test_what_a_page_cannot_show_is_refused(V, K, bias, message):
    bias = None if bias is None else np.ones(bias)
    with pytest.raises((GeometryError, OptionError), match=message):
        page(np.ones(V), np.ones(K), bias)


def test_an_index_that_does_not_exist_is_refused():
    with pytest.raises(GeometryError, match=r"Z has shape \(3, 3\): expected j,k from 0,0 to 2,2"):
        page(whole_numbers(4, 4), whole_numbers(2, 2), at=(3, 0))


def test_infinite_numbers_are_refused():
    with pytest.raises(OptionError, match="V holds NaN or infinity"):
        page_to_json(page(np.full((3, 3), np.inf), whole_numbers(2, 2)))


# The command


def test_the_command_writes_the_page_and_says_what_it_crops(tmp_path):
    result = convcli("explain", "sample:camera", "-k", "sobel-x", "--at", "80,200", "-o", "page.html", cwd=tmp_path)
    assert "V is 512 x 512 pixels: this is the crop of rows 48 to 111 and columns 168 to 231" in result.err
    assert result.code == 0
    found = json.loads(document_in((tmp_path / "page.html").read_text("utf-8")))
    assert (found["image"], found["pointed"]) == ("sample:camera", {"of": "Z", "at": [0, 32, 32]})


def test_the_text_and_the_json_of_a_sum_go_into_files_too(tmp_path):
    arguments = ["explain", "[[1,2],[3,4]]", "-k", "[[1,0],[0,1]]", "--at", "0,0"]
    succeed(*arguments, "-o", "sum.txt", "-f", "text", cwd=tmp_path)
    assert (tmp_path / "sum.txt").read_text().endswith("Z[0,0] = 5  the sum of 4 terms\n")
    succeed(*arguments, "-o", "sum.json", cwd=tmp_path)
    assert json.loads((tmp_path / "sum.json").read_text())["sum"] == 5


def test_options_of_the_text_are_refused_for_a_page(tmp_path):
    result = convcli("explain", "[[1,2],[3,4]]", "-k", "box:2", "--all", "-o", "page.html", cwd=tmp_path)
    assert result.code == 2
    assert "--largest and --all are for the text of one sum" in result.err
    assert not list(tmp_path.iterdir())
