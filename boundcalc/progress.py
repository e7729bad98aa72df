"""Progress of long computations, reported to a listener if there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class ProgressListener(Protocol):
    """The receiver of progress reports."""

    def stage(self, text: str) -> None:
        """Receive a description of what is being computed."""

    def count(self, what: str, done: int, total: int | None) -> None:
        """Receive how many items are done, and their total number if it is known."""


_listener: ContextVar[ProgressListener | None] = ContextVar("listener", default=None)
_counter: ContextVar[Callable[[int], None] | None] = ContextVar("counter", default=None)


@contextmanager
def reporting_to(listener: ProgressListener) -> Iterator[None]:
    """Report the progress of everything computed in the block to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def stage(text: str) -> None:
    """Report what is being computed now."""
    listener = _listener.get()
    if listener is not None:
        listener.stage(text)


def counter(what: str, total: int | None = None) -> Callable[[int], None]:
    """Return a function to call with the number of further items that are done.

    Args:
        what: name of the counted items, in the plural.
        total: total number of items, if known.
    """
    listener, done = _listener.get(), 0

    def add(steps: int) -> None:
        nonlocal done
        done += steps
        if listener is not None:
            listener.count(what, done, total)

    return add


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[None]:
    """Count the calls of `advance` in the block; for the arguments see `counter`."""
    token = _counter.set(counter(what, total))
    try:
        yield
    finally:
        _counter.reset(token)


def advance() -> None:
    """Report that one more item is done."""
    add = _counter.get()
    if add is not None:
        add(1)
