"""Analysis of hundreds of tickets: writes the results to one SQLite store, and reads them from it.

>>> import boundcalc.batch
>>> table = boundcalc.batch.load("tickets.sqlite")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.batch.frame import load, load_wide, records
    from boundcalc.batch.runner import run
    from boundcalc.batch.store import opened

__all__ = ["load", "load_wide", "opened", "records", "run"]

_HOMES = {"load": "frame", "load_wide": "frame", "records": "frame", "opened": "store", "run": "runner"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
