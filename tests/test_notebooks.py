"""What a notebook shows of values: the numbers, legible on dark and light pages, and nothing that runs."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import PIL.Image
import pytest

from convcli import conv2d_explain, conv2d_grad, conv2d_matrix, conv2d_plan, preset
from convcli.convolution.prepared import Convolution, Gradients
from convcli.drawing.html import facts, table, tensor
from convcli.kernels.kernel import Kernel

V = np.array([[1.0, 2, 0, 3], [4, 1, 5, 2], [0, 3, 1, 1]])
K = np.array([[1.0, -2], [0, 3]])
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
SHOWN = {
    "kernel": preset("sobel-x"),
    "large kernel": preset("gaussian:5"),
    "bank": Kernel("bank", np.arange(24.0).reshape(2, 3, 2, 2), np.array([0.5, np.nan]), 3),
    "gradients": conv2d_grad(V[np.newaxis], K[np.newaxis, np.newaxis], np.ones((1, 2, 3))),
    "gradients of which some are None": conv2d_grad(V, K, np.ones((2, 3)), wrt="db"),
    "explanation": conv2d_explain(V, K, (1, 2), bias=0.5, padding="same", edge="replicate"),
    "long explanation": conv2d_explain(np.ones((9, 9)), [[1]], (0, 0), of="dK"),
    "explanation of no terms": conv2d_explain(V, [[1]], (1, 1), of="dV", stride=2),
    "plan": Convolution.of(LAPLACIAN).at((30, 40), "float32").plan(),
    "forecast": conv2d_plan((3, 4), K, padding="same"),
    "matrix": conv2d_matrix(K, (3, 4)),
    "matrix with an offset": conv2d_matrix(K, (2, 3), 2.0),
    "large matrix": conv2d_matrix(LAPLACIAN, (9, 9), edge="wrap", padding="same"),
}


class Page(HTMLParser):
    """The texts, cells and pictures of HTML; it raises AssertionError unless every element is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts, self.cells, self.pictures = [], set(), [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        else:
            self.open.append(tag)
        if tag == "td":
            self.cells.append((dict(attributes)["style"], []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "td":
            self.cells[-1][1].append(data)

    @property
    def numbers(self):
        return ["".join(text) for _, text in self.cells]


@pytest.fixture(params=SHOWN)
def page(request):
    return Page(SHOWN[request.param]._repr_html_())


def test_elements_are_closed_and_nothing_runs(page):
    assert page.tags <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td", "img"}


def test_inks_are_legible_on_their_colours(page):
    """The least contrast of the better of two inks, white and nearly black, is 4.04, on one shade between."""
    for style, _ in page.cells:
        colours = re.findall(r"(?:background|color):rgb\((\d+), (\d+), (\d+)\)", style)
        assert len(colours) in (0, 2)
        if colours:
            dark, light = sorted(luminance(*map(int, colour)) for colour in colours)
            assert (light + 0.05) / (dark + 0.05) > 4


def luminance(*levels):
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in np.array(levels) / 255
    ]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


def test_colours_other_than_those_of_cells_are_inherited(page):
    assert all("background" in style for style, _ in page.cells if "color" in style)


def test_numbers_of_tensors_are_shown():
    assert Page(SHOWN["kernel"]._repr_html_()).numbers == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]
    bank = Page(SHOWN["bank"]._repr_html_())
    assert bank.numbers == [*map(str, range(24)), "0.5", "nan"]
    assert [text for text in bank.texts if text.startswith("[")] == [
        "[0, 0]",
        "[0, 1]",
        "[0, 2]",
        "[1, 0]",
        "[1, 1]",
        "[1, 2]",
    ]
    assert Page(SHOWN["gradients of which some are None"]._repr_html_()).numbers == ["6"]


def test_the_matrix_is_that_of_scipy():
    sparse = pytest.importorskip("scipy.sparse")
    M = SHOWN["matrix"]
    dense = sparse.csr_array((M.data, M.indices, M.indptr), M.shape).toarray()
    assert [float(number) for number in Page(M._repr_html_()).numbers] == dense.ravel().tolist()


def test_an_explanation_shows_the_formula_and_its_terms():
    page = Page(SHOWN["explanation"]._repr_html_())
    assert page.texts[:3] == [
        "Z[1,2] = 4.5",
        "Z[j,k] = b + sum over m,n of V'[j + m, k + n] * K[m,n]",
        "Z[1,2] = b + sum over m,n of V'[1 + m, 2 + n] * K[m,n]",
    ]
    assert page.numbers[:6] == ["0", "0", "[1,2] = 5", "V[1,2]", "[0,0] = 1", "5"]
    assert page.texts[-2:] == ["b", " 0.5"]


def test_a_long_explanation_shows_the_largest_terms_and_the_rest():
    page = Page(SHOWN["long explanation"]._repr_html_())
    assert len(page.numbers) == 24 * 5
    assert page.texts[-2:] == ["the other 57 terms", " 57"]


def test_a_single_term_that_is_not_shown_is_no_plural() -> None:
    found = conv2d_explain(np.ones((5, 5)), np.ones((5, 5)), (0, 0))
    assert "the other term</span> 1</div>" in found._repr_html_()


def test_large_values_are_pictures():
    for name, description in (
        ("large kernel", "heatmap of K, shape (41, 41)"),
        ("large matrix", "the pattern of M, 81 x 81"),
    ):
        (picture,) = Page(SHOWN[name]._repr_html_()).pictures
        assert picture["alt"] == description
        data = base64.b64decode(picture["src"].removeprefix("data:image/png;base64,"))
        with PIL.Image.open(io.BytesIO(data)) as image:
            assert max(image.size) <= 900


def test_a_plan_shows_costs_and_refusals():
    plan = SHOWN["plan"]
    page = Page(plan._repr_html_())
    assert page.texts[0] == f"Plan: {plan.first.algorithm}"
    assert page.numbers[0] == plan.first.algorithm
    assert "unshared" in page.numbers


def test_a_forecast_shows_the_shapes_and_each_plan():
    page = Page(SHOWN["forecast"]._repr_html_())
    assert page.texts[:8] == ["Forecast", "V", " (3, 4) \xa0 ", "K", " (2, 2) \xa0 ", "Z", " (3, 4) \xa0 ", "pads"]
    assert page.numbers[::4] == ["Z", "dK", "dV"]


def test_texts_are_escaped():
    page = Page(Kernel("<script>alert(1)</script>", K)._repr_html_())
    assert page.texts[0] == "Kernel <script>alert(1)</script>"
    assert Page(table(["<i>"], [["a & b"]])).texts == ["<i>", "a & b"]
    assert Page(facts({"<": "&", "none": None})).texts == ["<", " &"]


def test_empty_and_tiny_tensors():
    assert Page(tensor("dV", np.ones((0, 2, 3)))).texts == ["dV", " (0, 2, 3), empty"]
    assert Page(tensor("db", np.array(1e-9))).texts == ["db", " in 1e-09", "1"]
    assert Page(Gradients()._repr_html_()).texts == ["Gradients"]
