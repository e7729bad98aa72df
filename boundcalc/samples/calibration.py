"""The constant c of the sample complexity, measured by experiments/sample_complexity and stored in a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from boundcalc.errors import DataError
from boundcalc.files import read_json

SCHEMA = "boundcalc.calibration/1"
FORMULA = "N = c eps0^-2 kappa^4 Gamma^2 K^4 r_tilde log q"
NUMBERS = ("c", "low", "high", "level", "eps0", "log_q", "misfit", "largest_k", "largest_conditioning")


@dataclass(frozen=True)
class Calibration:
    """A measured constant. The keys of the file are the attributes except `path`, and ``"schema"`` and ``"formula"``.

    Attributes:
        c: number of samples per unit of `FORMULA`.
        low: lower end of the confidence interval of c.
        high: upper end of the confidence interval of c.
        level: confidence level of the interval.
        eps0: accuracy at which the formula with c gives the measured threshold.
        log_q: log q in the fit, in nats; the formula never uses a smaller one.
        misfit: largest factor, at least 1, by which the formula with this c misses one group of its calibration runs.
        largest_k: largest K among the runs.
        largest_conditioning: largest kappa^4 Gamma^2 among the runs.
        setting: description of the runs.
        fit: goodness of fit of the formula to the runs: R^2, exponents and their intervals.
        command: command that wrote the file.
        path: path of the file, or "".

    Source:
        experiments/sample_complexity/run.py writes these files.
    """

    c: float
    low: float
    high: float
    level: float
    eps0: float
    log_q: float
    misfit: float
    largest_k: float
    largest_conditioning: float
    setting: Mapping[str, Any]
    fit: Mapping[str, Any]
    command: str
    path: str = ""

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a calibration file.

        Args:
            path: JSON file of schema ``boundcalc.calibration/1``.

        Raises:
            DataError: the file cannot be read, or a key is missing or wrong; the message names the file and the key.
        """
        tree = _read(path)
        _require(tree.get("schema") == SCHEMA, path, "schema", f"expected {SCHEMA!r}")
        _require(tree.get("formula") == FORMULA, path, "formula", f"expected {FORMULA!r}")
        numbers = {key: _number(tree, path, key) for key in NUMBERS}
        _require(numbers["low"] <= numbers["c"] <= numbers["high"], path, "low", "expected low <= c <= high")
        for key in ("level", "eps0"):
            _require(numbers[key] < 1, path, key, "expected a number between 0 and 1")
        _require(numbers["misfit"] >= 1, path, "misfit", "expected a factor of at least 1")
        for key in ("setting", "fit"):
            _require(isinstance(tree.get(key), dict), path, key, "expected an object")
        _require(isinstance(tree.get("command"), str), path, "command", "expected a string")
        return cls(
            **numbers, setting=tree["setting"], fit=tree["fit"], command=tree["command"], path=str(path)
        )

    def save(self, path: str | Path) -> None:
        """Write a file that `load` can read; `path` is not stored in it."""
        tree = {"schema": SCHEMA, "formula": FORMULA, **vars(self)}
        del tree["path"]
        Path(path).write_text(json.dumps(tree, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read(path: str | Path) -> dict[str, Any]:
    tree = read_json(path, DataError.at, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    if not isinstance(tree, dict):
        raise DataError(f'{path}: expected a JSON object with a key "schema"')
    return tree


def _require(holds: bool, path: str | Path, key: str, wanted: str) -> None:
    if not holds:
        raise DataError(f"{path}: {key}: {wanted}; make the file with experiments/sample_complexity/run.py")


def _number(tree: dict[str, Any], path: str | Path, key: str) -> float:
    value = tree.get(key, 0)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    _require(plain and value > 0, path, key, "expected a positive number")
    return float(value)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} does not fit a double")
    return value


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
