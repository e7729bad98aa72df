"""Progress on standard error, and only when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boundcalc.empirical.measure import Batch, Progress


def progress_bar() -> Progress | None:
    """Return a bar that counts samples, or None where nobody would see it."""
    return _bar if sys.stderr is not None and sys.stderr.isatty() else None


def _bar(batches: Iterable[Batch], split: str, samples: int | None) -> Iterator[Batch]:
    from tqdm import tqdm

    with tqdm(desc=f"{split} samples", total=samples, unit="", leave=False, file=sys.stderr) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch[1]))
