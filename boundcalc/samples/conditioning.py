"""How linearly independent the rows of a weight matrix are: kappa and Gamma from its singular values, in log domain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

UNIT = 2.0**-52


@dataclass(frozen=True)
class Conditioning:
    """Statistics of the singular values sigma_1 >= ... >= sigma_K of the teacher's weight matrix, estimated by the
    checkpoint's.

    Attributes:
        log_sigma_1: log of the largest; None if all weights are 0.
        log_sigma_k: log of the smallest; None if the matrix is rank-deficient.
        log_kappa: log of kappa = sigma_1 / sigma_K; None if the matrix is rank-deficient.
        log_gamma: log of Gamma = prod_i sigma_i / sigma_K, which easily overflows a double; None if the matrix is
            rank-deficient.
    """

    log_sigma_1: float | None
    log_sigma_k: float | None
    log_kappa: float | None
    log_gamma: float | None

    @property
    def rank_deficient(self) -> bool:
        """Whether sigma_K is 0 up to double precision, or all weights are 0."""
        return self.log_kappa is None

    @property
    def log_kappa4_gamma2(self) -> float | None:
        """Log of kappa^4 Gamma^2; None if the matrix is rank-deficient."""
        if self.log_kappa is None or self.log_gamma is None:
            return None
        return 4 * self.log_kappa + 2 * self.log_gamma


def conditioning(weight: torch.Tensor, neurons: int) -> Conditioning:
    """Return the statistics of the singular values of a layer; neurons without weights are ignored.

    Args:
        weight: diagonal blocks of the layer's matrix, (groups, neurons of a group, fan_in) float64, 0 where pruned.
        neurons: number K of nonzero rows.

    Returns:
        The statistics. The matrix counts as rank-deficient if sigma_K is at most max(K, inputs) 2^-52 sigma_1.

    Source:
        Zhang, Wang, Liu, Chen & Xiong 2021; docs/theory/zhang2021.md.

    Example:
        >>> found = conditioning(torch.diag(torch.tensor([8.0, 4.0, 2.0], dtype=torch.float64))[None], 3)
        >>> round(math.exp(found.log_kappa)), round(math.exp(found.log_gamma))
        (4, 8)
    """
    largest = float(weight.abs().max()) if weight.numel() else 0.0
    if largest == 0.0:
        return Conditioning(None, None, None, None)
    values = _singular_values(weight / largest)[:neurons]
    shift = math.log(largest)
    log_sigma_1 = math.log(float(values[0])) + shift
    inputs = weight.shape[0] * weight.shape[2]
    if len(values) < neurons or float(values[-1]) <= max(neurons, inputs) * UNIT * float(values[0]):
        return Conditioning(log_sigma_1, None, None, None)
    logs = values.log()
    gamma = math.fsum((logs - logs[-1]).tolist())
    return Conditioning(log_sigma_1, float(logs[-1]) + shift, float(logs[0] - logs[-1]), gamma)


def _singular_values(blocks: torch.Tensor) -> torch.Tensor:
    """Return all singular values of (groups, rows, columns) in descending order; wide blocks are reduced by QR first."""
    read = blocks[:, :, (blocks != 0).any(1).any(0)]
    with _one_thread():
        if read.shape[2] > read.shape[1]:
            read = torch.linalg.qr(read.mT, mode="r").R.mT
        return torch.linalg.svdvals(read).flatten().sort(descending=True).values


@contextmanager
def _one_thread() -> Iterator[None]:
    """Restrict torch to one thread: on a busy machine two threads make these factorizations hundreds of times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
