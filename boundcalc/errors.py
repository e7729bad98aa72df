"""The exceptions of boundcalc, each with the exit status that the command line returns for it.

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
        problem: what is wrong and what to do, in one line; names the key or layer if there is one.
    """

    exit_status = 3

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{short_path(path)}: {problem}")
        self.path, self.problem = str(path), problem
        self.problem = problem


class ArchitectureUnknown(CheckpointError):
    """The weights of a checkpoint were read, but the network to which they belong is unknown."""


class DataError(BoundcalcError):
    """Data are unreadable or do not fit the network: exit status 3."""

    exit_status = 3

    @classmethod
    def at(cls, path: str | Path, problem: str) -> DataError:
        """Return the error for a file.

        Args:
            path: the file (or folder) at fault; always named first in the message.
            problem: what is wrong and what to do, in one line.
        """
        return cls(f"{short_path(path)}: {problem}")


class SampleError(DataError):
    """One sample or label cannot be used; the rest of its file is sound."""


class NotCovered(BoundcalcError):
    """A bound's assumptions do not hold for this network; the report prints the reason instead of a number.

    Args:
        operation: the operation that is not covered, e.g. ``"max_pool2d"``.
        layer: name of its layer.
        every: sentence that names all operations that are not covered, if there are several.
        blockers: operation and layer of each of them; by default only this one.
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
    """A bound needs an input that was not given, such as data; nothing in the network prevents it.

    Args:
        what: the input, with the option that provides it in parentheses.
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
    """Turn every exception from reading a file into a `BoundcalcError`, whatever bytes it holds and whichever library fails.

    The message names the file and the first line of the original exception, which remains the error's cause; BOUNDCALC_DEBUG=1
    shows it in full. Only readers use this: an exception in an analysis is a bug, and is left as it is.

    Args:
        path: the file that is read.
        refuse: function that makes the error.
        what: what to say about the file.

    Yields:
        Nothing.

    Raises:
        BoundcalcError: raised instead of any other exception, and made by `refuse`.
    """
    try:
        yield
    except BoundcalcError:
        raise
    except Exception as problem:
        raise refuse(path, f"{what}: {first_line(problem)}") from problem


def first_line(problem: BaseException) -> str:
    """Return the first line of a library's exception, with the exception's type.

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
    """Return whether an exception means that memory ran out; PyTorch's allocator raises RuntimeError for that.

    Args:
        problem: any exception.
    """
    return isinstance(problem, MemoryError) or "can't allocate memory" in str(problem)
