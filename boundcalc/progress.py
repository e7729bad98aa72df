"""How far a long computation is, for whoever waits: a listener is told; where there is none, nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    """Who is told."""

    def stage(self, text: str) -> None:
        """Take note of what is computed now."""

    def count(self, what: str, done: int, total: int | None) -> None:
        """Take note of how many are done, and of how many, where that is known."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_counter: ContextVar[Callable[[int], None] | None] = ContextVar("counter", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Have a listener told of all that is computed inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def stage(text: str) -> None:
    """Say what is computed now."""
    listener = _listener.get()
    if listener is not None:
        listener.stage(text)


def counter(what: str, total: int | None = None) -> Callable[[int], None]:
    """Return a function that is called with how many more are done.

    Args:
        what: is counted, a plural.
        total: how many there will be, where that is known.
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
    """Count the calls of `advance` inside; arguments as `counter`."""
    token = _counter.set(counter(what, total))
    try:
        yield
    finally:
        _counter.reset(token)


def advance() -> None:
    """Say that one more of what is counted is done."""
    add = _counter.get()
    if add is not None:
        add(1)
