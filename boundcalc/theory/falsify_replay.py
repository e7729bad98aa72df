"""Repeat exactly the attacks that a run reported as violations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from boundcalc.bounds.catalogue import Bound, registry
from boundcalc.errors import DataError, NotCovered
from boundcalc.files import read_json
from boundcalc.theory.falsify import TEST, falsify, tested
from boundcalc.theory.falsify_ascent import Effort
from boundcalc.theory.falsify_draw import Case
from boundcalc.theory.falsify_found import Attack, Attained, Falsification
from boundcalc.theory.falsify_known import COUNTER_EXAMPLES


def records_of(path: str) -> list[dict[str, Any]]:
    """Read the violations in a file: the JSON report of a run, or a single record from it.

    Raises:
        DataError: the file is unreadable, is not JSON, or holds no such records.
    """
    found = read_json(path, DataError.at)
    records = found.get("violations", [found]) if isinstance(found, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) and "bound" in one for one in records):
        raise DataError(f"{path}: holds no violations of boundcalc falsify --format json")
    return records


def replay(path: str, bounds: Mapping[str, Bound] = registry) -> Falsification:
    """Repeat the attacks of the recorded cases, with the same signs and starts.

    Args:
        path: file that `records_of` reads.
        bounds: map from name to bound.

    Returns:
        One attack per bound, over all its records.

    Raises:
        DataError: the file holds no violations, or one that is damaged, of an unknown bound, or not covered any more.
    """
    attacks: dict[str, Attack] = {}
    again, seed = 0, 0
    for place, record in enumerate(records_of(path)):
        bound = bounds.get(str(record["bound"]))
        if bound is None:
            raise DataError(
                f"{path}: violation {place} is of {record['bound']}, which is not a registered bound"
            )
        try:
            found = _replayed(bound, record)
            again, seed = again + 1, int(record["seed"])
            attacks[bound.name] = _merged(attacks[bound.name], found) if bound.name in attacks else found
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            raise DataError(
                f"{path}: violation {place} is damaged: {type(error).__name__} {error}"
            ) from error
        except NotCovered as error:
            raise DataError(f"{path}: violation {place} is no longer covered: {error}") from error
    return Falsification(tuple(attacks.values()), again, seed)


def _merged(first: Attack, second: Attack) -> Attack:
    """Merge two attacks on the same bound."""
    tightest = [one.tightest for one in (first, second) if one.tightest is not None]
    return replace(
        first,
        trials=first.trials + second.trials,
        tightest=min(tightest, key=lambda one: one.ratio, default=None),
        violations=(*first.violations, *second.violations),
        coverage=(*first.coverage, *second.coverage),
    )


def _error_again(bound: Bound, record: Mapping[str, Any]) -> Attack:
    """Attack only a bound's bound on the error, on the recorded training sets."""
    alone = replace(bound, hypotheses=None)
    found = falsify([alone], int(record["trials"]), int(record["seed"])).attacks[0]
    return replace(found, bound=bound, reason="")


def _replayed(bound: Bound, record: Mapping[str, Any]) -> Attack:
    if record["attack"] == "error":
        return _error_again(bound, record)
    trial = int(record["trial"])
    case = COUNTER_EXAMPLES[bound.name]() if trial < 0 else Case.of(record["case"])
    found: Attained = tested(
        bound, case, trial, int(record["seed"]), float(record["alpha"]), Effort(int(record["steps"])),
        str(record.get("purpose", TEST)), margins=record.get("of") == "margins",
    )  # fmt: skip
    return Attack(bound, 1, found, None, (found,) if found.violated else ())
