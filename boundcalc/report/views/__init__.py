"""The formats of a report, one file a view: its name is the format, its `render` takes a tree."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Protocol, cast

from boundcalc.errors import UsageError

FORMATS = ("table", *sorted({module.name for module in iter_modules(__path__)} - {"table"}))
"""Names of the views, the one of a terminal first."""


class View(Protocol):
    """What renders a tree."""

    def __call__(self, tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
        """Return text that ends in one newline.

        Args:
            tree: a tree of schema ``boundcalc.report/2``.
            raw: leave text that a spreadsheet would run as it is (csv).
            full: everything, where a view leaves something out (table, csv, latex).
        """


def view(name: str) -> View:
    """Return the function that renders a tree in a format, imported when first used.

    Args:
        name: one of `FORMATS`.

    Example:
        >>> view("json")({"schema": "boundcalc.report/2"}).splitlines()[1]
        '  "schema": "boundcalc.report/2"'
    """
    return cast("View", module_of(name).render)


def module_of(name: str) -> ModuleType:
    """Return the module of a format; those for readers have a function ``page`` of a heading and sections, too.

    Raises:
        UsageError: there is no such format.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}: one of {', '.join(FORMATS)}")
    return import_module(f"{__name__}.{name}")
