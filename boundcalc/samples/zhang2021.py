"""Sample complexity of a pruned network with one hidden layer, from its mask (docs/theory/zhang2021.md).

Theorem. Gradient descent within a mask that contains the support of a teacher g(x) = (1/K) sum_j relu(w_j . x) with Gaussian
inputs learns the teacher, with probability at least 1 - K q^(-min_j r_j), from

      N(eps0) = c * eps0^-2 * kappa^4 Gamma^2 K^4 * r~ * log q   samples,
      r~ = (1/(8 K^4)) * ( sum_j sum_k (1 + delta_jk) sqrt(r_j + r_k) )^2,

where r_j >= 1 counts the surviving weights of neuron j, delta_jk = 1 if the supports of neurons j and k meet, else 0
(delta_jj = 1), and kappa = sigma_1 / sigma_K and Gamma = prod_i sigma_i / sigma_K are given by the singular values of the
teacher's weights. The proportionality to r~ is the paper's. The powers of eps0, kappa, Gamma and K were not checked against
its text, and the theory does not determine c.

Two ratios are free of constants at the same target: N / N_dense = r~ / r~_dense, and its square root, the factor by which
the distance of the radius of local convexity from its limit shrinks.

Source: Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Words = NDArray[np.uint64]

WORD = 64
MOST_PRODUCTS = 2**27
"""Multiplications up to which common inputs are counted by one matrix product; above it, bits are united."""

INPUTS_AT_ONCE = 64
"""Number of rows that are united between two checks whether the union holds every neuron."""


def r_tilde(support: Mask) -> float | None:
    """Return r~ = (1/(8 K^4)) (sum_j sum_k (1 + delta_jk) sqrt(r_j + r_k))^2, in weights.

    The ones are summed over all pairs of neurons, the delta_jk over the pairs whose supports meet.

    Args:
        support: mask, (groups, neurons, fan_in) bool; neurons of different groups read different inputs. Dead neurons
            are dropped.

    Returns:
        A number between min r_j / 4 and max r_j; None if no weight survives. It never falls when weights are added to
        live neurons, but it may fall when a dead neuron gets its first weight, because K grows.

    Source:
        Zhang, Wang, Liu, Chen & Xiong 2021; docs/theory/zhang2021.md.

    Example:
        >>> both_read_everything = np.ones((1, 2, 5), bool)
        >>> disjoint = np.eye(2, dtype=bool)[None].repeat(4, axis=2)
        >>> round(r_tilde(both_read_everything), 12), round(r_tilde(disjoint), 12)
        (5.0, 2.25)
    """
    alive = [group[group.any(1)] for group in support]
    fan_ins = [group.sum(1) for group in alive]
    K = sum(map(len, alive))
    if not K:
        return None
    every = sum_over_pairs(np.concatenate(fan_ins))
    meeting = math.fsum(sum_over_meeting_pairs(*group) for group in zip(alive, fan_ins, strict=True))
    return ((every + meeting) / K**2) ** 2 / 8


def r_tilde_dense(neurons_by_group: Counts, fan_in: int) -> float | None:
    """Return r~ of the same neurons with every weight of their patch; supports meet within a group, never across groups.

    Args:
        neurons_by_group: number of live neurons of each group, (groups,).
        fan_in: number of weights of a neuron, pruned ones included.

    Returns:
        r~ in weights, equal to `fan_in` if there is one group; None without neurons.

    Example:
        >>> r_tilde_dense(np.array([300]), 784)
        784.0
    """
    counts = [int(count) for count in neurons_by_group]
    neurons = sum(counts)
    if not neurons:
        return None
    meeting = sum(count**2 for count in counts)
    return fan_in * ((neurons**2 + meeting) / (2 * neurons**2)) ** 2


def log_samples(
    c: float, eps0: float, log_kappa4_gamma2: float, K: int, effective: float, log_q: float
) -> float:
    """Return log N for N = c eps0^-2 kappa^4 Gamma^2 K^4 r~ log q.

    Args:
        c: calibrated universal constant.
        eps0: accuracy in (0, 1).
        log_kappa4_gamma2: log of kappa^4 Gamma^2.
        K: number of neurons with a surviving weight.
        effective: r~ of the mask, in weights.
        log_q: log q in nats.
    """
    powers = log_kappa4_gamma2 + 4 * math.log(K) - 2 * math.log(eps0)
    return math.log(c) + powers + math.log(effective) + math.log(log_q)


def sum_over_pairs(fan_ins: Counts) -> float:
    """Return sum_jk sqrt(r_j + r_k) over all ordered pairs; `fan_ins` holds the (K,) values r_j."""
    values, counts = np.unique(fan_ins, return_counts=True)
    rows = zip(values, counts, strict=True)
    return math.fsum(count * float(counts @ np.sqrt(value + values)) for value, count in rows)


def sum_over_meeting_pairs(support: Mask, fan_ins: Counts) -> float:
    """Return sum_jk delta_jk sqrt(r_j + r_k) of one group: (K, d) bool without empty rows, and its (K,) row sums."""
    if not len(support):
        return 0.0
    return math.fsum(
        float(np.sqrt(fan_in + fan_ins[meets]).sum())
        for meets, fan_in in zip(_meeting(support), fan_ins, strict=True)
    )


def _meeting(support: Mask) -> Iterator[Mask]:
    """Yield for each neuron which neurons, (K,) bool, read an input that it reads, too."""
    if len(support) * support.size <= MOST_PRODUCTS:
        counts = support.astype(np.float32)
        yield from counts @ counts.T > 0
        return
    readers = _packed(np.ascontiguousarray(support.T))
    everyone = _packed(np.ones((1, len(support)), bool))[0]
    for row in support:
        yield _unpacked(_union(readers, np.flatnonzero(row), everyone), len(support))


def _packed(rows: Mask) -> Words:
    """Pack (n, K) bool into (n, ceil(K / 64)) words of bits."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // WORD) * WORD // 8), np.uint8)
    bits = np.packbits(rows, axis=1)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def _unpacked(words: Words, neurons: int) -> Mask:
    return np.unpackbits(words.view(np.uint8), count=neurons).view(np.bool_)


def _union(readers: Words, inputs: NDArray[np.intp], everyone: Words) -> Words:
    """Return the union of the given rows of `readers`, (words,); stop early once it equals `everyone`, the largest possible."""
    union = np.zeros_like(everyone)
    for start in range(0, len(inputs), INPUTS_AT_ONCE):
        union |= np.bitwise_or.reduce(readers[inputs[start : start + INPUTS_AT_ONCE]], axis=0)
        if np.array_equal(union, everyone):
            break
    return union
