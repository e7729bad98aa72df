"""Pages of theory: one for every bound, cited pages exist, and their numbers are what the program says today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from ticket_runs import FULL

from boundcalc.bounds import registry

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "docs" / "theory"
NUMBERS = runpy.run_path(str(ROOT / "docs" / "theory_numbers.py"))
FIGURE = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
OFF = 0.03
"""What other processors, and searches whose sums round differently, may change."""

CITED = re.compile(r"docs/theory/([A-Za-z0-9_]+)")
OUTSIDE = re.compile(
    r"theory[ -]sheet|the sheet\b|(?<![\w-])theory\.md|theory section|\.\./shared", re.IGNORECASE
)


OWN = {Path(__file__), ROOT / "experiments" / "house" / "counts.py"}
"""Files that hold the pattern itself."""


def sources() -> list[Path]:
    folders = ("boundcalc", "tests", "experiments", "data", "docs")
    found = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md"}
    ]
    return [path for path in found if "_build" not in path.parts and path not in OWN]


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


def test_every_bound_has_a_page():
    missing = [
        name
        for name, bound in registry.items()
        if bound.compute.__module__.startswith("boundcalc.")
        and not any((THEORY / f"{page}.md").is_file() for page in (name, name.rsplit("_", maxsplit=1)[0]))
    ]
    assert not missing, f"docs/theory has no page of {', '.join(missing)}"


def test_nothing_cites_what_the_repository_does_not_hold():
    for path in sources():
        text = path.read_text(encoding="utf-8")
        found = OUTSIDE.search(text)
        assert found is None, f"{path.relative_to(ROOT)} cites {found[0]!r}: cite a page of docs/theory"
        for page in CITED.findall(text):
            assert page == "NAME" or (THEORY / f"{page}.md").is_file() or page in {"index"}, (
                f"{path.relative_to(ROOT)} cites docs/theory/{page}.md, which is not there"
            )


def test_code_named_by_a_page_is_there():
    for path in sorted(THEORY.glob("*.md")):
        for name in re.findall(r"`(boundcalc/[\w/]+\.py)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("page", sorted(NUMBERS["sections"]()))
def test_numbers_are_those_of_today(page, tree_of):
    held = NUMBERS["written"](page)
    assert held is not None, f"docs/theory/{page}.md has no numbers: python docs/theory_numbers.py {page}"

    def report():
        kernels = tree_of("lenet300_density02", data="sample", only=("graphon", "gntk"))
        return tree_of("lenet300_density02", **FULL) | {part: kernels[part] for part in ("graphon", "gntk")}

    now = NUMBERS["sections"](report)[page]().strip()
    assert same(held, now), f"docs/theory/{page}.md is out of date: python docs/theory_numbers.py {page}"
