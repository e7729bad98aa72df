"""Work that wants one thread of torch: small matrices, for which more are slower, and sums that must round alike in every run.

Threads that wait for each other spin: on two cores bounds by norms took twice the processor time with two threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
