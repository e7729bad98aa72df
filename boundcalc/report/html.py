"""The HTML view: one page that needs nothing else, for one checkpoint, for many, or for any document."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from boundcalc.report import html_curves, html_figures
from boundcalc.report.bound_rows import SLUGS
from boundcalc.report.document import Section
from boundcalc.report.html_block import Block, Cell, block
from boundcalc.report.html_origin import References
from boundcalc.report.html_store import blocks as store_blocks
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import STATUS_MEANS, Origin, of_file, of_program
from boundcalc.report.rows import document, title, told
from boundcalc.report.svg import SHAPES
from boundcalc.report.text import one_line

Tree = dict[str, Any]

ORDER = (
    "summary", "warnings", "bounds", "compression", "interpolant", "reference", "reasons", "best", "best-compression",
    "empirical", "read", "skipped", "layers", "uncounted", "data",
    "samples", "topology", "graphon", "gntk", "run",
)  # fmt: skip
BOUNDS = {slug: group for group, slug in SLUGS.items()}
"""Slug of a table of bounds -> its group."""
DRAWN = {
    "layers": html_figures.layers,
    "topology": html_figures.topology,
    "samples": html_curves.samples,
    "graphon": html_curves.graphon,
    "gntk": html_curves.gntk,
}


def render(tree: Tree) -> str:
    """Render a tree as a self-contained page: styles, pictures and script inside, nothing from a network.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Returns:
        The page.
    """
    ref = References()
    sections = sorted(
        document(tree), key=lambda one: ORDER.index(one.slug) if one.slug in ORDER else len(ORDER) - 1.5
    )
    blocks = tuple(_block(tree, section, ref) for section in sections)
    return _page(title(tree), _lead(tree), blocks, ref)


def page(heading: str, sections: tuple[Section, ...]) -> str:
    """Render any document as a self-contained page; its numbers' source is the heading."""
    otherwise = Origin("computed", one_line(heading))
    blocks = tuple(block(one, otherwise) for one in sections)
    return _page(heading, (), blocks, References())


def store_page(
    reports: Sequence[Tree],
    heading: str,
    sections: Sequence[Section] = (),
    failed: Sequence[tuple[str, str]] = (),
) -> str:
    """Render many reports as one self-contained page: tables of tickets and pictures across them.

    Args:
        reports: trees of schema ``boundcalc.report/2``, one a ticket.
        heading: title of the page.
        sections: what else is known of the tickets together, such as rank correlations.
        failed: path and reason of what could not be analysed.

    Returns:
        The page.
    """
    ref = References()
    otherwise = Origin("computed", one_line(heading))
    others = tuple(block(one, otherwise) for one in sections)
    return _page(heading, (), (*store_blocks(reports, failed, ref), *others), ref)


def _block(tree: Tree, section: Section, ref: References) -> Block:
    if section.slug in BOUNDS:
        return block(section, of_program(tree), html_figures.bounds(tree, BOUNDS[section.slug], ref))
    if section.slug == "summary":
        return _summary(tree, section)
    draw = DRAWN.get(section.slug)
    return block(section, of_program(tree), draw(tree, ref) if draw else ())


def _summary(tree: Tree, section: Section) -> Block:
    """Show the sentences of the verdict as facts, each below its topic."""
    facts = told(tree)
    rest = tuple(note for note in section.notes if note not in {words for _, words in facts})
    return block(Section("Verdict", section.slug, facts, notes=rest), of_program(tree))


def _lead(tree: Tree) -> tuple[tuple[str, Cell], ...]:
    """Return what a reader looks for first: file, format, weights, density."""
    checkpoint = tree.get("checkpoint") or {}
    if not checkpoint:
        return ()
    origin = of_file(tree)
    weights = f"{plain(checkpoint.get('surviving'))} of {plain(checkpoint.get('parameters'))}"
    return (
        ("format", Cell(show(checkpoint.get("format")))),
        ("mask", Cell(show(checkpoint.get("mask")))),
        ("weights", Cell(weights, origin=origin)),
        ("density", Cell(percent(checkpoint.get("density")), origin=origin)),
    )


def _page(
    heading: str, lead: tuple[tuple[str, Cell], ...], blocks: tuple[Block, ...], ref: References
) -> str:
    folder = files("boundcalc.report") / "templates"
    style, script = (_inlined((folder / name).read_text("utf-8")) for name in ("page.css", "page.js"))
    template = _environment().from_string((folder / "page.html.j2").read_text("utf-8"))
    text = template.render(
        heading=heading,
        lead=lead,
        blocks=blocks,
        ref=ref,
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        means=STATUS_MEANS,
        shapes=SHAPES,
    )
    return text.rstrip("\n") + "\n"


def _environment() -> Environment:
    return Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_one_line, trim_blocks=True, lstrip_blocks=True
    )


def _one_line(value: Any) -> Any:
    return value if not isinstance(value, str) or isinstance(value, Markup) else one_line(value)


def _inlined(text: str) -> Markup:
    return Markup("\n" + text)  # noqa: S704


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
