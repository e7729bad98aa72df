"""The markdown view: GitHub tables; every character of a name is shown as itself."""

from __future__ import annotations

import re
from typing import Any

from boundcalc.report.document import Grid, Section
from boundcalc.report.rows import document, title
from boundcalc.report.text import one_line

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$@])")
LINK = re.compile(r"(?i)(?<=:)(//)|(?<=www)(\.)")
"""Bare text that GitHub turns into a link: an address, or the name of a host."""
LIST_START = re.compile(r"^((?:[0-9]{1,9}(?=[.)](?:\s|$)))?)([-+=.)])")


def render(tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
    """Render a tree as GitHub markdown.

    Returns:
        A heading per section, facts as a list, tables as GitHub tables.
    """
    return page(title(tree), document(tree))


def page(heading: str, sections: tuple[Section, ...]) -> str:
    """Render sections below a heading as GitHub markdown."""
    return "\n\n".join([f"# {_escaped(heading)}", *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    blocks = [f"## {_escaped(section.title)}"]
    if section.facts:
        blocks.append(
            "\n".join(f"- **{_escaped(label)}**: {_escaped(text)}" for label, text in section.facts)
        )
    if section.grid is not None:
        blocks.append(_grid(section.grid))
    if section.notes:
        blocks.append("\n".join(f"- {_line_start(note)}" for note in section.notes))
    return "\n\n".join(blocks)


def _grid(grid: Grid) -> str:
    headers = [_escaped(column.header) for column in grid.columns]
    rules = ["---:" if column.right else ":---" for column in grid.columns]
    return "\n".join(map(_row, [headers, rules, *([_escaped(cell) for cell in row] for row in grid.rows)]))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return LINK.sub(r"\\\g<0>", SPECIAL.sub(r"\\\1", one_line(text)))


def _line_start(text: str) -> str:
    """Escape text at the start of a line, so that it does not begin a list."""
    return LIST_START.sub(r"\1\\\2", _escaped(text))
