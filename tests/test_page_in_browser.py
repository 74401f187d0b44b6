"""The page of ``explain`` in Chromium: its numbers against ``conv2d``, and what a reader can do with it.

All tests share one browser. Each opens a page of its own, without a network.
"""

import os
import shutil
from collections import defaultdict

import numpy as np
import pytest
from support.geometries import FILLS
from test_page import page, whole_numbers

from convcli import conv2d, conv2d_grad
from convcli.convolution.prepared import Convolution
from convcli.drawing.palette import signed_colours
from convcli.explain.page.html import write_page
from convcli.geometry.options import parse_options

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE, TABLET, DESK = (390, 844), (1024, 768), (1600, 1000)
SETTINGS = 200
PADDINGS = ("valid", "same", "same-lower", "full")


@pytest.fixture(scope="module")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="without playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("without Chromium: apt-get install chromium")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Return a function that opens a page; afterwards, it has asked the network for nothing and reported no error."""
    complaints, contexts = [], []

    def open_page(held, address="", size=DESK, **settings):
        path = tmp_path / "page.html"
        with path.open("wb") as stream:
            write_page(held, stream)
        width, height = size
        context = chromium.new_context(offline=True, viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: request.url != path.as_uri() and complaints.append(request.url))
        tab.goto(f"{path.as_uri()}{address}")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


SMALL = {"V": whole_numbers(4, 4), "K": whole_numbers(2, 2)}
STRIDED = {"V": whole_numbers(7, 8), "K": whole_numbers(3, 3), "stride": 2, "padding": 1, "edge": "reflect"}
PHOTO = {"V": np.abs(whole_numbers(3, 200, 90)) * 28, "K": whole_numbers(3, 3), "padding": "same", "edge": "replicate"}
BANK = {"V": whole_numbers(3, 8, 9), "K": whole_numbers(4, 3, 3, 3), "bias": whole_numbers(4), "padding": "same"}
GROUPS = {"V": whole_numbers(4, 5, 6), "K": whole_numbers(6, 2, 2, 3), "groups": 2, "padding": (1, 0, 2, 1)}
PAGES = {"small": SMALL, "strided": STRIDED, "photo": PHOTO, "bank": BANK, "groups": GROUPS}
every_page = pytest.mark.parametrize("name", PAGES)


# The numbers


def drawn_setting(random):
    """Return V, K, b, G and the options of a convolution, all of them small."""
    integers = random.integers
    groups, inputs, outputs = integers(1, 3), integers(1, 3), integers(1, 3)
    kh, kw = integers(1, 4, 2)
    is_plane = random.random() < 0.25
    K = (kh, kw) if is_plane else (groups * outputs, inputs, kh, kw)
    options = {
        "stride": tuple(integers(1, 4, 2).tolist()),
        "dilation": tuple(integers(1, 4, 2).tolist()),
        "padding": tuple(integers(0, 6, 4).tolist()) if random.random() < 0.6 else str(random.choice(PADDINGS)),
        "edge": str(random.choice(FILLS)),
        "flip": bool(random.random() < 0.5),
        "groups": 1 if is_plane else int(groups),
    }
    V = (groups * inputs, *integers(1, 10, 2))
    V, K = (integers(-9, 10, shape).astype(float) for shape in (V, K))
    shape = parse_options(**options).geometry(V.shape, K.shape).output_shape
    b = None if random.random() < 0.5 else integers(-9, 10, () if is_plane else len(K)).astype(float)
    return V, K, b, integers(-9, 10, shape).astype(float), options


def drawn_settings(random):
    """Return settings whose kernels are not larger than the padded input."""
    found = []
    while len(found) < SETTINGS:
        try:
            found.append(drawn_setting(random))
        except ValueError:
            continue
    return found


def spelled(options):
    """Return options as the page's state holds them."""
    texts = {name: ",".join(map(str, value)) for name, value in options.items() if isinstance(value, tuple)}
    return {**options, "flip": str(options["flip"]).lower(), **texts}


def as_json(tensor):
    return None if tensor is None else {"shape": tensor.shape, "values": tensor.tolist()}


# Computes each setting, and for one number of each tensor the sum of its terms; and whether G's number is in the terms
# of all numbers that it is said to feed, and of no others.
COMPUTED = """settings => settings.map(({V, K, b, G, options, chance}) => {
    const given = [[V, "V"], [K, "K"], [b, "b"], [G, "G"]].map(([json, name]) => json && tensorFrom(json, name));
    const model = convolution(...given, optionsOf(options, options.groups));
    const cells = (of) => Array.from(model.tensors[of].values, (_, at) => {
        const {rows, columns} = model.tensors[of];
        const [plane, row] = [Math.floor(at / (rows * columns)), Math.floor(at / columns) % rows];
        return {of, plane, row, column: at % columns};
    });
    const pick = (of) => { const all = cells(of); return all[Math.floor(chance * all.length)]; };
    const total = ({terms, bias}) => terms.reduce((sum, term) => sum + term.product, bias ? valueAt(model, bias) : 0);
    const names = ["Z", "dK", "dV", "db"];
    const sums = names.map((of) => total(explain(model, pick(of))) === valueAt(model, pick(of)));
    const source = pick("G");
    const fed = new Set(explain(model, source).terms.map(({target}) => textOf(target)));
    const holds = (cell) => explain(model, cell).terms.some((term) => textOf(term.cells[0]) === textOf(source));
    const some = chance < 0.2 ? [...cells("dK"), ...cells("dV")] : [];
    const feeds = some.every((cell) => holds(cell) === fed.has(textOf(cell)));
    const untouchedRows = untouched(model.geometry.rows);
    return {sums, feeds, untouchedRows, ...Object.fromEntries(names.map((of) => [of, [...model.tensors[of].values]]))};
})"""


def test_its_numbers_are_those_of_convcli(opened, seed):
    """200 random settings; the data are whole numbers or halves, so that the comparison is exact."""
    random = np.random.default_rng(seed)
    settings = drawn_settings(random)
    sent = [
        {**dict(zip("VKbG", map(as_json, setting[:4]), strict=True)), "options": spelled(setting[4]), "chance": chance}
        for setting, chance in zip(settings, random.random(SETTINGS).tolist(), strict=True)
    ]
    computed = opened(page(**SMALL)).evaluate(COMPUTED, sent)
    for (V, K, b, G, options), found in zip(settings, computed, strict=True):
        context = f"V {V.shape}, K {K.shape}, {options}"
        gradients = conv2d_grad(V, K, G, bias=b, **options)
        expected = {"Z": conv2d(V, K, b, **options)} | dict(zip(("dK", "dV", "db"), gradients, strict=True))
        for name, tensor in expected.items():
            assert np.array_equal(found[name], np.ravel(tensor)), (name, context)
        assert found["sums"] == [True] * 4, context
        assert found["feeds"], context
        rows = Convolution.of(K, **options).geometry(V.shape).rows
        unread = [row for part in rows.untouched(parse_options(**options).edge) for row in part]
        assert found["untouchedRows"] == unread, context


def test_its_colours_are_those_of_the_heatmaps(opened):
    values = np.linspace(-1, 1, 211)
    found = opened(page(**SMALL)).evaluate("values => values.map(value => signedColour(value, 1))", values.tolist())
    # A half may be rounded to either side.
    assert np.abs(np.array(found) - signed_colours(values, 1.0)).max() <= 1


def wait_until(tab, condition):
    """Wait for a condition; the page's own rules forbid Playwright's way, which evaluates text within the page."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    pytest.fail(f"in ten seconds, never {condition}")


def shown(tab, name):
    """Return a tensor that the page shows."""
    found = tab.evaluate(
        "name => { const of = page.model.tensors[name]; return {...of, values: [...of.values]}; }", name
    )
    return np.reshape(found["values"], (found["planes"], found["rows"], found["columns"]))


# What the reader can do


def test_changing_an_option_computes_anew(opened):
    tab = opened(page(**STRIDED))
    tab.get_by_label("Stride, rows").fill("1")
    tab.get_by_label("Dilation, columns").fill("2")
    tab.get_by_label("Edge fill", exact=True).select_option("wrap")
    tab.get_by_label("flip").check()
    options = {"stride": (1, 2), "padding": 1, "dilation": (1, 2), "edge": "wrap", "flip": True}
    assert np.array_equal(shown(tab, "Z")[0], conv2d(STRIDED["V"], STRIDED["K"], **options))
    assert "ones take its place" in tab.locator("#notes").inner_text()
    tab.get_by_text("Reset").click()
    assert "ones take" not in tab.locator("#notes").inner_text()


def test_options_that_do_not_fit_are_explained_and_change_nothing(opened):
    tab = opened(page(**SMALL))
    before = shown(tab, "Z")
    tab.get_by_label("Dilation, rows").fill("9")
    tab.get_by_label("Dilation, rows").blur()
    assert "The kernel reaches 10 × 2 pixels" in tab.get_by_role("alert").inner_text()
    assert np.array_equal(shown(tab, "Z"), before)


def test_a_weight_is_edited_by_keyboard(opened):
    tab = opened(page(**SMALL))
    tab.locator("#panel-K .map").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    tab.keyboard.type("7.5")
    tab.keyboard.press("Enter")
    K = SMALL["K"].copy()
    K[0, 1] = 7.5
    assert np.array_equal(shown(tab, "Z")[0], conv2d(SMALL["V"], K))


def test_escape_leaves_the_field_and_its_number_as_they_were(opened):
    tab = opened(page(**SMALL))
    weights = tab.locator("#panel-K .map")
    weights.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    tab.keyboard.type("10")
    tab.keyboard.press("Escape")
    assert tab.locator("#panel-K .map").evaluate("map => map === document.activeElement")
    assert "K=" not in tab.url


@pytest.mark.parametrize("text", ["abc", "1/3", ""])
def test_text_that_is_no_number_is_explained_and_changes_nothing(opened, text):
    tab = opened(page(**SMALL))
    tab.locator("#panel-K .map").focus()
    tab.keyboard.press("ArrowRight")
    tab.locator("#editor").fill(text)
    tab.keyboard.press("Enter")
    assert tab.locator("#editor").evaluate("field => field.validationMessage") == "Expected a number, such as -1.5."
    assert "K=" not in tab.url


def test_pointing_at_a_number_writes_its_sum(opened):
    tab = opened(page(**BANK, of="output", at=(2, 0, 0)))
    Z = conv2d(BANK["V"], BANK["K"], BANK["bias"], padding="same")
    assert tab.locator("#sum h2").inner_text() == f"Z[2,0,0] = {Z[2, 0, 0]:.0f}".replace("-", "−")
    assert tab.locator("#sum .terms li").count() == 12
    assert "and 15 more terms" in tab.locator("#sum").inner_text()
    tab.locator("#panel-V .map").hover(position={"x": 3, "y": 3})
    assert "padding, constant" in tab.locator("#sum").inner_text()
    tab.mouse.move(1, 1)
    assert tab.locator("#sum h2").inner_text().startswith("Z[2,0,0]")


def test_the_window_walks(opened):
    tab = opened(page(**SMALL))
    for _ in range(3):
        tab.get_by_label("One window forward").click()
    assert tab.evaluate("page.state.at") == "Z:0,0,2"
    assert tab.locator("#count").inner_text() == "window 3 of 9"
    tab.get_by_label("One window back").click()
    assert tab.evaluate("page.state.at") == "Z:0,0,1"
    tab.locator("#speed").fill("6")
    tab.locator("#play").click()
    wait_until(tab, "page.player.position === page.player.last && !page.player.isPlaying")
    assert tab.evaluate("page.state.at") == "Z:0,2,2"


def test_a_number_outside_of_its_limits_is_an_error_that_names_both(opened):
    tab = opened(page(**SMALL))
    tab.get_by_label("Stride, rows").fill("65")
    tab.get_by_label("Stride, columns").fill("2")
    assert tab.locator("#problem").text_content() == "Stride, rows: expected a whole number from 1 to 64."
    assert tab.evaluate("page.state.stride") == "1,1"


def test_an_empty_stride_waits_for_its_number(opened):
    tab = opened(page(**SMALL))
    tab.get_by_label("Stride, rows").fill("")
    tab.get_by_label("Stride, columns").fill("2")
    assert tab.evaluate("page.state.stride") == "1,1"
    tab.get_by_label("Stride, rows").fill("2")
    assert tab.evaluate("page.state.stride") == "2,2"


def test_the_address_holds_the_state(opened):
    tab = opened(page(**BANK))
    tab.get_by_label("Stride, columns").fill("2")
    tab.get_by_label("Padding, top").fill("3")
    tab.get_by_label("Padding, top").blur()
    tab.locator("#panel-Z .map").focus()
    tab.keyboard.press("PageDown")
    tab.keyboard.press("ArrowDown")
    tab.locator("#theme").click()
    before = tab.evaluate("page.state")
    assert before["stride"] == "1,2"
    assert before["channels"] == "0,1"
    wait_until(tab, "location.hash.includes('theme')")
    tab.reload()
    assert tab.evaluate("page.state") == before


@pytest.mark.parametrize(
    "address", ["#stride=0,0", "#at=Z:9,9,9", "#dilation=40,40", "#K=99=1&walk=400", "#edge=%3Cb%3E"]
)
def test_an_address_that_means_nothing_is_harmless(opened, address):
    tab = opened(page(**SMALL), address)
    assert np.array_equal(shown(tab, "Z")[0], conv2d(SMALL["V"], SMALL["K"]))


def test_a_note_names_the_parts_of_an_address_that_mean_nothing(opened):
    tab = opened(page(**SMALL), "#stride=0,x&K=99%3Dfoo&flip=true&constructor=1")
    left_out = "The address held what this page cannot read, and it was left out: stride, K, constructor."
    assert left_out in tab.locator("#notes li").all_text_contents()
    assert tab.evaluate("page.state.flip") == "true"


# Everybody


# What a reader can operate, and its name.
OPERABLE = """() => [...document.querySelectorAll("button, input, select, summary, [tabindex]")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}))
    .map((each) => [each.id || each.name || each.textContent,
        each.getAttribute("aria-label") || each.labels?.[0]?.textContent.trim() || each.textContent.trim()])"""
FOCUSED = "() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent"


@every_page
def test_everything_has_a_name_and_is_reached_by_tab(opened, name):
    tab = opened(page(**PAGES[name]))
    operable = tab.evaluate(OPERABLE)
    assert len(operable) > 25
    assert [each for each, label in operable if not label] == []
    reached = set()
    for _ in range(len(operable) + 2):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate(FOCUSED))
    assert {each for each, _ in operable} - reached == set()


@pytest.mark.parametrize("name", ["strided", "bank"])
def test_arrow_keys_reach_every_corner_of_every_map(opened, name):
    tab = opened(page(**PAGES[name]))
    for panel in tab.locator(".panel:visible .map").all():
        panel.focus()
        tab.keyboard.press("Home")
        for key in ("ArrowUp", "ArrowDown"):
            for _ in range(10):
                tab.keyboard.press(key)
        tab.keyboard.press("End")
        last = tab.evaluate(
            "(({rows, columns}, [row, column]) => row === rows - 1 && column === columns - 1)"
            "(page.model.tensors[page.cell.of], [page.cell.row, page.cell.column])"
        )
        assert last, panel


def test_the_sum_is_spoken(opened):
    tab = opened(page(**SMALL))
    tab.locator("#panel-Z .map").focus()
    tab.keyboard.press("ArrowRight")
    Z = conv2d(SMALL["V"], SMALL["K"])[0, 1]
    wait_until(tab, "document.getElementById('announcement').textContent !== ''")
    assert tab.locator("#announcement").inner_text().startswith(f"Z 0 1 is {Z:.0f}: ".replace("-", "−"))
    assert tab.locator("#announcement").get_attribute("aria-live") == "polite"


def test_the_numbers_are_there_as_tables(opened):
    tab = opened(page(**BANK))
    tab.get_by_text("The numbers as tables").click()
    tab.locator("#tables summary", has_text="dV").click()
    cells = tab.locator("#tables td").all_inner_texts()
    dV = conv2d_grad(BANK["V"], BANK["K"], whole_numbers(4, 8, 9, seed=2), padding="same").input
    assert [int(cell.replace("−", "-")) for cell in cells if cell] == dV[0].ravel().tolist()


def test_reduced_motion_means_none(opened):
    tab = opened(page(**SMALL), reduced_motion="reduce")
    tab.locator("#play").hover()
    assert tab.evaluate("document.getAnimations().length") == 0
    durations = "[...document.querySelectorAll('*')].map(each => getComputedStyle(each).transitionDuration)"
    assert set(tab.evaluate(durations)) == {"0s"}


# The least contrast of any text with what lies behind it, and that text.
CONTRAST = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const behind = (each) => {
        for (; each; each = each.parentElement) {
            const [r, g, b, alpha = 1] = parse(getComputedStyle(each).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
    };
    const contrast = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !parent.checkVisibility()) continue;
        const colour = parse(getComputedStyle(parent).color).slice(0, 3);
        found.push([contrast(colour, behind(parent)), walker.currentNode.textContent]);
    }
    return found.sort(([one], [other]) => one - other)[0];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(opened, scheme):
    """WCAG asks for 4.5; numbers in heatmaps are black or white, whichever has more."""
    tab = opened(page(**BANK, of="output", at=(0, 1, 1)), color_scheme=scheme)
    least, text = tab.evaluate(CONTRAST)
    assert least >= 4.5, text
    colours = tab.evaluate("Array.from({length: 511}, (_, at) => signedColour(at / 255 - 1, 1))")
    inks = tab.evaluate(
        "colours => colours.map(each => (luminance(each) + 0.05) / 0.05 * (inkOn(each) === '#000') || "
        "1.05 / (luminance(each) + 0.05))",
        colours,
    )
    assert min(inks) >= 4.5


@every_page
@pytest.mark.parametrize("size", [PHONE, TABLET, DESK])
def test_nothing_overlaps_and_nothing_is_cut(opened, name, size):
    tab = opened(page(**PAGES[name], of="output", at=(0,) * np.ndim(PAGES[name]["V"])), size=size)
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    boxes = tab.evaluate("""[...document.querySelectorAll(".panel:not([hidden])")].map((each) => {
        const {left, right, top, bottom} = each.getBoundingClientRect();
        return {name: each.id, left, right, top, bottom, cut: each.scrollWidth > each.clientWidth};
    })""")
    assert [each["name"] for each in boxes if each["cut"]] == []
    overlapping = defaultdict(list)
    for one in boxes:
        for other in boxes:
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            if (
                one["name"] < other["name"]
                and not apart
                and one["bottom"] > other["top"]
                and other["bottom"] > one["top"]
            ):
                overlapping[one["name"]].append(other["name"])
    assert overlapping == {}


def test_touch_points_at_a_number(opened):
    tab = opened(page(**SMALL), size=PHONE, has_touch=True)
    tab.locator("#panel-Z .map").tap(position={"x": 5, "y": 5})
    assert tab.evaluate("page.state.at") == "Z:0,0,0"
