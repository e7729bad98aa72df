"""The HTML view: one self-contained page, for one checkpoint, for many, or for any document."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from boundcalc.figures import pictures
from boundcalc.figures.picture import tickets_of
from boundcalc.report.document import Section, Term
from boundcalc.report.html_block import PageBlock, PageCell, References, block, figures_of
from boundcalc.report.html_store import FEWEST_RANKED, TOO_FEW
from boundcalc.report.html_store import blocks as store_blocks
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import STATUS_MEANS, Origin, of_file, of_program
from boundcalc.report.rows import document, title, verdict_facts
from boundcalc.report.text import one_line

Tree = dict[str, Any]

FIRST_SECTIONS = (
    "summary",
    "warnings",
    "bounds",
    "compression",
    "retrained",
    "interpolant",
    "reference",
    "reasons",
    "best",
    "best-compression",
    "empirical",
)
"""Slugs of the sections that come first; the others follow in the document's order."""
LAST_SECTIONS = ("run",)


def render(tree: Tree, raw: bool = False, full: bool = False) -> str:
    """Render a tree as a self-contained page: styles, pictures and script are included, nothing is loaded from elsewhere.

    Returns:
        The page.
    """
    ref = References()
    tickets = tickets_of([tree])
    above: dict[str, list[Any]] = {}
    for picture in pictures().values():
        above.setdefault(picture.section, []).append(picture)
    sections = sorted(document(tree), key=lambda one: _place(one.slug))
    blocks = tuple(
        block(
            _of_verdict(tree, section),
            of_program(tree),
            figures_of(above.get(section.slug, ()), tickets, ref),
        )
        for section in sections
    )
    return _page(title(tree), _key_facts(tree), blocks, ref)


def page(heading: str, sections: Sequence[Section], reports: Sequence[Tree] = ()) -> str:
    """Render any document as a self-contained page; numbers without an origin get the heading as their source.

    Args:
        heading: title of the page.
        sections: sections of the document.
        reports: trees whose bounds and errors are drawn above the sections.
    """
    ref = References()
    otherwise = Origin("computed", one_line(heading))
    drawn = figures_of(
        [one for one in pictures().values() if one.name in {"bounds", "gap"}], tickets_of(reports), ref
    )
    overview = (PageBlock("overview", "Overview", drawn),) if drawn else ()
    ranked = _without_correlations(sections, len(reports)) if reports else sections
    return _page(heading, (), (*overview, *(block(one, otherwise) for one in ranked)), ref)


def store_page(
    reports: Sequence[Tree],
    heading: str,
    sections: Sequence[Section] = (),
    failed: Sequence[tuple[str, str]] = (),
) -> str:
    """Render many reports as one self-contained page: tables of tickets and pictures across them.

    Args:
        reports: trees of schema ``boundcalc.report/2``, one per ticket.
        heading: title of the page.
        sections: further sections about the tickets together, such as rank correlations.
        failed: path and reason for each checkpoint that could not be analyzed.

    Returns:
        The page.
    """
    ref = References()
    otherwise = Origin("computed", one_line(heading))
    others = tuple(block(one, otherwise) for one in _without_correlations(sections, len(reports)))
    return _page(heading, (), (*store_blocks(reports, failed, ref), *others), ref)


def _without_correlations(sections: Sequence[Section], tickets: int) -> list[Section]:
    """Return the sections, with one sentence instead of the rank correlations if there are too few tickets."""
    ranked = [section for section in sections if section.slug.startswith("correlation-")]
    if not ranked or tickets >= FEWEST_RANKED:
        return list(sections)
    rest = [section for section in sections if section not in ranked]
    return [
        *rest,
        Section("Rank correlations", "correlations", notes=(f"{TOO_FEW} This page has {tickets}.",)),
    ]


def _place(slug: str) -> int:
    return (
        FIRST_SECTIONS.index(slug)
        if slug in FIRST_SECTIONS
        else len(FIRST_SECTIONS) + (slug in LAST_SECTIONS)
    )


def _of_verdict(tree: Tree, section: Section) -> Section:
    """Return the verdict with its sentences as facts by topic; any other section is returned unchanged."""
    if section.slug != "summary":
        return section
    facts = verdict_facts(tree)
    rest = tuple(note for note in section.notes if note not in {words for _, words in facts})
    return Section("Verdict", section.slug, facts, notes=rest)


def _key_facts(tree: Tree) -> tuple[tuple[str, PageCell], ...]:
    """Return the most important facts: format, mask, weights, density."""
    checkpoint = tree.get("checkpoint") or {}
    if not checkpoint:
        return ()
    origin = of_file(tree)
    weights = f"{plain(checkpoint.get('surviving'))} of {plain(checkpoint.get('parameters'))}"
    return (
        ("format", PageCell(show(checkpoint.get("format")))),
        ("mask", PageCell(show(checkpoint.get("mask")))),
        ("weights", PageCell(weights, origin=origin)),
        ("density", PageCell(percent(checkpoint.get("density")), origin=origin)),
    )


def _page(
    heading: str, lead: tuple[tuple[str, PageCell], ...], blocks: tuple[PageBlock, ...], ref: References
) -> str:
    for one in blocks:
        words = [head.text for table in one.tables for head in table.heads] + [
            label for label, _ in one.facts
        ]
        for term in words:
            if isinstance(term, Term):
                ref.term(term)
    folder = files("boundcalc.report") / "templates"
    style, script = (_inlined((folder / name).read_text("utf-8")) for name in ("page.css", "page.js"))
    text = _template().render(
        heading=heading,
        lead=lead,
        blocks=blocks,
        ref=ref,
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        means=STATUS_MEANS,
    )
    return text.rstrip("\n") + "\n"


@cache
def _template() -> Template:
    folder = files("boundcalc.report") / "templates"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_one_line, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((folder / "page.html.j2").read_text("utf-8"))


def _one_line(value: Any) -> Any:
    return value if not isinstance(value, str) or isinstance(value, Markup) else one_line(value)


def _inlined(text: str) -> Markup:
    return Markup("\n" + text)  # noqa: S704


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
