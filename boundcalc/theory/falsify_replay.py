"""Attacking again exactly what a run reported as violated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boundcalc.bounds.catalogue import Bound, registry
from boundcalc.errors import DataError, NotCovered
from boundcalc.theory.falsify import Attack, Attained, Falsification, falsify, tested
from boundcalc.theory.falsify_ascent import Effort
from boundcalc.theory.falsify_draw import Case
from boundcalc.theory.falsify_known import COUNTER_EXAMPLES


def records_of(path: str) -> list[dict[str, Any]]:
    """Read the violations in a file: the JSON report of a run, or one record of it.

    Raises:
        DataError: unreadable, no JSON, or no such records.
    """
    try:
        found = json.loads(Path(path).read_text())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON") from error
    records = found.get("violations", [found]) if isinstance(found, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) and "bound" in one for one in records):
        raise DataError(f"{path}: holds no violations of boundcalc falsify --format json")
    return records


def replay(path: str, bounds: Mapping[str, Bound] = registry) -> Falsification:
    """Attack the recorded cases again, with their own signs and starts.

    Args:
        path: what `records_of` reads.
        bounds: name -> bound.

    Returns:
        One attack a record.

    Raises:
        DataError: the file holds no violations, or one that is damaged or of an unknown bound.
    """
    attacks, seed = [], 0
    for place, record in enumerate(records_of(path)):
        bound = bounds.get(str(record["bound"]))
        if bound is None:
            raise DataError(f"{path}: violation {place} is of {record['bound']}, which is no bound here")
        try:
            attacks.append(_again(bound, record))
            seed = int(record["seed"])
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            raise DataError(
                f"{path}: violation {place} is damaged: {type(error).__name__} {error}"
            ) from error
        except NotCovered as error:
            raise DataError(f"{path}: violation {place}: not covered any more: {error}") from error
    return Falsification(tuple(attacks), len(attacks), seed)


def _again(bound: Bound, record: Mapping[str, Any]) -> Attack:
    if record["attack"] == "error":
        return falsify([bound], int(record["trials"]), int(record["seed"])).attacks[0]
    trial = int(record["trial"])
    case = COUNTER_EXAMPLES[bound.name]() if trial < 0 else Case.of(record["case"])
    found: Attained = tested(
        bound, case, trial, int(record["seed"]), float(record["alpha"]), Effort(int(record["steps"]))
    )
    return Attack(bound, 1, found, None, (found,) if found.violated else ())
