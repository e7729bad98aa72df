"""The table view of very many rows: one line each, laid out at once, where folding cells to 100 columns would take minutes."""

from __future__ import annotations

from collections.abc import Sequence

from boundcalc.report.document import Grid, Section
from boundcalc.report.text import narrow

MOST_ROWS = 2000
"""Number of rows above which a grid is laid out by this module."""
GUTTER = "  "


def is_long(sections: Sequence[Section]) -> bool:
    """Return whether one of the grids has more than `MOST_ROWS` rows."""
    return any(section.grid is not None and len(section.grid.rows) > MOST_ROWS for section in sections)


def page(heading: str, sections: Sequence[Section]) -> str:
    """Render sections as plain text; cells are not folded, and notes are placed above the grid.

    Example:
        >>> from boundcalc.report.document import Column
        >>> grid = Grid((Column("path"), Column("n", right=True)), (("a", "10"), ("b.pt", "7")))
        >>> print(page("batch", [Section("Checkpoints", "", grid=grid)]), end="")
        batch
        <BLANKLINE>
        Checkpoints
        ===========
        path   n
        ----  --
        a     10
        b.pt   7
    """
    return "\n\n".join([narrow(heading), *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    title = narrow(section.title)
    facts = [f"{narrow(label)}{GUTTER}{narrow(text)}" for label, text in section.facts]
    above = [title, "=" * len(title), *facts, *map(narrow, section.notes)]
    return "\n".join(
        above if section.grid is None else [*above, *[""] * (len(above) > 2), *_lines(section.grid)]
    )


def _lines(grid: Grid) -> list[str]:
    headers = [narrow(column.header) for column in grid.columns]
    texts = [index for index, column in enumerate(grid.columns) if not column.right]
    rows = [list(row) for row in grid.rows]
    for row in rows:
        for index in texts:
            row[index] = narrow(row[index])
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    line = GUTTER.join(
        f"{{:{'>' if column.right else '<'}{width}}}"
        for column, width in zip(grid.columns, widths, strict=True)
    )
    return [line.format(*row).rstrip() for row in (headers, ["-" * width for width in widths], *rows)]
