"""The names of the views, each with the function that renders it, imported when first used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from boundcalc.errors import UsageError

View = Callable[[dict[str, Any]], str]

_MODULES = {
    "table": "boundcalc.report.table",
    "json": "boundcalc.report.json_view",
    "csv": "boundcalc.report.csv_view",
    "markdown": "boundcalc.report.markdown",
    "latex": "boundcalc.report.latex",
    "html": "boundcalc.report.html",
}
FORMATS = tuple(_MODULES)


def view(name: str) -> View:
    """Return the function that renders a tree in a format.

    Args:
        name: one of `FORMATS`.

    Returns:
        A function from the tree to text that ends in one newline.

    Raises:
        UsageError: there is no such format.

    Example:
        >>> view("json")({"schema": "boundcalc.report/2"}).splitlines()[1]
        '  "schema": "boundcalc.report/2"'
    """
    if name not in _MODULES:
        raise UsageError(f"unknown format {name!r}: one of {', '.join(FORMATS)}")
    return cast("View", import_module(_MODULES[name]).render)
