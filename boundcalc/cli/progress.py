"""Progress on standard error, and only when that is a terminal: what is computed now, and for how long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.empirical.measure import Batch

TICK = 0.5
"""Seconds between two refreshings of the time."""


class Stages:
    """A line that says what is computed and since when; a bar of samples in its place during a pass over the data.

    Used as a context; where nobody would see it, nothing is shown.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._line: Any = None
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Stages:
        if self._shown:
            self.tell("reading")
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
        self._clear()

    def tell(self, text: str) -> None:
        """Say what is computed now."""
        if not self._shown:
            return
        from tqdm import tqdm

        self._clear()
        self._line = tqdm(desc=text, bar_format="{elapsed} {desc}", leave=False, file=sys.stderr)

    def passing(self, batches: Iterable[Batch], split: str, samples: int | None) -> Iterator[Batch]:
        """Pass batches on, and count their samples."""
        if not self._shown:
            yield from batches
            return
        from tqdm import tqdm

        self._clear()
        with tqdm(desc=f"{split} samples", total=samples, unit="", leave=False, file=sys.stderr) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch[1]))

    def _clear(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            line = self._line
            if line is not None:
                with suppress(Exception):
                    line.refresh()
