"""Pages of theory: one for every bound, cited pages exist, and their numbers are what the program says today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "docs" / "theory"
NUMBERS = runpy.run_path(str(ROOT / "docs" / "theory_numbers.py"))
FIGURE = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
OFF = 0.03
"""What other processors, and searches whose sums round differently, may change."""


def same(old: str, new: str) -> bool:
    """Whether two texts are equal but for their figures, and these to 3 per cent."""
    if FIGURE.sub("#", old).split() != FIGURE.sub("#", new).split():
        return False
    pairs = zip(FIGURE.findall(old), FIGURE.findall(new), strict=True)
    figures = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return all(abs(a - b) <= OFF * max(abs(a), abs(b)) for a, b in figures)


def test_texts_differ_by_words_or_by_figures():
    assert same("| fc1 | 12.78 |", "| fc1 | 12.80 |") and same("1.2e+04, 0", "1.21e+04, 0")
    assert not same("| fc1 | 12.78 |", "| fc1 | 13.78 |") and not same("a 1", "b 1")


def test_code_named_by_a_page_is_there():
    for path in sorted(THEORY.glob("*.md")):
        for name in re.findall(r"`(boundcalc/[\w/]+\.py)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("page", sorted(NUMBERS["sections"]()))
def test_numbers_are_those_of_today(page):
    held = NUMBERS["written"](page)
    assert held is not None, f"docs/theory/{page}.md has no numbers: python docs/theory_numbers.py {page}"
    now = PAGES[page]().strip()
    assert same(held, now), f"docs/theory/{page}.md is out of date: python docs/theory_numbers.py {page}"


PAGES = NUMBERS["sections"]()
