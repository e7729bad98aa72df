"""What the cells say together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import fmean

import numpy as np

from experiments.common.record import Tree, rounded

NETWORK = ("data", "depth", "channels", "density")
"""What the seeds of one network share."""
FORMS: dict[str, Callable[[Tree], float | None]] = {
    "log10_bounds": lambda bound: bound["log10_value"],
    "log10_published": lambda bound: (
        bound["log10_value"] if bound["as_published"] is None else _log10(bound["as_published"])
    ),
}
"""A bound as it is proved here, and as its paper states it, where that differs."""


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return the course of the errors and bounds of every network, and how bounds of the shallowest grow with its width.

    Args:
        cells: of results.json.
    """
    rows = list(cells.values())
    networks = [
        of_network(rows, network)
        for network in dict.fromkeys(tuple(row[name] for name in NETWORK) for row in rows)
    ]
    return rounded({"networks": networks, "widths": widths(networks), "cells": len(rows)})


def of_network(rows: list[Tree], network: tuple[float, ...]) -> Tree:
    """Return the course of a network, means over the seeds that reached an epoch; `log10_spread` is that of the seeds at the last."""
    own = [row for row in rows if tuple(row[name] for name in NETWORK) == network]
    epochs = sorted({row["epoch"] for row in own})
    names = [name for name in sorted(own[0]["bounds"]) if all(name in row["bounds"] for row in own)]
    reached = [[row for row in own if row["epoch"] == epoch] for epoch in epochs]
    last = reached[-1]
    return {
        **dict(zip(NETWORK, network, strict=True)), "epochs": epochs, "seeds": len(last),
        "measured_density": fmean(row["measured_density"] for row in last),
        **{name: fmean(row[name] for row in last) for name in ("train_error", "test_error", "gap")},
        "test_errors": [fmean(row["test_error"] for row in some) for some in reached],
        **{form: {name: _course(reached, name, value) for name in names} for form, value in FORMS.items()},
        "log10_spread": max(
            max(values) - min(values)
            for name in names
            for values in [[row["bounds"][name]["log10_value"] for row in last]]
        ),
    }  # fmt: skip


def _course(
    reached: list[list[Tree]], name: str, value: Callable[[Tree], float | None]
) -> list[float | None]:
    """Return means over seeds at every epoch; None where a form has no number for some seed."""
    found = [[value(row["bounds"][name]) for row in some] for some in reached]
    return [fmean(known) if len(known := [v for v in some if v is not None]) == len(some) else None for some in found]  # fmt: skip


def widths(networks: list[Tree]) -> list[Tree]:
    """Return, by density, the bounds of the shallowest networks on the first data set at the epoch that most widths reached.

    `occam`, which speaks of another network, is left out. `exponents` are b in value = a H^b by least squares in logarithms, and
    its ends where one width is left out.
    """
    shallow = min(row["depth"] for row in networks)
    found = []
    for density in dict.fromkeys(row["density"] for row in networks):
        own = [
            row for row in networks if (row["data"], row["depth"], row["density"]) == (0, shallow, density)
        ]
        reached = {
            epoch: sorted((row for row in own if epoch in row["epochs"]), key=lambda row: row["channels"])
            for epoch in {epoch for row in own for epoch in row["epochs"] if epoch}
        }
        if not reached:
            continue
        epoch = max(reached, key=lambda each: (len(reached[each]), each))
        rows = reached[epoch]
        at = {
            form: {
                name: values
                for name in rows[0][form]
                if name != "occam"
                and None not in (values := [row[form][name][row["epochs"].index(epoch)] for row in rows])
            }
            for form in FORMS
        }
        channels = [row["channels"] for row in rows]
        found.append({
            "depth": shallow, "density": density, "epoch": epoch, "channels": channels,
            "test_errors": [row["test_errors"][row["epochs"].index(epoch)] for row in rows], **at,
            "exponents": {name: exponent(channels, values) for name, values in at["log10_bounds"].items()},
        })  # fmt: skip
    return found


def exponent(channels: list[int], log10: list[float]) -> list[float] | None:
    """Return the exponent in H and its ends where one width is left out; None of fewer than three widths."""
    if len(channels) < 3:
        return None
    x, y = np.log10(channels), np.array(log10)
    others = [np.polyfit(np.delete(x, k), np.delete(y, k), 1)[0] for k in range(len(x))]
    return [float(each) for each in (np.polyfit(x, y, 1)[0], min(others), max(others))]


def _log10(value: float) -> float | None:
    return math.log10(value) if value > 0 else None
