"""Views of an explanation: text, Markdown and LaTeX."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

import sympy
from sympy import Expr
from tabulate import tabulate

from boundcalc.theory.explain import Equation, Explanation, Heading, Lines, Numbers

WIDTH = 100
SIGNS = {"<=": r"\le", "=": "="}
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def render(explanation: Explanation, form: str) -> str:
    """Render an explanation in one format.

    Args:
        explanation: the explanation to render.
        form: ``"text"``, ``"markdown"`` or ``"latex"``.
    """
    return VIEWS[form](explanation)


def _text(explanation: Explanation) -> str:
    blocks = []
    for index, part in enumerate(explanation.parts):
        match part:
            case Heading():
                blocks.append(part.text if index == 0 else f"{part.text}\n{'-' * len(part.text)}")
            case Lines():
                blocks.append("\n".join(_wrapped(line) for line in part.lines))
            case Equation():
                left = part.left if isinstance(part.left, str) else sympy.sstr(part.left)
                right = sympy.pretty(part.right, use_unicode=True, wrap_line=False)
                blocks.append(_beside(f"  {left} {part.relation} ", right))
            case Numbers():
                rows = [[_plain(cell) for cell in row] for row in part.rows]
                widths = [None] * (len(part.columns) - 1) + [60]
                last = widths if part.columns[-1] == "meaning" else None
                blocks.append(tabulate(rows, part.columns, "plain", disable_numparse=True, maxcolwidths=last))
    return "\n\n".join(blocks)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _beside(left: str, right: str) -> str:
    """Put words beside the middle line of a drawn formula; a formula wider than the page is not wrapped."""
    lines = right.splitlines()
    middle = len(lines) // 2
    pad = " " * len(left)
    return "\n".join(f"{left if index == middle else pad}{line}".rstrip() for index, line in enumerate(lines))


def _plain(cell: str | Expr) -> str:
    return cell if isinstance(cell, str) else sympy.sstr(cell)


def _mathematics(side: str | Expr) -> str:
    if isinstance(side, str):
        return rf"\text{{{_escaped(side)}}}"
    return _numbers_upright(sympy.latex(side))


def _numbers_upright(latex: str) -> str:
    """Write numbers such as 1.5e+20 as powers of ten."""
    return re.sub(
        r"(\d(?:\.\d+)?)e([+-]?)0*(\d+)", lambda found: rf"{found[1]} \cdot 10^{{{found[2].strip('+')}{found[3]}}}", latex
    )  # fmt: skip


def _equation(part: Equation) -> str:
    return f"{_mathematics(part.left)} {SIGNS[part.relation]} {_mathematics(part.right)}"


def _markdown(explanation: Explanation) -> str:
    blocks = []
    for index, part in enumerate(explanation.parts):
        match part:
            case Heading():
                blocks.append(f"{'#' if index == 0 else '##'} {part.text}")
            case Lines():
                blocks.append("\n".join(f"- {_marked(line)}" for line in part.lines))
            case Equation():
                blocks.append(f"$$\n{_equation(part)}\n$$")
            case Numbers():
                rows = [[_marked_cell(cell) for cell in row] for row in part.rows]
                blocks.append(tabulate(rows, part.columns, "pipe", disable_numparse=True))
    return "\n\n".join(blocks)


def _marked(text: str) -> str:
    return re.sub(r"([\\`*_<>|$\[\]])", r"\\\1", text)


def _marked_cell(cell: str | Expr) -> str:
    return _marked(cell) if isinstance(cell, str) else f"${sympy.latex(cell)}$"


def _latex(explanation: Explanation) -> str:
    blocks = ["% needs amsmath and booktabs"]
    for index, part in enumerate(explanation.parts):
        match part:
            case Heading():
                blocks.append(f"\\{'section' if index == 0 else 'subsection'}*{{{_escaped(part.text)}}}")
            case Lines():
                items = "\n".join(rf"  \item {{}}{_escaped(line)}" for line in part.lines)
                blocks.append(f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
            case Equation():
                blocks.append(f"\\begin{{equation*}}\n{_equation(part)}\n\\end{{equation*}}")
            case Numbers():
                blocks.append(_tabular(part))
    return "\n\n".join(blocks)


def _tabular(part: Numbers) -> str:
    kinds = "".join("p{0.55\\linewidth}" if name == "meaning" else "l" for name in part.columns)
    rows = [" & ".join(map(_escaped, part.columns)) + r" \\", r"\midrule"]
    rows += [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in part.rows]
    body = "\n".join(rows)
    return f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _latex_cell(cell: str | Expr) -> str:
    return _escaped(cell) if isinstance(cell, str) else f"${sympy.latex(cell)}$"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


VIEWS: dict[str, Callable[[Explanation], str]] = {"text": _text, "markdown": _markdown, "latex": _latex}
