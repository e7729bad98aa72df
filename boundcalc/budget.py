"""Limits on the memory that the content of one file may take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from boundcalc.errors import BoundcalcError, CheckpointError
from boundcalc.files import Refuse

LEAST_BYTES = 2e9
"""Bytes of memory that any file may take, however small it is."""

MEMORY_FACTOR = 4
"""Memory that a file may take as a multiple of its size: 16-bit numbers become 64-bit numbers."""


@dataclass
class Budget:
    """The memory that one file may still take; passed to code that expands the content of a file.

    Attributes:
        path: path of the file, for errors.
        limit: bytes allowed in total.
        refuse: function that makes the error.
        taken: bytes taken so far.
    """

    path: str | Path
    limit: float
    refuse: Refuse = CheckpointError
    taken: int = field(default=0, init=False)

    @classmethod
    def of(
        cls, path: str | Path, size: int, max_memory: float | None = None, refuse: Refuse = CheckpointError
    ) -> Budget:
        """Return the budget of a file.

        Args:
            path: path of the file.
            size: size of the file in bytes; the total size if there are several files.
            max_memory: gigabytes set by the user; None for the default: `MEMORY_FACTOR` times the file's size or
                `LEAST_BYTES`, whichever is larger.
            refuse: function that makes the error.
        """
        limit = max(MEMORY_FACTOR * size, LEAST_BYTES) if max_memory is None else max_memory * 1e9
        return cls(path, limit, refuse)

    def take(self, size: int, what: str) -> None:
        """Count bytes before they are allocated.

        Args:
            size: number of bytes.
            what: what needs them, for the error.

        Raises:
            BoundcalcError: the file would take more than its budget; the error is made by `refuse`.
        """
        self.check(size, what)
        self.taken += size

    def check(self, size: int, what: str) -> None:
        """Refuse memory that would exceed the budget, without counting it: for memory that is released again.

        Args:
            size: number of bytes.
            what: what needs them, for the error.

        Raises:
            BoundcalcError: the file would take more than its budget; the error is made by `refuse`.
        """
        if self.taken + size > self.limit:
            raise self.error(what, self.taken + size)

    def settle(self, size: int) -> None:
        """Replace the bytes counted while a file was read by those that are still held.

        Args:
            size: number of bytes that are still held.
        """
        self.taken = size

    def error(self, what: str, needed: int) -> BoundcalcError:
        """Return the error for a file that takes more than its budget.

        Args:
            what: what needs too much memory.
            needed: total number of bytes needed, including it.
        """
        gigabytes = math.ceil(needed / 1e6) / 1e3
        return self.refuse(
            self.path,
            f"{what} would exceed the limit of {self.limit / 1e9:.3g} GB of memory; if the file is "
            f"right, raise --max-memory to {gigabytes:.10g} or more",
        )
