"""The training curve of one ticket, in the form of open_lth's logger: a line `name,iteration,value` a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Row = tuple[str, int, float]


@dataclass(frozen=True)
class Curve:
    """Numbers of a training run, in the order in which they were measured.

    `running_loss` and `running_error` are means over an epoch, of each batch before its step; `train_loss` and
    `train_error` are of the whole training set at the start and at the end; `test_loss`, `test_error`,
    `test_accuracy` and `test_examples` are of the test set at the start and after every epoch.

    Attributes:
        rows: name, steps done, value.
    """

    rows: tuple[Row, ...] = ()

    def with_rows(self, iteration: int, **values: float) -> Curve:
        """Return the curve with values measured after `iteration` steps.

        Args:
            iteration: steps done.
            values: by name.
        """
        return Curve((*self.rows, *((name, iteration, value) for name, value in values.items())))

    def of(self, name: str) -> tuple[float, ...]:
        """Return all values of a name."""
        return tuple(value for found, _, value in self.rows if found == name)

    def last(self, name: str) -> float | None:
        """Return the last value of a name, None where there is none."""
        return next(iter(self.of(name)[-1:]), None)

    def text(self) -> str:
        """Return the logger's text, values with all their digits."""
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
