"""Computations with one torch thread: small matrices, which more threads slow down, and sums that must round the same in every run.

Threads that wait for each other spin: on two cores, norm-based bounds took twice the processor time with two threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
