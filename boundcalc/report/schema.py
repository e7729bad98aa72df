"""The JSON Schema of a report, which is part of the package."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

FILE = "report.schema.json"


def text() -> str:
    """Return the text of the schema (draft 2020-12)."""
    return (files("boundcalc.report") / FILE).read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the schema as a tree.

    Example:
        >>> schema()["properties"]["schema"]
        {'const': 'boundcalc.report/2'}
    """
    found: dict[str, Any] = json.loads(text())
    return found
