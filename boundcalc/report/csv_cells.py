r"""CSV that a spreadsheet displays but does not run: text that starts like a formula gets an apostrophe in front.

Names of files and layers come from checkpoints, and a spreadsheet evaluates a cell such as ``=HYPERLINK(...)`` when the table is
opened (OWASP, CSV Injection). A text is guarded if it starts with one of `STARTS`, with or without apostrophes before it, so that
`unguarded` can restore it by removing the apostrophe.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from boundcalc.report.text import one_line

STARTS = "=+-@\t\r\n＝＋－＠"
"""First characters of a formula in Excel, LibreOffice and Google Sheets; the wide forms are
used in Chinese and Japanese."""
NUMBERS = "value"
"""The column whose numbers are not changed, not even negative ones."""

_FORMULA = re.compile(f"'*[{re.escape(STARTS)}]")
_GUARDED = re.compile(f"''*[{re.escape(STARTS)}]")
_FIRST = frozenset(STARTS + "'")


def guarded(text: str) -> str:
    """Return a text with an apostrophe in front if a spreadsheet could run it.

    Example:
        >>> guarded("=1+2"), guarded("fc.weight"), guarded("'-x")
        ("'=1+2", 'fc.weight', "''-x")
    """
    return f"'{text}" if text and text[0] in _FIRST and _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Return the original of a text that `guarded` returned.

    Example:
        >>> [unguarded(guarded(text)) for text in ("=1+2", "'=1+2", "'quoted'", "")]
        ['=1+2', "'=1+2", "'quoted'", '']
    """
    return text[1:] if _GUARDED.match(text) else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], raw: bool = False) -> str:
    """Render rows as CSV, every cell on one line.

    Args:
        header: names of the columns; the one called `NUMBERS` holds numbers.
        rows: rows with one cell per column.
        raw: whether text is left as it is, for programs that do not evaluate cells.

    Returns:
        The text, ending in one newline.

    Example:
        >>> print(table(("layer", "value"), [("=cmd", "-1.5"), ("+", "=cmd")]), end="")
        layer,value
        '=cmd,-1.5
        '+,'=cmd
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    if raw:
        writer.writerows([one_line(cell) for cell in row] for row in rows)
    else:
        value = header.index(NUMBERS)
        writer.writerows(_guarded(row, value) for row in rows)
    return text.getvalue()


def _guarded(row: Sequence[str], value: int) -> list[str]:
    cells = [guarded(one_line(cell)) if cell else "" for cell in row]
    if cells[value] != row[value] and _is_number(row[value]):
        cells[value] = row[value]
    return cells


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
