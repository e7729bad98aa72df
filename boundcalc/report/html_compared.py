"""Where the numbers of a comparison come from: tickets by quantities, rank correlations, distances of masks."""

from __future__ import annotations

import re
from dataclasses import replace

from boundcalc.report.document import Section
from boundcalc.report.html_block import Block, Cell, Table, block
from boundcalc.report.html_origin import Origin
from boundcalc.report.numbers import NULL
from boundcalc.report.text import one_line

OF_BOUND = re.compile(
    r"(.+?)(?: of the (compression|interpolant))? \((theorem|published|refuted|score|not_covered)\)"
)
NOT_PROVED = frozenset({"published", "refuted", "score"})
EXACT = ("density", "parameters", "surviving", "shape", "L2", "n")
GIVEN = ("resolution", "seed")
CORRELATION = ("tau", "95 %", "partial to density")
PARTS = {
    "samples.ratio": Origin("published", "Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?"),
    "topology.z": Origin(
        "measured", "Hoang, Kundu, Liu & Wang 2023", "Against random masks; mean over layers."
    ),
    "topology": Origin("score", "Hoang, Kundu, Liu & Wang 2023"),
    "graphon": Origin(
        "computed", "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025", "Mean over layers of a proved upper end."
    ),
    "masks.cut": Origin("computed", "boundcalc compare", "Mean over layers of a proved upper end."),
    "gntk": Origin("computed", "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025"),
    "empirical": Origin("measured", "training and test sample of this run"),
}


def of_compared(column: str, heading: str) -> Origin:
    """Return the origin of a number in a table that puts networks side by side.

    Args:
        column: the column's header, or the label of a fact.
        heading: of the page; the source of what is computed by it.

    Returns:
        Its origin.
    """
    if column == "cut norm":
        return Origin("theorem", heading, "Both ends of the interval are proved.")
    if found := OF_BOUND.fullmatch(column):
        return _of_bound(*found.groups())
    for part, origin in PARTS.items():
        if column == part or column.startswith(part + "."):
            return origin
    if column in CORRELATION:
        return Origin("measured", heading, "Kendall's tau-b over these tickets; the interval is a bootstrap.")
    if column in GIVEN:
        return Origin("given", "options of this run")
    exact = column.partition(" ")[0] in EXACT
    return Origin("exact" if exact else "computed", heading)


def compared_block(section: Section, heading: str) -> Block:
    """Make a block of a section that puts networks side by side; what is not proved looks so.

    Args:
        section: of the document.
        heading: of the page.

    Returns:
        The block.
    """
    source = one_line(heading)
    made = block(section, lambda _, column: of_compared(column, source))
    return replace(made, tables=tuple(map(_marked, made.tables)))


def _marked(table: Table) -> Table:
    statuses = [found.group(3) if (found := OF_BOUND.fullmatch(head.text)) else "" for head in table.heads]
    rows = tuple(
        tuple(_cell(cell, status) for cell, status in zip(row, statuses, strict=True)) for row in table.rows
    )
    return replace(table, rows=rows)


def _cell(cell: Cell, status: str) -> Cell:
    if status not in NOT_PROVED:
        return cell
    text = cell.text if cell.text in {NULL, ""} else f"({cell.text})"
    return replace(cell, text=text, kind=status)


def _of_bound(name: str, subject: str | None, status: str) -> Origin:
    """Look the source up where bounds register themselves."""
    from boundcalc.bounds import registry

    known = registry.get(name)
    source = one_line(known.source) if known is not None else one_line(name)
    note = f"Of the {subject}, not of the ticket itself." if subject else ""
    return Origin(status.replace("_", " "), source, note)
