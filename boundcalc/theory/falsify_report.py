"""The result of `boundcalc falsify` as a tree of plain values, and the views of this tree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from boundcalc._version import __version__
from boundcalc.report import csv_cells
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.numbers import NULL, given, lower, plain, upper
from boundcalc.report.views import module_of
from boundcalc.theory.falsify import LEVEL
from boundcalc.theory.falsify_found import Attack, Attained, Falsification

SCHEMA = "boundcalc.falsify/1"
CSV_HEADER = ("bound", "status", "kind", "quantity", "value")
METHOD = (
    "Claimed / attained: the complexity that a bound claims, divided by what networks of its class "
    "attain, which is a lower bound of the true complexity; for the tightest case found, evaluated on "
    "fresh signs. At 1 a bound is nearly violated.",
    "A complexity is violated if the lower confidence limit of the attained value is above the claim "
    "(by a betting test, which assumes only that attained values are >= 0; exact if all signs are "
    "used). A bound on the error is violated if an adversarially chosen network's true error exceeds "
    "it on a share of training sets whose Clopper-Pearson lower limit is above delta.",
    f"A run reports any violation of a true theorem with probability at most {LEVEL:g} (Bonferroni over bounds and"
    " trials).",
)

Tree = dict[str, Any]


def tree(found: Falsification) -> Tree:
    """Return the tree of schema ``boundcalc.falsify/1``.

    Args:
        found: results of the run.
    """
    every = (*found.attacks, *found.recalled)
    return {
        "schema": SCHEMA,
        "version": __version__,
        "seed": found.seed,
        "trials": found.trials,
        "level": LEVEL,
        "bounds": {attack.bound.name: _attack(attack) for attack in every},
        "violations": [one for attack in every for one in _violations(attack, found)],
        "theorems_violated": list(found.theorems_violated),
    }


def _attack(attack: Attack) -> Tree:
    bound = attack.bound
    return {
        "status": bound.status,
        "kind": bound.kind,
        "class": None if bound.hypotheses is None else bound.hypotheses.words,
        "trials": attack.trials,
        "tightest": _case(attack.tightest),
        "tightest_with_hidden_layer": _case(attack.tightest_hidden),
        "margins": {"trials": attack.margins, "tightest": _case(attack.tightest_margins)},
        "violations": len(attack.violations),
        "coverage": [
            {
                "of": one.form,
                "sets": one.sets,
                "below_1": one.nonvacuous,
                "failures": one.failures,
                "delta": one.delta,
                "lower_limit": one.limit,
            }
            for one in attack.coverage
        ],
        "uncovered": attack.uncovered,
        "reason": attack.reason,
    }


def _case(found: Attained | None) -> Tree | None:
    if found is None:
        return None
    return {
        "ratio": found.ratio if math.isfinite(found.ratio) else None,
        "claimed": found.claimed,
        "attained": found.mean,
        "standard_error": found.error,
        "draws": found.draws,
        "trial": found.trial,
        "where": found.case.words,
    }


def _violations(attack: Attack, found: Falsification) -> list[Tree]:
    records = [_record(one) for one in attack.violations]
    if any(one.violated for one in attack.coverage):
        records.append({
            "attack": "error", "bound": attack.bound.name, "seed": found.seed, "trials": found.trials,
        })  # fmt: skip
    return records


def _record(found: Attained) -> Tree:
    """Return everything that is needed to repeat the attack; a stored counter-example is recorded as trial -1."""
    return {
        "attack": "complexity",
        "of": "margins" if found.of_margins else "outputs",
        "bound": found.bound,
        "seed": found.seed,
        "trial": found.trial,
        "steps": found.steps,
        "purpose": found.purpose,
        "alpha": found.alpha,
        **(_case(found) or {}),
        "lower_limit": found.limit,
        "case": None if found.trial < 0 else found.case.to_dict(),
    }


def render(found: Falsification, format: str, csv_raw: bool = False) -> str:
    """Render results in one of ``boundcalc.report.FORMATS``.

    Args:
        found: the results.
        format: name of the format.
        csv_raw: keep text that a spreadsheet would run as a formula unchanged; see `boundcalc.report.csv_cells`.
    """
    view, plain_tree = module_of(format), tree(found)
    if format == "csv":
        return csv_cells.table(CSV_HEADER, _csv_rows(plain_tree), csv_raw)
    if format == "json":
        return str(view.render(plain_tree))
    return str(view.page(f"boundcalc {__version__} falsify", sections(plain_tree)))


def sections(found: Tree) -> tuple[Section, ...]:
    """Build the sections: attacks, the tightest case of each bound, and violations."""
    facts = (("trials", plain(found["trials"])), ("seed", given(found["seed"])))
    columns = (
        Column("bound"),
        Column("status"),
        Column("trials", right=True),
        Column("claimed / attained", right=True),
        Column("with a hidden layer", right=True),
        Column("of margins", right=True),
        Column("violations", right=True),
        Column("error exceeded", right=True),
    )
    rows = tuple(_row(name, one) for name, one in found["bounds"].items())
    tightest = tuple(
        (name, f"{one['tightest']['where']} ({_attained(one['tightest'])})")
        for name, one in found["bounds"].items()
        if one["tightest"]
    )
    reasons = tuple(f"{name}: {one['reason']}" for name, one in found["bounds"].items() if one["reason"])
    return (
        Section("Attacks", "attacks", facts, Grid(columns, rows), (*METHOD, *_power(found), *reasons)),
        Section("Where each is tightest", "tightest", tightest),
        _violated(found),
    )


def _power(found: Tree) -> tuple[str, ...]:
    """Return notes on how often the bounds on the error were below 1 and thus could have been exceeded."""
    some, hollow = [], []
    for name, one in found["bounds"].items():
        counts = [(part["below_1"], part["sets"]) for part in one["coverage"]]
        if any(below for below, _ in counts):
            some.append(f"{name} {' and '.join(f'{below} of {sets}' for below, sets in counts)}")
        elif counts:
            hollow.append(name)
    told = (
        ("Bounds on the error that were below 1 and so could be exceeded: ", some),
        ("Bounds that were never below 1, so coverage says nothing about them: ", hollow),
    )
    return tuple(words + ", ".join(names) for words, names in told if names)


def _attained(case: Tree) -> str:
    more = f", s.e. {plain(case['standard_error'])}" if case["standard_error"] else ", all signs"
    return f"claimed {upper(case['claimed'])}, attained {plain(case['attained'])}{more}"


def _row(name: str, one: Tree) -> tuple[str, ...]:
    coverage = "; ".join(f"{part['failures']} of {part['sets']}" for part in one["coverage"])
    return (
        name,
        one["status"],
        plain(one["trials"]) if one["class"] else NULL,
        _ratio(one["tightest"]),
        _ratio(one["tightest_with_hidden_layer"]),
        _ratio(one["margins"]["tightest"]),
        plain(one["violations"]),
        coverage or NULL,
    )


def _ratio(case: Tree | None) -> str:
    return NULL if case is None else plain(case["ratio"])


def _violated(found: Tree) -> Section:
    facts = tuple(
        (one["bound"], _violation(one, found["bounds"][one["bound"]]["status"]))
        for one in found["violations"]
    )
    theorems = found["theorems_violated"]
    closing = (
        f"violated although its status is theorem: {', '.join(theorems)}"
        if theorems
        else "no theorem is violated"
    )
    return Section("Violations", "violations", facts, notes=(closing,))


def _violation(one: Tree, status: str) -> str:
    if one["attack"] == "error":
        return f"{status}: its bound on the error fails more often than delta"
    place = "stored counter-example" if one["trial"] < 0 else f"trial {one['trial']}"
    return f"{status}, {place}, of {one['of']}: {one['where']} ({_attained(one)}, lower limit {lower(one['lower_limit'])})"


def _csv_rows(found: Tree) -> Iterator[tuple[str, ...]]:
    for name, one in found["bounds"].items():
        cells: list[tuple[str, Any]] = [("trials", one["trials"]), ("violations", one["violations"])]
        for key in ("tightest", "tightest_with_hidden_layer"):
            if one[key]:
                cells += [(f"{key}.{quantity}", value) for quantity, value in one[key].items()]
        cells += [(f"margins.{key}", value) for key, value in (one["margins"]["tightest"] or {}).items()]
        for part in one["coverage"]:
            cells += [
                (f"{part['of']}: {key}", part[key])
                for key in ("sets", "below_1", "failures", "delta", "lower_limit")
            ]
        if one["reason"]:
            cells.append(("reason", one["reason"]))
        yield from ((name, one["status"], one["kind"], quantity, str(value)) for quantity, value in cells)
