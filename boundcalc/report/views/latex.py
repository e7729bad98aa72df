r"""The LaTeX view: tables to paste, which need only ``\usepackage{booktabs}``."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from boundcalc.parts import registry
from boundcalc.report.document import Grid, Section
from boundcalc.report.rows import document, title
from boundcalc.report.text import one_line

POWER = re.compile(r"(?<![\w.])(10\^-?[0-9]+(?:\.[0-9]+)?)(?![\w^])")
NUMBER = re.compile(r"(\(?)(-?[0-9.]+)(?:e([+-]?[0-9]+))?(\)?)")
LONGEST_WORD = 40
BOUNDS = ("bounds", "compression", "retrained", "interpolant")
"""Slugs of the sections that a paper would show."""
STEP = 16
DASHES = re.compile("-(?=-)")
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "`": "{`}",
}


def render(tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
    r"""Render a tree as LaTeX tables: every section if `full`, else those of the bounds.

    Returns:
        One ``table`` per section, with caption and label (``tab:boundcalc-bounds`` and so on). If bounds were not requested,
        those of the requested parts; if none could be computed, that of the layers.
    """
    sections = document(tree)
    if full:
        return page(title(tree), sections)
    asked = {item.get("part") for item in tree.get("skipped") or []}
    others = ("layers",) if "bounds" in asked else tuple(registry)
    chosen = (tuple(one for one in sections if one.slug in slugs) for slugs in (BOUNDS, others, ("layers",)))
    return page(title(tree), next(filter(None, chosen), ()))


def page(heading: str, sections: tuple[Section, ...]) -> str:
    """Render sections as LaTeX tables, the heading as a comment."""
    comment = f"% {one_line(heading)}; needs \\usepackage{{booktabs}}"
    return "\n\n".join([comment, *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    notes = " ".join(map(escaped, section.notes))
    if not section.facts and section.grid is None:
        return notes
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escaped(section.title)}}}",
        rf"\label{{tab:boundcalc-{section.slug}}}",
    ]
    if section.facts:
        facts = [_row([escaped(label), _breakable(text)]) for label, text in section.facts]
        lines += _tabular(r"lp{0.72\linewidth}", facts)
    if section.grid is not None:
        lines += [r"\par\medskip"] * bool(section.facts) + _grid(section.grid)
    if notes:
        lines.append(rf"\par\medskip\parbox{{\linewidth}}{{\footnotesize {notes}}}")
    return "\n".join([*lines, r"\end{table}"])


def _grid(grid: Grid) -> list[str]:
    spec = "".join("r" if column.right else "l" for column in grid.columns)
    head = _row([escaped(column.header) for column in grid.columns])
    return _tabular(spec, [head, r"\midrule", *(_row([_cell(cell) for cell in row]) for row in grid.rows)])


def _tabular(spec: str, body: list[str]) -> list[str]:
    return [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", *body, r"\bottomrule", r"\end{tabular}"]


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _breakable(text: str) -> str:
    """Typeset a fact; a word that is too long for a line, such as a hash, may be broken at fixed steps."""
    words = one_line(text).split(" ")
    return " ".join(escaped(w) if len(w) <= LONGEST_WORD else _in_steps(w) for w in words)


def _in_steps(word: str) -> str:
    return r"\allowbreak{}".join(escaped(word[i : i + STEP]) for i in range(0, len(word), STEP))


def _cell(text: str) -> str:
    """Typeset a cell; a number alone is in math mode if it has a sign or an exponent."""
    number = NUMBER.fullmatch(text)
    if number is None:
        return escaped(text)
    left, mantissa, exponent, right = number.groups()
    if exponent is not None:
        return rf"{left}${mantissa} \times 10^{{{int(exponent)}}}${right}"
    return f"{left}${mantissa}${right}" if mantissa.startswith("-") else text


def escaped(text: str) -> str:
    r"""Return LaTeX that typesets a text; powers such as 10^7.3 become math.

    Example:
        >>> print(escaped("fc_1: 10^7.3"))
        fc\_1: $10^{7.3}$
    """
    pieces = POWER.split(one_line(text))
    return "".join(_power(piece) if i % 2 else _plain(piece) for i, piece in enumerate(pieces))


def _power(text: str) -> str:
    base, exponent = text.split("^")
    return f"${base}^{{{exponent}}}$"


def _plain(text: str) -> str:
    return DASHES.sub("-{}", "".join(SPECIAL.get(char) or _letter(char) for char in text))


def _letter(char: str) -> str:
    """Return ASCII and accented Latin-1 letters as they are, and other characters, which LaTeX may not know, as U+4E2D."""
    accented = ord(char) < 0x100 and unicodedata.decomposition(char)[:2] == "00"
    return char if char.isascii() or accented else f"U+{ord(char):04X}"
