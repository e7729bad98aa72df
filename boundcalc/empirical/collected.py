"""Numbers that come batch by batch, in one block of memory from the start."""

from __future__ import annotations

import torch


class Collected:
    """Collects one number a sample.

    A list of a small tensor a batch would do, were it not for the allocator: each of them lands in the block that the last batch has
    just given back, which is then too short for the next, so that a pass over 20 GB takes 20 GB.

    Args:
        count: of the numbers; None where only the last batch tells.

    Example:
        >>> found = Collected(None)
        >>> for batch in ([3.0, 1.0], [2.0]):
        ...     found.add(torch.tensor(batch, dtype=torch.float64))
        >>> found.sorted().tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(self, count: int | None) -> None:
        self._numbers = torch.empty(count or 1024, dtype=torch.float64)
        self._count = 0

    def add(self, numbers: torch.Tensor) -> None:
        """Take the numbers of a batch, (b,) float64."""
        end = self._count + len(numbers)
        if end > len(self._numbers):
            longer = torch.empty(max(end, 2 * len(self._numbers)), dtype=torch.float64)
            longer[: self._count] = self._numbers[: self._count]
            self._numbers = longer
        self._numbers[self._count : end] = numbers
        self._count = end

    def in_order(self) -> torch.Tensor:
        """Return all numbers as they came, (m,) float64."""
        return self._numbers[: self._count].clone()

    def sorted(self) -> torch.Tensor:
        """Return all numbers in rising order, (m,) float64."""
        return self._numbers[: self._count].sort().values
