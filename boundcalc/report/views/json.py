"""The JSON view: the tree itself, for scripts to parse."""

from __future__ import annotations

import json
from typing import Any

ORDER = (
    "schema",
    "version",
    "seed",
    "delta",
    "options",
    "checkpoint",
    "network",
    "data",
    "bounds",
    "samples",
    "topology",
    "graphon",
    "gntk",
    "empirical",
    "summary",
    "skipped",
    "seconds",
)


def render(tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
    """Render a tree as JSON, without NaN or Infinity.

    Returns:
        Two spaces per level; top-level keys in the schema's order, then any others by name; deeper keys in the tree's own order.

    Example:
        >>> print(render({"seed": 0, "schema": "boundcalc.report/2"}), end="")
        {
          "schema": "boundcalc.report/2",
          "seed": 0
        }
    """
    keys = sorted(tree, key=lambda key: (ORDER.index(key) if key in ORDER else len(ORDER), key))
    return json.dumps({key: tree[key] for key in keys}, allow_nan=False, indent=2) + "\n"
