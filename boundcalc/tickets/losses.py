"""Training losses, each a mean over a batch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def mean_square(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared difference between outputs `(b, classes)` and one-hot labels `(b,)`, over all entries."""
    return functional.mse_loss(logits, functional.one_hot(labels, logits.shape[1]).to(logits.dtype))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": functional.cross_entropy,
    "mse": mean_square,
}
"""Name -> loss of logits `(b, classes)` and labels `(b,)` int64."""
