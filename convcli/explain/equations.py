r"""Write the sum behind a number as LaTeX or Markdown, ready for a paper, a notebook or an issue.

Both have an ``aligned`` environment: the formula, the formula with the number's indices, the factors, the products, and
the number. Markdown sets it between ``$$``, and adds a table of the terms with their origins.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from convcli.convolution.latex import latex_aligned, latex_number, latex_row
from convcli.explain.explanation import Explanation
from convcli.explain.largest import Selection
from convcli.explain.terms import Terms
from convcli.explain.wording import ORIGIN, term_columns

# The most letters in a line of a sum.
_LINE = 90
_PLUS = " + "


def explanation_latex(found: Explanation, shown: Selection) -> Iterator[str]:
    """Yield the lines of a displayed equation. shown: the terms to write; the others are one number."""
    yield "\\[\n"
    yield from _aligned(found, shown)
    yield "\\]\n"


def explanation_markdown(found: Explanation, shown: Selection) -> Iterator[str]:
    """Yield the lines: the equation between ``$$``, and a table of the terms to show."""
    yield "$$\n"
    yield from _aligned(found, shown)
    yield "$$\n"
    if len(shown.numbers):
        yield "\n"
        yield from _table(found, shown)


def _aligned(found: Explanation, shown: Selection) -> Iterator[str]:
    terms = found.terms(shown.numbers)
    rest = [_braced(shown.rest, found.size - len(shown.numbers))] if len(shown.numbers) < found.size else []
    bias = [] if found.bias is None else [latex_number(found.bias)]
    products = [latex_number(product) for product in terms.products.tolist()]
    rows = [latex_row(found.formula)]
    if found.equation != found.formula:
        rows.append(latex_row(found.equation))
    summands = [*products, *rest, *bias]
    if products and len(terms.factors) > 1:
        rows += _sum_rows([*_factors(terms), *rest, *bias])
    if len(summands) > 1:
        rows += _sum_rows(summands)
    rows.append(f"&= {latex_number(found.total)}")
    yield from latex_aligned(rows)


def _sum_rows(summands: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a sum, which are not much longer than those of a page."""
    lines = [[summands[0]]]
    for summand in summands[1:]:
        if sum(len(each) + len(_PLUS) for each in lines[-1]) + len(summand) > _LINE:
            lines.append([])
        lines[-1].append(summand)
    yield f"&= {_plus(lines[0])}"
    for line in lines[1:]:
        yield f"&\\quad {'' if line[0].startswith('-') else '+ '}{_plus(line)}"


def _plus(summands: Sequence[str]) -> str:
    first, *others = summands
    return first + "".join(f" - {each[1:]}" if each.startswith("-") else f"{_PLUS}{each}" for each in others)


def _factors(terms: Terms) -> Iterator[str]:
    """Yield each term as a product of numbers; a negative factor but the first is in parentheses."""
    columns = ([latex_number(value) for value in factor.values.tolist()] for factor in terms.factors)
    for first, *others in zip(*columns, strict=True):
        yield r" \cdot ".join((first, *(f"({each})" if each.startswith("-") else each for each in others)))


def _braced(rest: float, count: int) -> str:
    """Return the sum of the terms that are not written."""
    return rf"\underbrace{{{latex_number(rest)}}}_{{\text{{{count:,} other term{'s' * (count > 1)}}}}}"


def _table(found: Explanation, shown: Selection) -> Iterator[str]:
    """Yield the rows of a table with a row per term."""
    columns = term_columns(found.terms(shown.numbers), found.edge, found.formulas)
    yield _cells(columns)
    yield _cells("---" if heading == ORIGIN else "--:" for heading in columns)
    yield from map(_cells, zip(*columns.values(), strict=True))


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


EQUATIONS: dict[str, Callable[[Explanation, Selection], Iterator[str]]] = {
    "latex": explanation_latex,
    "markdown": explanation_markdown,
}
