"""What boundcalc raises, each with the exit status the command line gives it.

Every message is one line and names the file, the key or the layer, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from boundcalc.plain_text import message, short_path


class BoundcalcError(Exception):
    """Base of all errors that a user can cause; ``exit_status`` is the command's exit status."""

    exit_status = 1

    def __str__(self) -> str:
        """Return the message folded to one line that a terminal shows as it is."""
        return message(super().__str__())


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
        super().__init__(f"{short_path(path)}: {problem}")
        self.path, self.problem = str(path), problem
        self.problem = problem


class ArchitectureUnknown(CheckpointError):
    """A checkpoint whose weights were read, but not the network that they belong to."""


class DataError(BoundcalcError):
    """Data that is unreadable or does not fit the network: exit status 3."""

    exit_status = 3

    @classmethod
    def at(cls, path: str | Path, problem: str) -> DataError:
        """Return the error for a file.

        Args:
            path: the file (or folder) at fault; always named first in the message.
            problem: what is wrong and what to do, one line.
        """
        return cls(f"{short_path(path)}: {problem}")


class SampleError(DataError):
    """One sample or label that cannot be used; the rest of its file is sound."""


class NotCovered(BoundcalcError):
    """A bound's assumptions do not hold for this network; the report prints the reason instead of a number.

    Args:
        operation: what is not covered, e.g. ``"max_pool2d"``.
        layer: the layer where it stands.
        every: the sentence that names this and all other operations that are not covered, where there are others.
        blockers: operation and layer of each of them; by default this one.
    """

    def __init__(
        self, operation: str, layer: str = "", every: str = "", blockers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(every or (f"{operation} at {layer}" if layer else operation))
        self.operation = operation
        self.layer = layer
        self.every = every
        self.blockers = blockers or ((operation, layer),)


class NeedsInput(NotCovered):
    """A bound that needs what was not given with the checkpoint, such as data; nothing of the network is in its way.

    Args:
        what: the input, and in parentheses how it is given.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"needs {what}")
        self.what = what


@contextmanager
def only_own_errors(
    path: str | Path,
    refuse: Callable[[str | Path, str], BoundcalcError] = CheckpointError,
    *,
    what: str = "cannot be read",
) -> Iterator[None]:
    """Let nothing but a `BoundcalcError` leave the reading of a file, whatever bytes it holds and whichever library trips over them.

    The line names the file and the first line of what was raised; the whole of it stays the error's cause, which BOUNDCALC_DEBUG=1
    shows. Only readers stand under this: an error of an analysis is a bug, and stays what it is.

    Args:
        path: the file that is read.
        refuse: makes the error.
        what: to say of the file.

    Yields:
        Nothing.

    Raises:
        BoundcalcError: in the place of any other exception; of the kind that `refuse` makes.
    """
    try:
        yield
    except BoundcalcError:
        raise
    except Exception as problem:
        raise refuse(path, f"{what}: {first_line(problem)}") from problem


def first_line(problem: BaseException) -> str:
    """Return the first line of what a library raised, with its kind where it says little.

    Args:
        problem: any exception.
    """
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if is_allocation_failure(problem):
        return "not enough memory for it"
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0][:160]}" if lines else type(problem).__name__


def is_allocation_failure(problem: BaseException) -> bool:
    """Tell whether memory ran out, of which PyTorch's allocator tells by a RuntimeError.

    Args:
        problem: any exception.
    """
    return isinstance(problem, MemoryError) or "can't allocate memory" in str(problem)
