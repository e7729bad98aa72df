"""The training curve of one ticket, in the format of open_lth's logger: one line `name,iteration,value` per number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Row = tuple[str, int, float]


@dataclass(frozen=True)
class Curve:
    """Values measured during a training run, in the order of measurement.

    `running_loss` and `running_error` are means over an epoch, with each batch measured before its step; `train_loss` and
    `train_error` are measured on the whole training set at the start and at the end; `test_loss`, `test_error`,
    `test_accuracy` and `test_examples` on the test set at the start and after every epoch.

    Attributes:
        rows: triples of name, number of steps done, and value.
    """

    rows: tuple[Row, ...] = ()

    def with_rows(self, iteration: int, **values: float) -> Curve:
        """Return the curve, extended by values measured after `iteration` steps.

        Args:
            iteration: number of steps done.
            values: the values, by name.
        """
        return Curve((*self.rows, *((name, iteration, value) for name, value in values.items())))

    def of(self, name: str) -> tuple[float, ...]:
        """Return all values of a name."""
        return tuple(value for found, _, value in self.rows if found == name)

    def last(self, name: str) -> float | None:
        """Return the last value of a name, or None if there is none."""
        return next(iter(self.of(name)[-1:]), None)

    def text(self) -> str:
        """Return the logger's text, with all digits of the values."""
        return "\n".join(f"{name},{iteration},{value!r}" for name, iteration, value in self.rows)


def read(text: str) -> Curve:
    """Read a logger's text.

    Args:
        text: lines `name,iteration,value`.

    Returns:
        The curve.

    Example:
        >>> read("test_loss,0,2.5").last("test_loss")
        2.5
    """
    return Curve(tuple(_row(line.split(",")) for line in text.splitlines() if line.strip()))


def _row(words: Iterable[str]) -> Row:
    name, iteration, value = words
    return name, int(iteration), float(value)
