"""Progress on standard error if that is a terminal: what is being computed, for how long, and how much is done."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, suppress
from typing import Any

from boundcalc.progress import reporting_to

REFRESH_SECONDS = 0.5
"""Seconds between two updates of the line."""


class Stages:
    """A progress line: what is being computed, for how long, and how many samples or passes are done.

    Used as a context; nothing is shown if standard error is not a terminal.

    Args:
        quiet: whether to show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._line: Any = None
        self._text = ""
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._reporting = ExitStack()

    def __enter__(self) -> Stages:
        if self._shown:
            self._reporting.enter_context(reporting_to(self))
            self.stage("reading")
            self._ticker.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._reporting.close()
        self._over.set()
        if self._shown:
            self._ticker.join()
        self._clear()

    def stage(self, text: str) -> None:
        """Show what is being computed now."""
        if not self._shown:
            return
        from tqdm import tqdm

        self._clear()
        self._text = text
        self._line = tqdm(desc=text, bar_format="{elapsed} {desc}", leave=False, file=sys.stderr)

    def count(self, what: str, done: int, total: int | None) -> None:
        """Show how much is done, when the line is next refreshed."""
        line = self._line
        if line is not None:
            of = "" if total is None else f" of {total:,}"
            line.set_description_str(f"{self._text}: {done:,}{of} {what}", refresh=False)

    def _clear(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _tick(self) -> None:
        while not self._over.wait(REFRESH_SECONDS):
            line = self._line
            if line is not None:
                with suppress(Exception):
                    line.refresh()
