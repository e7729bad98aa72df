"""The rows of a store: one per checkpoint, and one per number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

STATES = ("claimed", "done", "failed")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class StoreRow:
    """One checkpoint under one set of options.

    Attributes:
        id: id of the row.
        path: absolute path where the checkpoint was last seen.
        sha256: hash of the checkpoint's content, ``checkpoint.sha256`` of its report.
        options: hash of everything besides the content that the numbers depend on: settings, and the files beside the checkpoint.
        settings: hash of the command's settings; the same for all checkpoints of a run.
        version: version of boundcalc.
        state: one of `STATES`.
        format: name of the convention; None unless the state is done, as are the next three.
        parameters: number of weights of linear and convolution layers.
        surviving: number of those weights that are not zero.
        density: surviving / parameters.
        seconds: duration of the analysis.
        error: why it failed, in one line without the path.
        refused: whether the checkpoint or data was refused, so that another attempt would fail in the same way.
        finished: end of the analysis in seconds since the epoch, UTC.
    """

    id: int
    path: str
    sha256: str
    options: str
    settings: str
    version: str
    state: str
    format: str | None
    parameters: int | None
    surviving: int | None
    density: float | None
    seconds: float | None
    error: str | None
    refused: bool
    finished: float | None


class StoredNumber(NamedTuple):
    """One number of a report, with the columns of its CSV view."""

    part: str
    name: str
    quantity: str
    value: int | float | None
    status: str
    source: str
    reason: str

    @property
    def entry(self) -> str:
        """The entry of the part to which the number belongs."""
        return self.quantity.partition(".")[0]


COLUMNS = ", ".join(f"checkpoints.{field.name}" for field in fields(StoreRow))
_REFUSED, _ERROR, _PATH = (
    [field.name for field in fields(StoreRow)].index(name) for name in ("refused", "error", "path")
)
QUANTITY_COLUMNS = ", ".join(f"quantities.{name}" for name in StoredNumber._fields)


_OF = {"int": (int,), "str": (str,), "float": (float, int), "bool": (int,), "None": (type(None),)}
_TYPES = tuple(
    (field.name, tuple(one for word in str(field.type).split(" | ") for one in _OF[word]))
    for field in fields(StoreRow)
)


def fault_of(cells: tuple[Any, ...]) -> str:
    """Describe the first column of `COLUMNS` whose value no batch can have written; return an empty text if all are sound."""
    for (name, types), value in zip(_TYPES, cells, strict=True):
        if not isinstance(value, types):
            return f"its {name} is {value!r:.40}"
    row = row_of(cells)
    if row.state not in STATES:
        return f"its state is {row.state!r:.40}"
    return "its density is missing" if row.state == "done" and row.density is None else ""


def row_of(cells: tuple[Any, ...]) -> StoreRow:
    """Return the row with the given values of `COLUMNS`."""
    values = list(cells)
    values[_REFUSED] = bool(values[_REFUSED])
    if isinstance(values[_ERROR], str):  # stores of version 0.1 have the path in front
        values[_ERROR] = values[_ERROR].removeprefix(f"{values[_PATH]}: ")
    return StoreRow(*values)


def natural(path: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that orders numbers in paths by value: level_4 before level_12."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(path))


def in_condition(ids: Iterable[int] | None, column: str) -> tuple[str, tuple[str, ...]]:
    """Return an SQL condition that a column holds one of some ids, and its parameters; an empty condition for None."""
    if ids is None:
        return "", ()
    return f"WHERE {column} IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
