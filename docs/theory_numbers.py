"""Writes into each page of theory the numbers of its bound or quantity on a demo ticket, between two marks at its end.

    python docs/theory_numbers.py            rewrites the pages (`make numbers`)
    python docs/theory_numbers.py peeling    only these

Bounds are explained by `boundcalc explain`, quantities come from the report. A test compares what the pages hold with what the
program says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import boundcalc
from boundcalc.analysis import checkpoint_of, problem_of
from boundcalc.bounds import registry
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.options import Options
from boundcalc.theory.explain import explain
from boundcalc.theory.explain_views import render

ROOT = Path(__file__).parents[1]
THEORY = ROOT / "docs" / "theory"
TICKET = "data/tickets/lenet300_density02.pt"
REFERENCE = "data/tickets/lenet300_init.pt"

BEGIN, END = "<!-- numbers: written by docs/theory_numbers.py -->", "<!-- end of numbers -->"
HEADING = "## On a demo ticket"
FILLED = "## With this checkpoint"

Tree = dict[str, Any]


@cache
def problem(spectral: bool) -> BoundInputs:
    """Return what bounds are computed from on the demo ticket."""
    options = Options(data="sample", passes=0)
    return problem_of(checkpoint_of(ROOT / TICKET, options), options, spectral=spectral)


def of_bound(name: str) -> str:
    """Return the numbers of one bound on the demo ticket, in Markdown."""
    bound = registry[name]
    return render(explain(bound, problem(bound.spectral)), "markdown").split(FILLED, 1)[1].strip()


@cache
def report() -> Tree:
    """Return the report of the demo ticket, all parts but the search of occam."""
    return boundcalc.analyze(ROOT / TICKET, reference=ROOT / REFERENCE, data="sample", passes=0).to_dict()


def number(value: Any) -> str:
    """Return a cell: a number with four digits, a hyphen for none."""
    if value is None:
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def above(value: float) -> str:
    """Return a bound with four digits, rounded up.

    Example:
        >>> above(0.04797161)
        '0.04798'
    """
    return f"{float(Context(prec=4, rounding=ROUND_CEILING).plus(Decimal(value))):.4g}"


def below(value: float) -> str:
    """Return a lower bound >= 0 with four digits, rounded down."""
    return f"{float(Context(prec=4, rounding=ROUND_FLOOR).plus(Decimal(value))):.4g}"


def table(rows: list[Tree], columns: dict[str, str]) -> str:
    """Return a Markdown table.

    Args:
        rows: trees with the same keys.
        columns: key -> title.
    """
    lines = [f"| {' | '.join(columns.values())} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(number(row.get(key)) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def facts(tree: Tree, titles: dict[str, str]) -> str:
    """Return a Markdown table of one tree, a line a key."""
    return table([{"what": title, "value": tree.get(key)} for key, title in titles.items()],
                 {"what": "quantity", "value": "value"})  # fmt: skip


def of_samples(tree: Tree) -> str:
    """Return the numbers of the part `samples`."""
    part = tree["samples"]
    columns = {
        "name": "layer", "K": "K", "surviving": "surviving", "r_tilde": r"$\tilde r$",
        "r_tilde_dense": r"$\tilde r$ dense", "ratio": "ratio", "radius_loss_ratio": "radius loss ratio",
    }  # fmt: skip
    return table(part["layers"], columns) + f"\n\nAll hidden layers together: ratio {number(part['ratio'])}."


def of_topology(tree: Tree) -> str:
    """Return the numbers of the part `topology`."""
    part = tree["topology"]
    columns = {
        "name": "layer", "sigma1": r"$\sigma_1$", "sigma2": r"$\sigma_2$", "delta_r": r"$\Delta_r$",
        "delta_r_imdb": r"$\Delta_{r,\mathrm{imdb}}$", "lambda": r"$\lambda$",
        "lambda_imsg": r"$\lambda_\mathrm{imsg}$", "narc": "random coefficient", "collapsed": "collapsed",
    }  # fmt: skip
    coordinate = ", ".join(number(value) for value in part["coordinate"])
    told = f"Coordinate ({coordinate}), distance from the initialization's {number(part['distance'])}."
    return f"{table(part['layers'], columns)}\n\n{told}"


def of_graphon(tree: Tree) -> str:
    """Return the numbers of the part `graphon`."""
    rows = [
        layer
        | {
            "cut": "[{}, {}]".format(
                below(layer["cut_from_constant"][0]), above(layer["cut_from_constant"][1])
            )
        }
        for layer in tree["graphon"]["layers"]
    ]
    columns = {"name": "layer", "density": "density", "cut": "cut norm from constant",
               "l2_from_constant": "$L_2$ from constant"}  # fmt: skip
    return table(rows, columns)


def of_gntk(tree: Tree) -> str:
    """Return the numbers of the part `gntk`."""
    titles = {
        "m": "inputs", "cells": "cells", "alpha": "alpha", "effective_rank": "effective rank", "gap": "gap",
        "top5_energy": "top-5 energy", "condition": "condition",
    }  # fmt: skip
    return facts(tree["gntk"], titles)


def of_kernel_bound(tree: Tree) -> str:
    """Return the kernel bound."""
    value = tree["gntk"]["kernel_bound"]
    if value is None:
        return "No bound: the report says why."
    return f"Bound on the error of the interpolant of {tree['gntk']['m']} inputs: {above(value)}; vacuous at 1 or more."


def of_test_set(tree: Tree) -> str:
    """Return the test-set bound."""
    found = tree["verdict"]["test_set"]
    return facts(
        found | {"value": above(found["value"])},
        {"errors": "errors", "m": "test samples", "value": "bound on the error"},
    )


def of_risk(tree: Tree) -> str:
    """Return the ledger of one bound."""
    terms = {
        key: above(value)
        for key, value in tree["bounds"]["path_norm"]["terms"].items()
        if isinstance(value, int | float)
    }
    terms["value"] = above(tree["bounds"]["path_norm"]["value"])
    titles = {
        "margin_error": "training margin error", "complexity_term": "complexity term", "confidence_term": "confidence term",
        "choice_bits": "bits paid for choices", "normalization_bits": "bits of the normalization", "value": "sum: the bound",
    }  # fmt: skip
    return "The ledger of `path_norm`:\n\n" + facts(terms, titles)


QUANTITIES: dict[str, Callable[[Tree], str]] = {
    "zhang2021": of_samples,
    "hoang2023": of_topology,
    "pham2025": of_graphon,
    "gntk": of_gntk,
    "kernel_bound": of_kernel_bound,
    "test_set": of_test_set,
    "risk": of_risk,
}


def bounds_of(page: str) -> list[str]:
    """Return the registered bounds whose page of theory has this name, such as both of ``golowich2018``."""
    return [name for name in registry if name == page or name.rsplit("_", maxsplit=1)[0] == page]


def sections(tree: Callable[[], Tree] = report) -> dict[str, Callable[[], str]]:
    """Return what makes the numbers of each page that is there, by the page's name.

    Args:
        tree: returns the report of the demo ticket.
    """

    def of_bounds(names: list[str]) -> str:
        if len(names) == 1:
            return of_bound(names[0])
        return "\n\n".join(f"### {name}\n\n{of_bound(name)}" for name in names)

    found: dict[str, Callable[[], str]] = {}
    for path in sorted(THEORY.glob("*.md")):
        page = path.stem
        if page in QUANTITIES:
            found[page] = lambda page=page: QUANTITIES[page](tree())  # type: ignore[misc]
        elif bounds_of(page):
            found[page] = lambda page=page: of_bounds(bounds_of(page))  # type: ignore[misc]
    return found


def written(page: str) -> str | None:
    """Return the numbers that a page holds, or None."""
    text = (THEORY / f"{page}.md").read_text(encoding="utf-8")
    if BEGIN not in text:
        return None
    return text.split(BEGIN, 1)[1].split(END, 1)[0].strip()


def rewrite(page: str, numbers: str) -> None:
    """Put numbers into a page, in place of those that it holds or at its end."""
    path = THEORY / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    command = f"{Path(TICKET).stem}, `--data sample`"
    body = f"{BEGIN}\n\n{numbers}\n\n{END}\n"
    if BEGIN in text:
        before, after = text.split(BEGIN, 1)[0], text.split(END, 1)[1].lstrip("\n")
        path.write_text(before + body + after, encoding="utf-8")
    else:
        path.write_text(f"{text.rstrip()}\n\n{HEADING}\n\n{command}:\n\n{body}", encoding="utf-8")


if __name__ == "__main__":
    chosen = sys.argv[1:]
    for name, make in sections().items():
        if not chosen or name in chosen:
            rewrite(name, make())
            print(f"docs/theory/{name}.md")
