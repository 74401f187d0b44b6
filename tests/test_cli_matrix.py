"""``convcli matrix``: one matrix in every format, on stdout and in files."""

import io
import json
import re

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from support.command_line import SAMPLES, convcli, npy, pixels, save_picture, shell, succeed
from support.geometries import fractions
from support.reference import assert_same
from support.sparse import as_scipy

from convcli import conv2d, conv2d_grad, conv2d_matrix
from convcli.drawing.palette import signed_colours
from convcli.matrix.picture import matrix_png

RANDOM = np.random.default_rng(4)
K = fractions((3, 2, 2, 3), seed=4)
SHAPE = (2, 5, 7)
BANK = json.dumps(K.tolist())
WORDS = ["-s", "2,1", "-p", "1,0,2,1", "-d", "1,2"]
OPTIONS = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2)}
REQUEST = ["matrix", "--input-shape", "2,5,7", "-k", BANK, *WORDS]
# Without an offset, and with one.
FILLS = {"reflect": [], "constant:0.375": ["--bias", "0.25,1.625,0"]}
BIASES = {"reflect": None, "constant:0.375": [0.25, 1.625, 0]}
each_fill = pytest.mark.parametrize("edge", FILLS)


def expected(edge):
    return conv2d_matrix(K, SHAPE, BIASES[edge], **OPTIONS, edge=edge)


def request(edge):
    return [*REQUEST, "-e", edge, *FILLS[edge]]


def assert_same_matrix(actual, M):
    """Assert that all entries are equal, stored or not."""
    assert actual.shape == M.shape
    assert actual.nnz == len(M.data)
    assert (scipy.sparse.csr_array(actual) != as_scipy(M)).nnz == 0


def triplets(document):
    """Return the matrix in JSON."""
    places = (document["rows"], document["columns"])
    return scipy.sparse.coo_array((document["values"], places), document["shape"]["matrix"])


@each_fill
def test_json_reads_back_exactly(tmp_path, edge):
    document, M = json.loads(succeed(*request(edge), cwd=tmp_path)), expected(edge)
    assert document["shape"] == {"matrix": [54, 70], "input": [2, 5, 7], "kernel": [3, 2, 2, 3], "output": [3, 3, 6]}
    assert document["nonzeros"] == len(M.data)
    assert_same_matrix(triplets(document), M)
    if M.offset.any():
        assert document["offset"] == M.offset.tolist()
    else:
        assert "offset" not in document


@each_fill
def test_npz_is_what_scipy_reads(tmp_path, edge):
    M = expected(edge)
    succeed(*request(edge), "-o", "M.npz", cwd=tmp_path)
    loaded = scipy.sparse.load_npz(tmp_path / "M.npz")
    assert loaded.format == "csr"
    assert_same_matrix(loaded, M)
    with np.load(tmp_path / "M.npz", allow_pickle=False) as saved:
        names = {"data", "indices", "indptr", "format", "shape"}
        assert set(saved) == (names | {"offset"} if M.offset.any() else names)
        if M.offset.any():
            assert_same(saved["offset"], M.offset)


def test_npz_is_what_scipy_writes(tmp_path):
    M = expected("reflect")
    succeed(*request("reflect"), "-o", "ours.npz", cwd=tmp_path)
    scipy.sparse.save_npz(tmp_path / "theirs.npz", scipy.sparse.csr_matrix(as_scipy(M)))
    with np.load(tmp_path / "ours.npz") as ours, np.load(tmp_path / "theirs.npz") as theirs:
        assert set(ours) == set(theirs)
        for name in theirs:
            assert (ours[name].dtype, ours[name].tolist()) == (theirs[name].dtype, theirs[name].tolist())


@each_fill
def test_matrix_market_is_what_scipy_reads(tmp_path, edge):
    M = expected(edge)
    out = succeed(*request(edge), "-f", "mtx", cwd=tmp_path)
    assert_same_matrix(scipy.io.mmread(io.BytesIO(out), spmatrix=False), M)
    head, _, *rest = out.decode().splitlines()
    comments = [line.split() for line in rest if line.startswith("% ")]
    offsets = {int(row) - 1: float(value) for _, row, value in (line for line in comments if line[1].isdecimal())}
    assert head == "%%MatrixMarket matrix coordinate real general"
    assert offsets == {int(row): M.offset[row] for row in np.flatnonzero(M.offset)}


def test_matrix_market_by_hand(tmp_path):
    arguments = ["--input-shape", "1,3", "-k", "[[1,-0.1]]", "-p", "0,0,0,1", "-e", "constant:2"]
    assert succeed("matrix", *arguments, "-f", "mtx", cwd=tmp_path).decode() == (
        "%%MatrixMarket matrix coordinate real general\n"
        "% vec(Z) = M vec(V) + offset, in row-major order\n"
        "% V (1, 3)  K (1, 2)  Z (1, 3)\n"
        "% offset is 0 except in these rows:\n"
        "% 3 -0.2\n"
        "3 3 5\n"
        "1 1 1.0\n"
        "1 2 -0.1\n"
        "2 2 1.0\n"
        "2 3 -0.1\n"
        "3 3 1.0\n"
    )


def test_large_text_is_written_in_parts(tmp_path):
    """There are more numbers than are text at once."""
    M = conv2d_matrix([[1, 2, 3], [-4, 5, 6]], (150, 170), padding="same")
    assert len(M.data) > 2 * (1 << 16)
    request = ["matrix", "--input-shape", "150,170", "-k", "[[1,2,3],[-4,5,6]]"]
    assert_same_matrix(triplets(json.loads(succeed(*request, cwd=tmp_path))), M)
    assert_same_matrix(scipy.io.mmread(io.BytesIO(succeed(*request, "-f", "mtx", cwd=tmp_path)), spmatrix=False), M)


def test_the_matrix_in_a_file_convolves_and_takes_gradients(tmp_path):
    V, G = RANDOM.integers(-9, 10, SHAPE).astype(float), RANDOM.integers(-9, 10, (3, 3, 6)).astype(float)
    weights = RANDOM.integers(-9, 10, K.shape).astype(float)
    arguments = ["-k", json.dumps(weights.tolist()), *WORDS, "-e", "symmetric", "--flip"]
    succeed("matrix", "--input-shape", "2,5,7", *arguments, "-o", "M.npz", cwd=tmp_path)
    M = scipy.sparse.load_npz(tmp_path / "M.npz")
    options = OPTIONS | {"edge": "symmetric", "flip": True}
    assert_same((M @ V.ravel()).reshape(3, 3, 6), conv2d(V, weights, **options))
    assert_same((M.T @ G.ravel()).reshape(SHAPE), conv2d_grad(V, weights, G, **options).input)


def test_tiled_weights_from_a_file(tmp_path):
    weights = fractions((3, 2, 1, 2, 2, 3), seed=5)
    np.save(tmp_path / "tiled.npy", weights)
    out = succeed("matrix", "--input-shape", "2,5,7", "-k", "tiled.npy", "-p", "valid", cwd=tmp_path)
    assert_same_matrix(triplets(json.loads(out)), conv2d_matrix(weights, SHAPE))


class TestInput:
    def test_images_give_their_shape(self, tmp_path):
        save_picture(tmp_path / "in.png", np.zeros((3, 5, 7), np.uint8))
        np.save(tmp_path / "in.npy", np.zeros((3, 5, 7)))
        by_shape = succeed("matrix", "--input-shape", "3,5,7", "-k", "sobel-x", cwd=tmp_path)
        assert succeed("matrix", "in.png", "-k", "sobel-x", cwd=tmp_path) == by_shape
        assert succeed("matrix", "in.npy", "-k", "sobel-x", cwd=tmp_path) == by_shape
        assert succeed("matrix", "-", "-k", "sobel-x", cwd=tmp_path, stdin=npy(np.zeros((3, 5, 7)))) == by_shape

    def test_gray(self, tmp_path):
        save_picture(tmp_path / "in.png", np.zeros((3, 5, 7), np.uint8))
        by_shape = succeed("matrix", "--input-shape", "1,5,7", "-k", "sobel-x", cwd=tmp_path)
        assert succeed("matrix", "in.png", "-k", "sobel-x", "--gray", cwd=tmp_path) == by_shape

    def test_a_kernel_from_a_pipe(self, tmp_path):
        result = shell("convcli kernels sobel-x --json | convcli matrix --input-shape 4,5 -k - -f mtx", tmp_path)
        assert result.out == succeed("matrix", "--input-shape", "4,5", "-k", "sobel-x", "-f", "mtx", cwd=tmp_path)
        assert (result.code, result.err) == (0, "")


@pytest.mark.slow
class TestNames:
    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ("-o M.NPZ", "M.NPZ"),
            ("-o out/", "box-3.npz"),
            ("-o out", "box-3.npz"),
            ("-o out -f mtx", "box-3.mtx"),
            ("-o out -f text", "box-3.txt"),
            ("-o out --json", "box-3.json"),
            ("-o out/{kernel}-M.{ext} -f png", "box-3-M.png"),
            ("-o M -f json", "M"),
        ],
    )
    def test_files_are_named_after_the_kernel(self, tmp_path, arguments, name):
        (tmp_path / "out").mkdir()
        assert succeed("matrix", "--input-shape", "4,5", "-k", "box:3", *arguments.split(), cwd=tmp_path) == b""
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name]

    @pytest.mark.parametrize("name", ["M.json", "M.npz", "M.mtx", "M.png", "M.txt"])
    def test_a_file_holds_what_stdout_gets(self, tmp_path, name):
        format = {"txt": "text"}.get(name[2:], name[2:])
        succeed(*request("reflect"), "-o", name, cwd=tmp_path)
        held, printed = (tmp_path / name).read_bytes(), succeed(*request("reflect"), "-f", format, cwd=tmp_path)
        if format == "npz":  # which holds the time at which it was written
            assert_same_matrix(scipy.sparse.load_npz(io.BytesIO(printed)), expected("reflect"))
        else:
            assert held == printed

    def test_existing_files_are_replaced_only_on_request(self, tmp_path):
        (tmp_path / "M.mtx").write_text("precious")
        result = convcli(*request("reflect"), "-o", "M.mtx", cwd=tmp_path)
        message = "M.mtx exists: use --overwrite to replace it, or --output to write elsewhere"
        assert (result.code, result.err) == (1, f"convcli: error: {message}\n")
        assert (tmp_path / "M.mtx").read_text() == "precious"
        succeed(*request("reflect"), "-o", "M.mtx", "--overwrite", cwd=tmp_path)
        assert_same_matrix(scipy.io.mmread(tmp_path / "M.mtx", spmatrix=False), expected("reflect"))


class TestText:
    def test_small(self, tmp_path):
        arguments = ["--input-shape", "2,1,3", "-k", "[[-1.5,0,2]]", "-e", "replicate"]
        assert succeed("matrix", *arguments, "-f", "text", cwd=tmp_path).decode() == (
            "M (6, 6)  12 nonzeros  (33.3 %)\n"
            "V (2, 1, 3)  K (1, 3)  Z (2, 1, 3)\n"
            "vec(Z) = M vec(V), and so vec(dV) = M^T vec(G), with vec in row-major order\n"
            "\n"
            "V l         0    0    0    1    1    1\n"
            "V a         0    0    0    0    0    0\n"
            "V c         0    1    2    0    1    2\n"
            "Z[0,0,0] -1.5    2    .    .    .    .\n"
            "Z[0,0,1] -1.5    .    2    .    .    .\n"
            "Z[0,0,2]    . -1.5    2    .    .    .\n"
            "Z[1,0,0]    .    .    . -1.5    2    .\n"
            "Z[1,0,1]    .    .    . -1.5    .    2\n"
            "Z[1,0,2]    .    .    .    . -1.5    2\n"
        )

    def test_offset_is_a_column(self, tmp_path):
        arguments = ["--input-shape", "1,2", "-k", "[[3,1]]", "-p", "0,0,1,1", "-e", "constant:-2", "--bias", "0.5"]
        out = succeed("matrix", *arguments, "-f", "text", cwd=tmp_path).decode()
        formula, _, first, second, *rows = out.splitlines()[2:]
        assert formula.startswith("vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G)")
        assert (first, second) == ("V a    0 0", "V c    0 1")
        assert rows == ["Z[0,0] 1 .  -5.5", "Z[0,1] 3 1  +0.5", "Z[0,2] . 3  -1.5"]

    def test_the_rows_and_columns_not_shown_are_counted(self, tmp_path):
        out = succeed("matrix", "--input-shape", "3,40,50", "-k", "box:3", "-f", "text", cwd=tmp_path).decode()
        *lines, last = out.splitlines()
        assert last == "... 5,968 more of 6,000 rows and 5,988 more of 6,000 columns"
        assert len(lines) == 4 + 3 + 32
        assert max(map(len, lines)) <= 120

    def test_a_matrix_of_zeros(self, tmp_path):
        out = succeed("matrix", "--input-shape", "1,2", "-k", "[[0]]", "-f", "text", cwd=tmp_path).decode()
        assert out.startswith("M (2, 2)  0 nonzeros  (0 %)\n")
        assert out.endswith("Z[0,0] . .\nZ[0,1] . .\n")


BELOW, ABOVE = signed_colours(np.array([-1.0, 1.0]), 1.0)


class TestPicture:
    def test_a_small_matrix_is_magnified(self, tmp_path):
        """Red above zero and blue below, fainter for what is smaller, white for what is not there."""
        out = succeed("matrix", "--input-shape", "1,4", "-k", "[[2,-4]]", "-p", "valid", "-f", "png", cwd=tmp_path)
        picture = pixels(out)
        assert picture.shape == (3, 3 * 32, 4 * 32)
        cells = picture[:, 16::32, 16::32].transpose(1, 2, 0)
        assert_same(picture, cells.transpose(2, 0, 1).repeat(32, axis=1).repeat(32, axis=2))
        for row in range(3):
            assert cells[row, row + 1].tolist() == BELOW.tolist()
            assert ABOVE[1] < cells[row, row][1] < 255
            assert cells[row, row][0] > cells[row, row][2]
            assert (np.delete(cells[row], [row, row + 1], axis=0) == 255).all()

    @pytest.mark.parametrize("largest", [2, -2])
    def test_a_large_matrix_shows_the_largest_magnitude_per_box(self, largest):
        M = conv2d_matrix([[1, largest, -1]], (1, 4100), padding="same")
        picture = pixels(matrix_png(M)).transpose(1, 2, 0)
        assert picture.shape == (1367, 1367, 3)
        full = (ABOVE if largest > 0 else BELOW).tolist()
        assert (picture[np.arange(1367), np.arange(1367)] == full).all()
        neighbours = picture[np.arange(1366), np.arange(1, 1367)]
        assert (neighbours[:, 2] > neighbours[:, 0]).all(), "what is right of the diagonal is below zero"
        assert (picture[0, 2:] == 255).all()

    def test_a_photograph(self, tmp_path):
        out = succeed("matrix", SAMPLES / "camera.png", "-k", "sobel-x", "-f", "png", cwd=tmp_path)
        assert pixels(out).shape == (3, 1986, 1986)

    def test_a_matrix_of_zeros_is_white(self):
        assert (pixels(matrix_png(conv2d_matrix([[0]], (2, 3)))) == 255).all()


def test_verbose_reports_pads_and_size(tmp_path):
    result = convcli(*request("reflect"), "-v", "-o", "M.npz", cwd=tmp_path)
    assert result.err == "convcli: note: pads: top 1, bottom 0, left 2, right 1, filled with reflect; output 3x3x6\n"
    assert result.result == f"convcli: wrote M.npz, 54 x 70 with {len(expected('reflect').data):,} nonzeros\n"


def test_json_refuses_nan(tmp_path):
    np.save(tmp_path / "bias.npy", np.array(np.inf))
    result = convcli("matrix", "--input-shape", "2,3", "-k", "box", "--bias", "bias.npy", cwd=tmp_path)
    message = "the matrix holds NaN or infinity, which JSON cannot hold: use --format npz"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_a_limit_on_memory_is_obeyed(tmp_path):
    result = shell("ulimit -v 1500000; convcli matrix --input-shape 3,3000,3000 -k box:3 -o M.npz", tmp_path)
    assert (result.code, result.out, list(tmp_path.iterdir())) == (2, b"", [])
    message = (
        "convcli: error: the matrix would be 27,000,000 x 27,000,000 with up to 242,892,012 nonzeros, which "
        "take 3.5 GB, but the limit is ... (the rest of ulimit -v): use a smaller --input-shape\n"
    )
    size = r"(1\.\d GB|\d+\.\d MB)"
    assert re.fullmatch(re.escape(message).replace(r"\.\.\.", size), result.err), result.err
