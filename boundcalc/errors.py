"""What boundcalc raises, each with the exit status the command line gives it.

Every message is one line and names the file, the key or the layer, and what to do.
"""

from __future__ import annotations

from pathlib import Path


class BoundcalcError(Exception):
    """Base of all errors that a user can cause; ``exit_status`` is the command's exit status."""

    exit_status = 1

    def __str__(self) -> str:
        """Return the message folded to one line."""
        return " ".join(super().__str__().split())


class UsageError(BoundcalcError):
    """Wrong options: exit status 2."""

    exit_status = 2


class CheckpointError(BoundcalcError):
    """A checkpoint, mask, reference or model file that is unreadable or refused: exit status 3.

    Args:
        path: the file (or folder) at fault; always named first in the message.
        problem: what is wrong and what to do, one line; names the key or layer where there is one.
    """

    exit_status = 3

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = str(path)


class DataError(BoundcalcError):
    """Data that is unreadable or does not fit the network: exit status 3."""

    exit_status = 3


class NotCovered(BoundcalcError):
    """A bound's assumptions do not hold for this network; the report prints the reason instead of a number.

    Args:
        operation: what is not covered, e.g. ``"max_pool2d"``.
        layer: the layer where it stands.
    """

    def __init__(self, operation: str, layer: str = "") -> None:
        super().__init__(f"{operation} at {layer}" if layer else operation)
        self.operation = operation
        self.layer = layer
