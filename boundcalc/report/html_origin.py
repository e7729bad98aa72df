"""Where every number of a page comes from: its status, its source, and what is to be known beside."""

from __future__ import annotations

from typing import Any

from boundcalc.parts import samples, topology
from boundcalc.report.origin import Origin, note_of, of_source


class References:
    """Ids of origins, in the order in which a page first names them."""

    def __init__(self) -> None:
        self._ids: dict[Origin, str] = {}

    def __call__(self, origin: Origin) -> str:
        """Return the id of an origin."""
        return self._ids.setdefault(origin, f"o{len(self._ids) + 1}")

    def listed(self) -> list[tuple[str, Origin]]:
        """Return all ids with their origins."""
        return [(name, origin) for origin, name in self._ids.items()]


def of_cell(tree: dict[str, Any], slug: str, row: str, column: str) -> Origin:
    """Return the origin of a number that a picture shows."""
    part = tree.get(slug) or {}
    if slug == "samples":
        return samples.origin(part, column)
    if slug == "topology":
        return topology.of_z(part) if column == "z" else of_source("score", part)
    return of_source("computed", part, note_of(part))
