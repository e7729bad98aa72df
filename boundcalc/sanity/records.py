"""What training recorded beside a checkpoint: open_lth's ``logger``, and ``ticket.json`` of boundcalc train.

Both are optional evidence and untrusted data: a file that is missing, damaged or of another kind is ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.errors import BoundcalcError
from boundcalc.files import entries, is_folder, read_bytes
from boundcalc.sanity.sparsity import count_or_none, folder_of, tree_at
from boundcalc.tickets import paths

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

MOST_BYTES = 2**24
"""Largest logger file that is read, in bytes: 300,000 evaluations."""

MOST_LINE = 200

_MODEL = re.compile(r"model_ep(\d{1,9})_it(\d{1,9})\.pth")


@dataclass(frozen=True)
class Record:
    """An error recorded for a checkpoint.

    Attributes:
        file: file that holds the record.
        split: ``"training"`` or ``"test"``.
        error: share of misclassified samples.
        samples: number of samples; None if unknown.
        normalize: normalization of that training, means then deviations; None if unknown, () for none.
    """

    file: Path
    split: str
    error: float
    samples: int | None
    normalize: tuple[float, ...] | None = None


def records(result: AnalysisResult) -> list[Record]:
    """Return the errors recorded beside a checkpoint for its own epoch.

    Args:
        result: result of one analysis.
    """
    folder, model = folder_of(result), Path(result.checkpoint.path)
    if folder is None:
        return []
    step = _step_of(model if not is_folder(model) else _newest(folder))
    last = _step_of(_newest(folder))
    ticket = [] if step != last else _of_ticket(folder / paths.TICKET)
    return ticket or _of_logger(folder / paths.LOGGER, step, last)


def _of_ticket(file: Path) -> list[Record]:
    tree = tree_at(file)
    normalize = _numbers(tree.get("normalize")) if "normalize" in tree else None
    found = []
    for split, key, count in (("training", "train_error", tree.get("samples")), ("test", "test_error", None)):
        value = _share(tree.get(key))
        if value is not None:
            found.append(Record(file, split, value, count_or_none(count), normalize))
    return found


def _of_logger(file: Path, step: tuple[int, int] | None, last: tuple[int, int] | None) -> list[Record]:
    if step is None or last is None:
        return []
    rows = list(_rows(file))
    iteration = _iteration(rows, step, last)
    at = {name: value for name, found, value in rows if found == iteration}
    known = []
    for split, word in (("test", "test"), ("training", "train")):
        value = _share(at.get(f"{word}_error"))
        if value is None and (accuracy := _share(at.get(f"{word}_accuracy"))) is not None:
            value = 1 - accuracy
        if value is not None:
            known.append(Record(file, split, value, count_or_none(at.get(f"{word}_examples"))))
    return known


def _rows(file: Path) -> Iterator[tuple[str, int, float]]:
    try:
        text = read_bytes(file, most=MOST_BYTES).decode("utf-8", "replace")
    except BoundcalcError:
        return
    for line in text.splitlines():
        words = line.split(",")
        if len(line) > MOST_LINE or len(words) != 3 or not words[1].isascii() or not words[1].isdecimal():
            continue
        try:
            value = float(words[2])
        except ValueError:
            continue
        if math.isfinite(value):
            yield words[0], int(words[1]), value


def _iteration(
    rows: list[tuple[str, int, float]], step: tuple[int, int], last: tuple[int, int]
) -> int | None:
    """Return the iteration of a model file: the logger's last for the last model, otherwise in proportion to the
    epoch; None if unknown.
    """
    iterations = [iteration for _, iteration, _ in rows]
    if not iterations or step == last == (0, 0):
        return min(iterations, default=None)
    if step == last:
        return max(iterations)
    if step == (0, 0):
        return 0
    if last[1] or step[1] or not last[0] or max(iterations) * step[0] % last[0]:
        return None
    return max(iterations) * step[0] // last[0]


def _newest(folder: Path) -> Path | None:
    try:
        models = [entry for entry in entries(folder) if _MODEL.fullmatch(entry.name)]
    except BoundcalcError:
        return None
    return max(models, key=lambda entry: _step_of(entry) or (0, 0), default=None)


def _step_of(model: Path | None) -> tuple[int, int] | None:
    if model is None:
        return None
    if model.name == paths.TENSORS:
        return _step_of(_newest(model.parent))
    match = _MODEL.fullmatch(model.name)
    return (int(match[1]), int(match[2])) if match else None


def _share(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return ()
    good = (
        isinstance(value, list)
        and len(value) in {2, 6}
        and all(
            isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)
            for item in value
        )
    )
    return tuple(float(item) for item in value) if good else None
