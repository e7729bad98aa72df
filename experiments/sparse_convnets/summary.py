"""What the cells say together."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from experiments.common.record import Tree, rounded

NETWORK = ("data", "depth", "channels", "density")
"""What the seeds of one network share."""


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return mean errors and bounds of every network at its last epoch that was run, and the course of the bounds.

    Args:
        cells: of results.json.
    """
    rows = list(cells.values())
    networks = dict.fromkeys(tuple(row[name] for name in NETWORK) for row in rows)
    return rounded({"networks": [of_network(rows, network) for network in networks], "cells": len(rows)})


def of_network(rows: list[Tree], network: tuple[float, ...]) -> Tree:
    """Return the course of a network, means over the seeds that reached an epoch; `log10_spread` is that of the seeds at the last."""
    own = [row for row in rows if tuple(row[name] for name in NETWORK) == network]
    epochs = sorted({row["epoch"] for row in own})
    names = sorted({name for row in own for name in row["bounds"]})
    course = {
        name: [
            fmean(
                row["bounds"][name]["log10_value"]
                for row in own
                if row["epoch"] == epoch and name in row["bounds"]
            )
            for epoch in epochs
        ]
        for name in names
        if all(name in row["bounds"] for row in own)
    }
    last = [row for row in own if row["epoch"] == epochs[-1]]
    return {
        **dict(zip(NETWORK, network, strict=True)), "epochs": epochs, "seeds": len(last),
        "measured_density": fmean(row["measured_density"] for row in last),
        **{name: fmean(row[name] for row in last) for name in ("train_error", "test_error", "gap")},
        "log10_bounds": course,
        "log10_spread": max(
            max(values) - min(values)
            for name in course
            for values in [[row["bounds"][name]["log10_value"] for row in last]]
        ),
        "status": {name: row["bounds"][name]["status"] for row in last for name in course},
    }  # fmt: skip
