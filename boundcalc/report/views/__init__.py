"""The formats of a report, one module per view: its name is the format, and its `render` takes a tree."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Protocol, cast

from boundcalc.errors import UsageError

FORMATS = ("table", *sorted({module.name for module in iter_modules(__path__)} - {"table"}))
"""Names of the views, the one of a terminal first."""


class View(Protocol):
    """The function that renders a tree."""

    def __call__(self, tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
        """Return text that ends in one newline.

        Args:
            tree: a tree of schema ``boundcalc.report/2``.
            raw: whether text that a spreadsheet would run is left as it is (csv).
            full: whether to show everything, in views that leave something out (table, csv, latex).
        """


def view(name: str) -> View:
    """Return the function that renders a tree in a format; its module is imported on first use.

    Args:
        name: one of `FORMATS`.

    Example:
        >>> view("json")({"schema": "boundcalc.report/2"}).splitlines()[1]
        '  "schema": "boundcalc.report/2"'
    """
    return cast("View", module_of(name).render)


def module_of(name: str) -> ModuleType:
    """Return the module of a format; those for readers also have a function ``page`` of a heading and sections.

    Raises:
        UsageError: the format is unknown.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}: one of {', '.join(FORMATS)}")
    return import_module(f"{__name__}.{name}")
