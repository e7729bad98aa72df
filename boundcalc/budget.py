"""How much memory the content of one file may take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from boundcalc.errors import BoundcalcError, CheckpointError
from boundcalc.files import Refuse

LEAST = 2e9
"""Bytes that any file may take, however small it is."""

TIMES = 4
"""How often its own size a file may take: numbers of 16 bits become numbers of 64."""


@dataclass
class Budget:
    """Bytes of memory that one file may still take; passed to whatever makes more of a file than it holds.

    Attributes:
        path: of the file, for errors.
        limit: bytes in all.
        refuse: makes the error.
        taken: bytes so far.
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
            path: of the file.
            size: of the file in bytes; of all its files, where it has several.
            max_memory: gigabytes, as the user gave them; None for the rule: `TIMES` the file's size or `LEAST`, whichever is larger.
            refuse: makes the error.
        """
        limit = max(TIMES * size, LEAST) if max_memory is None else max_memory * 1e9
        return cls(path, limit, refuse)

    def take(self, size: int, what: str) -> None:
        """Count bytes before they are allocated.

        Args:
            size: how many.
            what: needs them, for the error.

        Raises:
            BoundcalcError: the file would take more than its budget; of the kind that `refuse` makes.
        """
        self.check(size, what)
        self.taken += size

    def check(self, size: int, what: str) -> None:
        """Refuse what would be more than the budget beside all that was taken, without counting it: memory that is given back.

        Args:
            size: in bytes.
            what: needs them, for the error.

        Raises:
            BoundcalcError: the file would take more than its budget; of the kind that `refuse` makes.
        """
        if self.taken + size > self.limit:
            raise self.error(what, self.taken + size)

    def settle(self, size: int) -> None:
        """Count what is left once a file has been read, in the place of all that reading took.

        Args:
            size: bytes that are still held.
        """
        self.taken = size

    def error(self, what: str, needed: int) -> BoundcalcError:
        """Return the error of a file that takes more than its budget.

        Args:
            what: needs too much.
            needed: bytes in all, with it.
        """
        gigabytes = math.ceil(needed / 1e6) / 1e3
        return self.refuse(
            self.path,
            f"{what} would take the file above {self.limit / 1e9:.3g} GB of memory; if that is no mistake, raise --max-memory, "
            f"to {gigabytes:.10g} or more",
        )
