"""LaTeX and Markdown of sums and gradients: exact lines, balanced braces, and other programs that read them."""

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.geometries import CASES, Case, integers

from convcli import conv2d_explain
from convcli.convolution.latex import latex_formula, latex_matrices, latex_number
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import TransposedConvolution
from convcli.errors import OptionError
from convcli.explain.equations import explanation_latex, explanation_markdown
from convcli.explain.explanation import explain, selected_terms
from convcli.grad.equations import write_latex
from convcli.grad.report import gradient_report
from convcli.grad.upstream import Upstream
from convcli.layouts import parse_layouts
from convcli.names import SYMBOLS

V = np.array([[1, 2], [3, 4]])
K = np.array([[1, -2], [0, 1]])
TILED = Case("tiled", (1, 4, 7, 8), (6, 2, 2, 2, 3, 2), (2, 1), (2, 0, 1, 3), (1, 2), groups=2)
KINDS = [case for case in CASES if case.name in ("plain", "batch", "groups", "depthwise", "dilation-padded")] + [TILED]


def sum_in(form, found, largest=None):
    return "".join(form(found, selected_terms(found, largest)))


def gradients_in_latex(V=V, K=K, G=None, loss=None, layouts=None, **options):
    prepared = Convolution.of(K, **options).at(V.shape, np.float64)
    G = np.ones(prepared.output_shape) if G is None else G
    report = gradient_report(prepared, V, Upstream(G, loss), ("kernel", "input", "bias"))
    stream = io.BytesIO()
    write_latex(report if layouts is None else report._replace(layouts=layouts), stream)
    return stream.getvalue().decode()


def test_a_sum_in_latex():
    found = conv2d_explain(V, K, (0, 1), bias=-0.5, padding=(0, 1), edge="replicate")
    assert sum_in(explanation_latex, found) == (
        "\\[\n"
        "\\begin{aligned}\n"
        "Z_{j,k} &= b + \\sum_{m,n} V'_{j + m, k + n} \\, K_{m,n} \\\\\n"
        "Z_{0,1} &= b + \\sum_{m,n} V'_{0 + m, 1 + n} \\, K_{m,n} \\\\\n"
        "&= 1 \\cdot 1 + 2 \\cdot (-2) + 3 \\cdot 0 + 4 \\cdot 1 - 0.5 \\\\\n"
        "&= 1 - 4 + 0 + 4 - 0.5 \\\\\n"
        "&= 0.5\n"
        "\\end{aligned}\n"
        "\\]\n"
    )


def test_a_sum_in_markdown():
    found = conv2d_explain(V, K, (0, 1), padding=(0, 0, 0, 1), edge="replicate")
    assert sum_in(explanation_markdown, found) == (
        "$$\n"
        "\\begin{aligned}\n"
        "Z_{j,k} &= \\sum_{m,n} V'_{j + m, k + n} \\, K_{m,n} \\\\\n"
        "Z_{0,1} &= \\sum_{m,n} V'_{0 + m, 1 + n} \\, K_{m,n} \\\\\n"
        "&= 2 \\cdot 1 + 2 \\cdot (-2) + 4 \\cdot 0 + 4 \\cdot 1 \\\\\n"
        "&= 2 - 4 + 0 + 4 \\\\\n"
        "&= 2\n"
        "\\end{aligned}\n"
        "$$\n"
        "\n"
        "| m | n | V' | origin | K | product |\n"
        "| --: | --: | --: | --- | --: | --: |\n"
        "| 0 | 0 | [0,1] = 2 | V[0,1] | [0,0] = 1 | 2 |\n"
        "| 0 | 1 | [0,2] = 2 | padding: replicate of V[0,1] | [0,1] = -2 | -4 |\n"
        "| 1 | 0 | [1,1] = 4 | V[1,1] | [1,0] = 0 | 0 |\n"
        "| 1 | 1 | [1,2] = 4 | padding: replicate of V[1,1] | [1,1] = 1 | 4 |\n"
    )


def test_the_largest_terms_of_a_long_sum_and_the_others_as_one():
    found = conv2d_explain(np.arange(9.0).reshape(3, 3), [[1]], (0, 0), of="dK")
    lines = sum_in(explanation_latex, found, largest=2).splitlines()
    assert lines[4:6] == [
        r"&= 1 \cdot 8 + 1 \cdot 7 + \underbrace{21}_{\text{7 other terms}} \\",
        r"&= 8 + 7 + \underbrace{21}_{\text{7 other terms}} \\",
    ]


def test_a_long_sum_is_broken_into_lines():
    found = conv2d_explain(np.full((5, 5), -1234.5), np.full((5, 5), 0.25), (0, 0))
    lines = sum_in(explanation_latex, found).splitlines()
    assert max(map(len, lines)) <= 110
    assert [line for line in lines if line.startswith(r"&\quad") and not re.match(r"&\\quad (\+ )?-?\d", line)] == []
    products = [line for line in lines if "-308.625" in line]
    assert sum(line.count("308.625") for line in products) == 25


def test_a_sum_of_one_term_and_a_sum_of_none():
    one = conv2d_explain(V, [[3]], (1, 1))
    assert sum_in(explanation_latex, one).splitlines()[4:6] == [r"&= 4 \cdot 3 \\", "&= 12"]
    none = conv2d_explain(V, [[3]], (1, 1), of="dV", stride=2)
    assert sum_in(explanation_markdown, none).endswith("\n&= 0\n\\end{aligned}\n$$\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333"),
        (1e-7, r"1 \times 10^{-7}"),
        (-1.5e20, r"-1.5 \times 10^{20}"),
        (np.inf, r"\infty"),
        (-np.inf, r"-\infty"),
        (np.nan, r"\mathrm{NaN}"),
    ],
)
def test_numbers(value, text):
    assert latex_number(value) == text


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        ("db[i] = sum over j,k of G[i,j,k]", r"\frac{\partial J}{\partial b_{i}} = \sum_{j,k} G_{i,j,k}"),
        (
            "dK[p,q,m,n] = sum over j,k with j%tr = p, k%tc = q, of G[j,k] * V'[j*sy + m*dy, (kh-1-n)*2]",
            r"\frac{\partial J}{\partial K_{p,q,m,n}} = \sum_{\substack{j,k \\ j \bmod t_r = p \\ k \bmod t_c = q}} "
            r"G_{j,k} \, V'_{j \, s_y + m \, d_y, (k_h-1-n) \cdot 2}",
        ),
        (
            "dV = (adjoint of the padding)(dV'), dV'[batch,l,a,c] = sum over m with i//co = l//ci, j + m = 0 or 1, of "
            "G[j] * K[m] (each group: co output channels)",
            r"\frac{\partial J}{\partial V} = \operatorname{pad}^{\top} \left( \frac{\partial J}{\partial V'} \right), "
            r"\quad \frac{\partial J}{\partial V'_{\mathrm{batch},l,a,c}} = "
            r"\sum_{\substack{m \\ \lfloor i/c_o \rfloor = \lfloor l/c_i \rfloor \\ j + m = 0 \text{ or } 1}} "
            r"G_{j} \, K_{m} \quad \text{(each group: }c_o\text{ output channels)}",
        ),
    ],
)
def test_formulas(formula, latex):
    assert latex_formula(formula) == latex


def test_matrices():
    tensor = np.arange(4.0).reshape(2, 1, 2)
    assert list(latex_matrices("dV", tensor)) == [
        r"\frac{\partial J}{\partial V_{0}} &= \begin{bmatrix} 0 & 1 \end{bmatrix}",
        r"\frac{\partial J}{\partial V_{1}} &= \begin{bmatrix} 2 & 3 \end{bmatrix}",
    ]
    hwc = parse_layouts("hwc", None).maps
    assert next(latex_matrices("V", tensor, hwc)).startswith("V_{:,:,0} &= ")
    assert list(latex_matrices("db", np.array(2.5))) == [r"\frac{\partial J}{\partial b} &= 2.5"]
    (wide,) = latex_matrices("V", np.zeros((1, 11)))
    assert wide.startswith(r"V &= \left[ \begin{array}{rrrrrrrrrrr} 0 & 0 &")


def test_gradients_in_latex():
    lines = gradients_in_latex(loss=3.0).splitlines()
    assert lines[2:9] == [
        r"J &= 3 \\",
        r"V &= \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} \\",
        r"K &= \begin{bmatrix} 1 & -2 \\ 0 & 1 \end{bmatrix} \\",
        r"Z_{j,k} &= \sum_{m,n} V_{j + m, k + n} \, K_{m,n} \\",
        r"Z &= \begin{bmatrix} 1 \end{bmatrix} \\",
        r"G &= \frac{\partial J}{\partial Z} \\",
        r"G &= \begin{bmatrix} 1 \end{bmatrix}",
    ]
    assert lines[13:15] == [
        r"\frac{\partial J}{\partial K_{m,n}} &= \sum_{j,k} G_{j,k} \, V_{j + m, k + n} \\",
        r"\frac{\partial J}{\partial K} &= \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}",
    ]


def test_operands_of_every_layout_are_written():
    """Which operands are small enough does not depend on the order of their axes: (2, 9, 9, 3) has as many planes."""
    latex = gradients_in_latex(V=np.ones((2, 3, 9, 9)), K=np.ones((1, 3, 8, 8)), layouts=parse_layouts("nhwc", None))
    assert latex.splitlines()[2].startswith(r"V_{0,:,:,0} &= \begin{bmatrix} 1 & 1")


def test_large_gradients_are_refused():
    with pytest.raises(OptionError, match=r"at most 16 matrices of 16 x 16 numbers per gradient, given dV of shape"):
        gradients_in_latex(V=np.ones((1, 17)), K=np.ones((1, 2)))


def documents():
    """Yield LaTeX of every kind of convolution, tensor and layout."""
    for case in KINDS:
        V = integers(case.V if case.V[0] > 1 else case.V[1:], seed=1)
        K, bias = integers(case.K, seed=2) / 3, integers(case.K[:1], seed=4)
        forward = Convolution.of(K, bias, flip=True, **case.options).at(V.shape, np.float64)
        G = integers(forward.output_shape, seed=3)
        cases = [(forward, V, G)]
        if case.stride == (1, 1):
            cases.append((TransposedConvolution.of(K, **case.options).at(G.shape, np.float64), G, V))
        for prepared, input_, upstream in cases:
            for of in SYMBOLS:
                rank = {"output": upstream.ndim, "kernel": K.ndim, "input": input_.ndim, "bias": 1}[of]
                found = explain(prepared, input_, upstream, of, (0,) * rank)
                yield sum_in(explanation_latex, found)
                yield sum_in(explanation_latex, found, largest=1)
    yield gradients_in_latex(np.ones((2, 3, 4)), np.full((2, 2, 2, 2), 1e-20), layouts=parse_layouts("hwc", "hwio"))
    yield gradients_in_latex(np.full((1, 14), np.nan), np.ones((1, 3)), padding="same")


def test_braces_and_environments_are_balanced():
    for document in documents():
        assert is_balanced(document), document
        # No word of the text formulas is left.
        assert not re.search(r"sum over|adjoint| with | of |\*|%|//", document), document


def is_balanced(document):
    opened = []
    for token in re.findall(r"\\(?:begin|end)\{\w+\}|\\left|\\right|\\\[|\\\]|[{}]", document):
        if token.startswith((r"\begin", r"\left", r"\[", "{")):
            opened.append(token)
        else:
            closing = {"}": "{", r"\right": r"\left", r"\]": r"\["}.get(token, token.replace("end", "begin"))
            if not opened or opened.pop() != closing:
                return False
    return not opened


def test_missing_braces_are_noticed():
    assert not is_balanced(r"\[ \frac{1}{2 \]")
    assert not is_balanced(r"\begin{aligned} \end{bmatrix}")


def test_the_table_is_one_that_github_reads():
    """The equation and the table are apart, all rows have as many cells, and none holds a pipe or a dollar sign."""
    found = conv2d_explain(np.ones((2, 3, 3)), np.ones((2, 2, 2, 2)), (0, 1, 1), of="dV", padding=1, edge="wrap")
    equation, table = sum_in(explanation_markdown, found).split("\n\n")
    assert equation.startswith("$$\n\\begin{aligned}\n")
    assert equation.endswith("\n\\end{aligned}\n$$")
    rows = [re.fullmatch(r"\| (.*) \|", line)[1].split(" | ") for line in table.splitlines()]
    assert {len(row) for row in rows} == {8}
    assert len(rows) == 2 + found.size
    assert not any(sign in cell for row in rows for cell in row for sign in "|$`*_")


@pytest.mark.conformance
def test_pdflatex_reads_it(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    body = "\n".join(documents())
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}\n\\usepackage{{amsmath}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.conformance
def test_katex_reads_it(tmp_path):
    """KaTeX and MathJax draw the equations of notebooks and of GitHub."""
    code = """
        const katex = require("katex");
        for (const tex of JSON.parse(require("fs").readFileSync(0))) katex.renderToString(tex, {displayMode: true});
    """
    equations = [equation for each in documents() for equation in re.findall(r"\\\[\n(.*?)\\\]", each, re.DOTALL)]
    node = shutil.which("node")
    if node is None or not any((Path(folder) / "katex").exists() for folder in node_paths()):
        pytest.skip("node or its package katex is not installed")
    done = subprocess.run([node, "-e", code], input=json.dumps(equations), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def node_paths():
    """Return the folders in which node looks for packages."""
    done = subprocess.run(["node", "-p", "module.paths.join(':')"], capture_output=True, text=True, check=True)
    return [*done.stdout.strip().split(":"), *os.environ.get("NODE_PATH", "").split(":")]
