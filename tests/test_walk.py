"""Walks: each window's scene, what the scenes add up to, and how they are drawn as text, GIF and SVG."""

import base64
import io
import re
import shlex
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
from support import reference
from support.command_line import convcli, succeed
from support.geometries import CASES, FILLS, Case, integers
from support.pages import page

from convcli import conv2d, conv2d_grad, conv2d_walk
from convcli.cli.text.walk import walk_text
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import TransposedConvolution
from convcli.drawing.scene_pictures import draw_story
from convcli.drawing.scenes import cell_text
from convcli.errors import FileError, GeometryError, OptionError
from convcli.explain.walk import MOST_STEPS, walk
from convcli.explain.walk_files import write_gif, write_svg

SMALL = [case for case in CASES if np.prod(case.Z) <= 100 and case.V[2] + sum(case.pads[:2]) <= 32]
TELLING = ("stride-remainder-padded", "dilation-padded", "depthwise-multiplied")
TILED = Case("tiled", (1, 4, 5, 3), (4, 3, 2, 2, 3, 2), (2, 1), (2, 0, 1, 1), (1, 2), groups=2, edge="reflect")
CHOSEN = [pytest.param(case, marks=[] if case.name in TELLING else pytest.mark.slow, id=case.name) for case in SMALL]
V = np.array([[1, 2, 0, 3], [4, 1, 5, 2], [0, 3, 1, 1]])
K = np.array([[1, -2], [0, 3]])
G = np.array([[1, 0, 2], [-1, 3, 2]])


def walked(of="Z", steps="", V=V, K=K, G=G, bias=None, **options):
    prepared = Convolution.of(K, bias, **options).at(np.shape(V), np.float64)
    return walk(prepared, V, None if of == "Z" else G, of, steps)


def operands(case):
    V = integers(case.V if case.V[0] > 1 else case.V[1:], seed=1)
    return V, integers(case.K, seed=2), integers(case.Z if case.V[0] > 1 else case.Z[1:], seed=3)


def panels(scene, symbol):
    """Return the panels of a tensor, by name. symbol: its letters, without an index."""
    return {panel.name: panel for line in scene.lines for panel in line if re.match(rf"{symbol}(\[|$)", panel.name)}


def numbers(panel):
    return np.array([[np.nan if cell.value is None else cell.value for cell in row] for row in panel.cells])


def marked(panel):
    return [cell.value for row in panel.cells for cell in row if cell.is_marked]


def drawn_last(story, symbol, shape):
    """Return a tensor as the last scene with each of its planes shows it."""
    planes = {}
    for scene in story.scenes:
        planes |= {name: numbers(panel) for name, panel in panels(scene, symbol).items()}
    return np.stack([planes[name] for name in sorted(planes, key=index_of)]).reshape(shape)


def index_of(name):
    return [int(number) for number in re.findall(r"\d+", name)]


@pytest.mark.parametrize("case", [*CHOSEN, TILED], ids=str)
def test_the_last_scenes_show_the_tensors_that_conv2d_and_conv2d_grad_return(case):
    V, K, G = operands(case)
    gradients = conv2d_grad(V, K, G, **case.options)
    expected = {"Z": conv2d(V, K, **case.options), "dK": gradients.kernel, "dV": gradients.input}
    for of, tensor in expected.items():
        story = walked(of, V=V, K=K, G=G, **case.options)
        # A plane that no window of its group reads is never shown; every case reads all of them.
        assert (drawn_last(story, of, tensor.shape) == tensor).all(), of


@pytest.mark.parametrize("case", CHOSEN)
def test_the_last_scenes_of_a_transposed_convolution(case):
    G, K, V = operands(case)
    bias = integers(case.V[1:2], seed=4)
    layer = TransposedConvolution.of(K, bias, **case.options, output_shape=case.V[2:]).at(V.shape, np.float64)
    gradients = layer.gradients(V, G, layer.plan_gradients())
    expected = {"Z": layer.convolve(V, layer.plan()), "dK": gradients.kernel, "dV": gradients.input}
    for of, tensor in expected.items():
        story = walk(layer, V, None if of == "Z" else G, of)
        # V' and dV' hold the padding, and so do G' and Z' of a transposed convolution.
        assert not any(panels(scene, "dV'" if of == "Z" else "V'") for scene in story.scenes)
        assert (drawn_last(story, of, tensor.shape) == tensor).all(), of


@pytest.mark.parametrize("case", CHOSEN)
def test_the_marked_pixels_times_the_weights_are_the_number_of_z(case):
    V, K, _ = operands(case)
    bias = integers(case.K[:1], seed=4)
    story = walked(V=V, K=K, bias=bias, **case.options)
    Z = reference.conv2d(V.reshape(case.V), K, **case.plain) + bias[:, np.newaxis, np.newaxis]
    assert len(story.scenes) == Z.size
    for scene, number in zip(story.scenes, Z.ravel(), strict=True):
        pixels = [value for panel in panels(scene, "V'?").values() for value in marked(panel)]
        weights = [value for panel in panels(scene, "K").values() for value in numbers(panel).ravel()]
        (Z_panel,) = panels(scene, "Z").values()
        index = int(index_of(scene.title.partition(": ")[2])[-3]) if Z.shape[1] > 1 else 0
        assert marked(Z_panel) == [number]
        assert np.dot(pixels, weights) + bias[index] == number


def test_numbers_of_z_appear_one_by_one():
    story = walked(padding="same")
    filled = [np.isfinite(numbers(panels(scene, "Z")["Z"])).sum() for scene in story.scenes]
    assert filled == list(range(1, 13))


def test_steps_begin_with_what_the_steps_before_added():
    whole, part = walked("dK"), walked("dK", "3-4")
    assert part.scenes == whole.scenes[2:4]


@pytest.mark.parametrize("edge", FILLS)
def test_the_padding_is_told_apart_and_holds_its_fill(edge):
    story = walked(padding=(1, 0, 2, 1), edge=edge)
    (panel,) = panels(story.scenes[0], "V'").values()
    expected = reference.padded(V[np.newaxis, np.newaxis].astype(float), (1, 0, 2, 1), edge)[0, 0]
    assert (numbers(panel) == expected).all()
    inside = np.pad(np.ones(V.shape, bool), ((1, 0), (2, 1)))
    assert ([[cell.is_padding for cell in row] for row in panel.cells] == ~inside).all()


def test_a_flipped_kernel_is_paired_with_the_rotated_window():
    story = walked(flip=True)
    assert story.heading[-1] == "K lies on the window rotated by 180 degrees"
    assert numbers(panels(story.scenes[0], "products")["products"]).tolist() == [[1, -8], [0, 3]]
    assert (drawn_last(walked("dK", flip=True), "dK", (2, 2)) == conv2d_grad(V, K, G, flip=True).kernel).all()


@pytest.mark.parametrize(
    ("K", "bias"), [(K, 0.5), (K[np.newaxis, np.newaxis], [2.5]), (K[np.newaxis, np.newaxis], G[np.newaxis])]
)
def test_the_walk_of_each_kind_of_bias(K, bias):
    upstream = G if np.ndim(K) == 2 else G[np.newaxis]
    image = V if np.ndim(K) == 2 else V[np.newaxis]
    story = walked("db", V=image, K=K, G=upstream, bias=bias)
    db = conv2d_grad(image, K, upstream, bias=bias).bias
    assert (numbers(panels(story.scenes[-1], "db")["db"]) == np.squeeze(db)).all()
    Z = conv2d(image, K, bias)
    assert (drawn_last(walked(V=image, K=K, bias=bias), "Z", Z.shape) == Z).all()


def test_a_walk_as_text():
    assert "".join(walk_text(walked(steps="3", padding=(0, 1, 0, 1), edge="replicate", bias=0.5), plain=True)) == (
        "Z[j,k] = b + sum over m,n of V'[j + m, k + n] * K[m,n]\n"
        "[ ] this step   ( ) padding\n"
        "\n"
        "step 3 of 12: Z[0,2]\n"
        "V'               * K         = products  -> sum + b  -> Z\n"
        " 1  2 [0][3](3)      1  -2       0  -6       0.5          0.5  17.5  [0.5]    .\n"
        " 4  1 [5][2](2)      0   3       0   6                      .     .     .     .\n"
        " 0  3  1  1 (1)                                             .     .     .     .\n"
        "(0)(3)(1)(1)(1)\n"
        "Z[0,2] = 0 - 6 + 0 + 6 + 0.5 = 0.5\n"
    )


def test_the_walk_of_a_gradient_as_text():
    assert "".join(walk_text(walked("dV", "3", padding=(1, 0, 0, 0), G=np.ones((3, 3))), plain=True)) == (
        "dV = (adjoint of the padding)(dV'), dV'[a,c] = sum over j,k,m,n with j + m =\n"
        "    a, k + n = c, of G[j,k] * K[m,n]\n"
        "[ ] this step   ( ) padding   { } both\n"
        "\n"
        "step 3 of 9: G[0,2]\n"
        "G          * K         = products  -> dV'               -> dV\n"
        " 1  1 [1]      1  -2       1  -2       (1)(-1){-1}{-2}      0  3 [3][3]\n"
        " 1  1  1       0   3       0   3        0   3  [3] [3]      0  0  0  0\n"
        " 1  1  1                                0   0   0   0       0  0  0  0\n"
        "                                        0   0   0   0\n"
        "dV' += G[0,2] * K in the window, G[0,2] = 1\n"
    )


def test_panels_go_below_each_other_where_the_line_is_too_short():
    lines = "".join(walk_text(walked(V=np.arange(60).reshape(3, 20), steps="5"), plain=True)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if re.match(r"V|\* K|-> Z", line)] == ["V", "*", "->"]


def test_a_long_sum_is_counted_instead_of_written():
    story = walked(V=np.ones((2, 3, 3)), K=np.ones((1, 2, 3, 3)), bias=[-1.5])
    assert story.scenes[0].captions == ("Z[0,0] = the sum of 18 products - 1.5 = 16.5",)


@pytest.mark.parametrize(
    ("steps", "shown"),
    [("", range(1, 7)), ("5", [5]), ("2-4", [2, 3, 4]), ("5-", [5, 6]), ("-2", [1, 2]), ("1-6", range(1, 7))],
)
def test_which_steps_are_shown(steps, shown):
    assert [index_of(scene.title)[0] for scene in walked(steps=steps).scenes] == list(shown)


@pytest.mark.parametrize("steps", ["0", "7", "4-3", "2-7", "-", "x", "1-2-3", "1,2", " 1", "+1", "²", "-0", "1_0"])
def test_other_steps_are_refused(steps):
    with pytest.raises(OptionError, match=r"expected N, N-M, N- or -M with steps from 1 to 6, given") as caught:
        walked(steps=steps)
    assert caught.value.option == "steps"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(
        GeometryError,
        match=r"at most 32 rows and columns with their padding, given 3 and 34: name a number with `at` to show",
    ):
        walked(V=np.ones((1, 32)), K=np.ones((3, 3)), padding=1)
    with pytest.raises(GeometryError, match="every channel of a window: expected at most 8, given 9"):
        walked(V=np.ones((9, 2, 2)), K=np.ones((1, 9, 1, 1)))
    with pytest.raises(OptionError, match=rf"at most {MOST_STEPS} steps, given 400: choose some, as in `steps` 1-256"):
        walked(V=np.ones((20, 20)), K=[[1]])
    transposed = TransposedConvolution.of(K).at((3, 4), np.float64)
    with pytest.raises(OptionError, match="a walk of a transposed convolution makes Z, dK or dV, given db"):
        walk(transposed, V, np.ones((4, 5)), "db")
    with pytest.raises(OptionError, match="a transposed convolution shows all of it: expected no `at`"):
        walk(transposed, V, None, "Z", near=(0, 0))
    with pytest.raises(GeometryError, match="given 40 and 40: crop the image"):
        walk(TransposedConvolution.of(K).at((39, 39), np.float64), np.ones((39, 39)), None, "Z")
    with pytest.raises(GeometryError, match="V takes 160 characters per line, and a line has 80: crop the image"):
        list(walk_text(walked(V=np.full((2, 32), 255), steps="1"), plain=True))


def test_the_surroundings_of_a_number_of_a_large_image():
    V, G = integers((2, 3, 40, 50), seed=1), integers((2, 4, 40, 50), seed=2)
    K, options = integers((4, 3, 3, 3), seed=3), {"padding": 1, "edge": "wrap"}
    prepared = Convolution.of(K, **options).at(V.shape, np.float64)
    story = walk(prepared, V, G, "dV", "1", near=(1, 0, 20, 49))
    assert story.heading[-3:] == (
        "V is a batch: this is image 1 alone, and dK and db are its own.",
        "V is 40 x 50 pixels: this is the crop of rows 16 to 23 and columns 42 to 49,",
        "as an image of its own, with its own padding, its own dK and its own db.",
    )
    rows, columns = slice(16, 24), slice(42, 50)
    own = walked("dV", "1", V=V[1, :, rows, columns], K=K, G=G[1, :, rows, columns], **options)
    assert story.scenes == own.scenes


def test_infinities_and_nan_are_drawn():
    V = np.array([[np.inf, 0, np.nan], [1, 2, 3]])
    for of in ("Z", "dK"):
        story = walked(of, V=V, K=np.zeros((2, 2)), G=np.ones((1, 2)))
        text = "".join(walk_text(story, plain=True))
        assert "inf" in text
        assert "nan" in text
        assert len(list(draw_story(story))) == 2


def test_an_empty_batch_has_no_walk():
    with pytest.raises(GeometryError, match="expected at least one image, given an empty batch"):
        walked(V=np.zeros((0, 1, 3, 3)))


def test_a_small_image_has_no_surroundings_to_leave_out():
    prepared = Convolution.of(K).at(V.shape, np.float64)
    assert walk(prepared, V, G, "dK", near=(0, 1)) == walked("dK")


def test_weights_that_outputs_do_not_share_have_no_crop():
    K, V = np.ones((1, 1, 20, 1, 1, 1)), np.ones((1, 1, 20))
    prepared = Convolution.of(K).at(V.shape, np.float64)
    with pytest.raises(OptionError, match="belong to the whole image: expected no `at`"):
        walk(prepared, V, None, "Z", near=(0, 0, 3))
    assert len(walk(prepared, V, None, "Z").scenes) == 20


@pytest.mark.parametrize("of", ["Z", "dV"])
def test_a_gif_holds_every_scene_exactly(of):
    story, stream = walked(of, "4-5", padding="same", G=np.ones((3, 4))), io.BytesIO()
    write_gif(story, stream)
    with PIL.Image.open(stream) as picture:
        assert (picture.n_frames, picture.info["loop"]) == (2, 0)
        for number, drawn in enumerate(draw_story(story)):
            picture.seek(number)
            assert picture.info["duration"] == (3000 if number == 1 else 1000)
            assert (np.asarray(picture.convert("RGB")) == drawn).all()


def test_a_gif_of_a_colourful_walk_needs_no_other_colours():
    rng = np.random.default_rng(5)
    story = walked(
        V=rng.integers(-255, 256, (12, 12)), K=rng.normal(size=(3, 3)), padding="same", edge="wrap", steps="90"
    )
    (picture,) = draw_story(story)
    colours = picture.astype(int) @ (1 << 16, 1 << 8, 1)
    assert 30 < len(set(colours.ravel().tolist())) <= 256


@pytest.fixture(scope="module")
def documented():
    """Return the words of the commands in docs/walk.md and what the page shows, and those that print nothing."""
    text = page("docs/walk.md")
    sessions = re.findall(r"^```console\n\$ convcli (.*?)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return sessions, re.findall(r"^    convcli (.*)$", text, re.MULTILINE)


def test_the_page_about_walks_shows_what_its_commands_print(documented, tmp_path):
    sessions, writing = documented
    for words, shown in sessions:
        assert succeed(*shlex.split(words), cwd=tmp_path).decode() == shown
    for words in writing:
        assert convcli(*shlex.split(words), "--steps", "1-12", "--overwrite", cwd=tmp_path).code == 0
    assert (tmp_path / "walk.svg").read_text() == page("docs/pictures/walk.svg")


def test_a_walk_from_python(tmp_path):
    found = conv2d_walk(V, K, of="dV", G=G, steps="2-3", padding=(0, 0))
    assert found.story == walked("dV", "2-3")
    assert conv2d_walk(V, K, of="dK").story == walked("dK", G=np.ones((2, 3)))
    (source,) = re.findall(r'^<img src="data:image/svg\+xml;base64,(\S+)" alt="dV', found._repr_html_())
    found.save(tmp_path / "walk.SVG")
    assert base64.b64decode(source) == (tmp_path / "walk.SVG").read_bytes()
    found.save(tmp_path / "walk.gif")
    assert (tmp_path / "walk.gif").read_bytes().startswith(b"GIF89a")
    with pytest.raises(FileError, match=r"walk.gif exists"):
        found.save(tmp_path / "walk.gif")
    found.save(tmp_path / "walk.gif", overwrite=True)
    with pytest.raises(OptionError, match="expected gif or svg, given 'pdf'"):
        found.save(tmp_path / "walk.pdf")


def test_steps_from_python_are_text():
    with pytest.raises(OptionError, match=r"expected text such as 3-7, given 5") as caught:
        conv2d_walk(V, K, steps=5)
    assert caught.value.option == "steps"


def svg_of(story):
    stream = io.BytesIO()
    write_svg(story, stream)
    return ElementTree.fromstring(stream.getvalue()), stream.getvalue().decode()


def texts(element):
    return [text.text for text in element.iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_without_animation_shows_the_last_scene():
    story = walked("dV", padding="same", G=np.ones((3, 4)))
    root, _ = svg_of(story)
    for group in root.findall("{http://www.w3.org/2000/svg}g[@visibility]"):
        root.remove(group)
    last = story.scenes[-1]
    expected = [last.title, *story.heading, *last.captions]
    for panel in (panel for line in last.lines for panel in line):
        shown = [
            f"({cell_text(cell.value)})" if cell.is_padding else cell_text(cell.value)
            for row in panel.cells
            for cell in row
        ]
        expected += [panel.name, *shown]
    assert sorted(texts(root)) == sorted(expected)


def test_no_box_of_an_svg_covers_a_number():
    """A box that several steps share is written before the numbers of each step."""
    root, _ = svg_of(walked("dK", padding="same", G=np.ones((3, 4))))
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert max(at for at, name in enumerate(names) if name == "rect") < names.index("text")


def test_an_svg_shows_each_step_in_its_time():
    """A step takes one second, and the last three."""
    root, code = svg_of(walked(steps="1-3"))
    classes = {group.get("class") for group in root.findall("{http://www.w3.org/2000/svg}g")}
    rules = dict(re.findall(r"@keyframes (\S+?)\{(.*?\})\}", code))
    assert rules["s1-2"] == "0%{visibility:hidden}20%{visibility:visible}40%{visibility:hidden}"
    assert rules["s0-1"] == "0%{visibility:visible}20%{visibility:hidden}"
    assert rules["s2-3"] == "0%{visibility:hidden}40%{visibility:visible}"
    assert classes == rules.keys()
    assert ".s1-2{animation:s1-2 5s step-end infinite}" in code
    assert code.index("@media screen and (prefers-reduced-motion:no-preference){") < code.index("@keyframes")


def test_an_svg_is_self_contained_and_one_step_stands_still():
    root, code = svg_of(walked(steps="4"))
    assert not re.search(r"href|url\(|<script|<image", code)
    assert "@keyframes" not in code
    assert not root.findall("{http://www.w3.org/2000/svg}g")
