"""The part "survivors": how many weights of each layer survive."""

from __future__ import annotations

from typing import Any

from boundcalc.parts.part import Given, Part, Quantity
from boundcalc.report.document import Cell, Column, Grid, Section
from boundcalc.report.numbers import plain
from boundcalc.report.origin import Origin

COUNTED = Origin("exact", "counted in the file")


def run(given: Given) -> dict[str, int]:
    """Return how many weights of each layer survive; given has the network, the data, the options."""
    return {layer.name: layer.surviving for layer in given.network.layers()}


def to_dict(found: dict[str, int]) -> dict[str, Any]:
    """Return the report's entry."""
    return {"layers": [{"name": name, "survivors": count} for name, count in found.items()]}


def sections(tree: dict[str, Any]) -> tuple[Section, ...]:
    """Build a row a layer."""
    part = tree.get("survivors")
    if not part:
        return ()
    rows = [(one["name"], Cell(plain(one["survivors"]), one["survivors"], COUNTED)) for one in part["layers"]]
    grid = Grid((Column("layer"), Column("survivors", right=True)), tuple(rows))
    return (Section("Survivors", "survivors", grid=grid),)


def quantities(tree: dict[str, Any]) -> tuple[Quantity, ...]:
    """Return the fewest survivors of a layer."""
    part = tree.get("survivors")
    if not part:
        return ()
    least = min(one["survivors"] for one in part["layers"])
    return (Quantity("survivors.least", "fewest survivors of a layer", least, COUNTED, shown=True),)


PART = Part("survivors", 70, "survivors", "how many weights survive", run, to_dict, sections, 80, quantities)
