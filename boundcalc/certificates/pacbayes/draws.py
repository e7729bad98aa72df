"""One layer's part of the certificate: its prior, its posterior, and the draw that a hash decides."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.certificates.pacbayes.tables import (
    KEEP_LEVELS,
    PHASES,
    TOTAL,
    WIDTHS,
    Law,
    nearest_width,
    width_of,
)
from boundcalc.norms.rounding import LIBM

SCALES = tuple(range(1, 9))
"""Delta = 2^-scale."""
PRIOR_WIDTHS = tuple(range(8, 24))
PRIOR_KEEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 176, 224)
FORMAT = "boundcalc.pacbayes/1"
_TOP = 1 << 16
"""Largest absolute value of the center of a posterior."""


@dataclass(frozen=True)
class Prior:
    """The law of every weight and bias of one layer, fixed before the sample up to the choice on this grid.

    Attributes:
        scale: one of `SCALES`.
        keep: one of `PRIOR_KEEPS`, parts of 256 that are not at 0.
        width: one of `PRIOR_WIDTHS`.
    """

    scale: int
    keep: int
    width: int

    def __post_init__(self) -> None:
        if self.scale not in SCALES or self.keep not in PRIOR_KEEPS or self.width not in PRIOR_WIDTHS:
            raise ValueError(f"no prior of the grid: {self}")

    @property
    def delta(self) -> float:
        """Lattice spacing."""
        return 2.0**-self.scale

    @property
    def deviation(self) -> float:
        """Of the weights that are not at 0, in the weights' own unit."""
        return self.delta * width_of(self.width)

    def law(self, size: int) -> Law:
        """Return the law of `size` weights."""
        return Law(
            np.full(size, self.keep, dtype=np.int64), np.zeros(size, dtype=np.int64),
            np.full(size, self.width, dtype=np.int64),
        )  # fmt: skip


PRIOR_BITS = math.log2(len(SCALES) * len(PRIOR_KEEPS) * len(PRIOR_WIDTHS))


@dataclass(frozen=True, eq=False)
class Posterior:
    """The laws of one layer's numbers, weights first, biases after them.

    Attributes:
        keep: (n,) int64 in 0..256.
        centre: (n,) int64, sixteenths of the prior's lattice unit, between -65535 and 65535.
        width: (n,) int64 in 0..31.
    """

    keep: NDArray[np.int64]
    centre: NDArray[np.int64]
    width: NDArray[np.int64]

    def law(self) -> Law:
        """Return the laws."""
        return Law(self.keep, self.centre, self.width)

    def encode(self) -> bytes:
        """Return all of it as bytes; `decode` is the inverse."""
        return (
            self.keep.astype("<u2").tobytes() + self.centre.astype("<i4").tobytes() + self.width.astype("u1").tobytes()
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes, size: int) -> Posterior:
        """Return the posterior of `size` numbers that `encode` wrote.

        Raises:
            ValueError: no posterior of so many numbers has these bytes.
        """
        if len(data) != 7 * size:
            raise ValueError(f"{len(data)} bytes for {size} laws")
        keep = np.frombuffer(data, "<u2", size).astype(np.int64)
        centre = np.frombuffer(data, "<i4", size, 2 * size).astype(np.int64)
        width = np.frombuffer(data, "u1", size, 6 * size).astype(np.int64)
        if size and (keep.max() > KEEP_LEVELS or np.abs(centre).max() >= _TOP or width.max() >= WIDTHS):
            raise ValueError("a law's number is out of range")
        return cls(keep, centre, width)


def nearest_posterior(
    keep: NDArray[np.float64], mean: NDArray[np.float64], width: NDArray[np.float64], prior: Prior
) -> Posterior:
    """Return the posterior on the grid that is nearest to real numbers.

    Args:
        keep: (n,) in [0, 1], probability that a weight is not 0.
        mean: (n,) of what is not 0.
        width: (n,) its deviation.
        prior: of the layer.
    """
    centre = np.clip(np.rint(mean / prior.delta * PHASES), 1 - _TOP, _TOP - 1)
    kept = np.rint(np.clip(keep, 0, 1) * KEEP_LEVELS).astype(np.int64)
    numbers = nearest_width(width / prior.delta)
    dead = kept == 0
    return Posterior(kept, np.where(dead, 0, centre).astype(np.int64), np.where(dead, 0, numbers))


@dataclass(frozen=True, eq=False)
class SavedLayer:
    """One layer as it is saved.

    Attributes:
        prior: of the layer.
        posterior: of its numbers.
        draw: s, which of the hashed draws was taken.
    """

    prior: Prior
    posterior: Posterior
    draw: int

    def tree(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        packed = base64.b85encode(zlib.compress(self.posterior.encode(), 9)).decode()
        prior = self.prior
        return {
            "prior": {"scale": prior.scale, "keep": prior.keep, "width": prior.width},
            "posterior": packed,
            "draw": self.draw,
        }

    @classmethod
    def of_tree(cls, tree: Mapping[str, Any], size: int) -> SavedLayer:
        """Return what `tree` wrote, of a layer of `size` numbers.

        Raises:
            KeyError: an entry is missing.
            ValueError: an entry is damaged.
        """
        prior = Prior(*(_whole(tree["prior"][name]) for name in ("scale", "keep", "width")))
        unpack = zlib.decompressobj()
        try:
            data = unpack.decompress(base64.b85decode(str(tree["posterior"])), 7 * size + 1)
        except zlib.error as problem:
            raise ValueError(str(problem)) from None
        return cls(prior, Posterior.decode(data, size), _whole(tree["draw"]))


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no whole number")
    return value


class Oracle:
    """The draws' randomness: a hash of everything that could have been chosen before a draw, which nobody knows without asking.

    Args:
        facts: what was fixed or known before the first layer: architecture, digest of the sample, delta.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._past = hashlib.sha256(f"{FORMAT}\n{json.dumps(facts, sort_keys=True)}".encode()).digest()

    def uniform(self, prior: Prior, posterior: Posterior, draw: int) -> NDArray[np.int64]:
        """Return the answer for one draw of the next layer: numbers in 0..2^48 - 1, one for each weight."""
        return _numbers(self._question(prior, posterior, draw), posterior.keep.size)

    def anew(self, prior: Prior, posterior: Posterior, block: int, count: int) -> NDArray[np.int64]:
        """Return the answers for one block of draws that are not kept, (count, weights), of other questions than `uniform` asks."""
        size = posterior.keep.size
        return _numbers(self._question(prior, posterior, f"anew {block}"), count * size).reshape(count, size)

    def go_on(self, prior: Prior, posterior: Posterior, draw: int) -> None:
        """Append a draw of this layer to what is hashed for the next layer."""
        self._past = self._question(prior, posterior, draw).digest(32)

    def _question(self, prior: Prior, posterior: Posterior, draw: int | str) -> Any:
        question = hashlib.shake_256(self._past)
        question.update(f"{prior.scale} {prior.keep} {prior.width} {posterior.keep.size} {draw}\n".encode())
        question.update(posterior.encode())
        return question


def _numbers(question: Any, count: int) -> NDArray[np.int64]:
    found = np.frombuffer(question.digest(6 * count), "u1").reshape(count, 6)
    return found.astype(np.int64) @ (1 << np.arange(40, -1, -8, dtype=np.int64))


def within(values: NDArray[np.int64], prior: Prior) -> NDArray[np.int64]:
    """Return lattice points with those in the far tails of a prior, where its mass is 0, moved to 0."""
    points = prior.law(1).support()[1]
    return np.where((values < points.min()) | (values > points.max()), 0, values)


def divergence_bits(posterior: Posterior, prior: Prior) -> float:
    """Return KL(Q' || P) / log 2 of one layer from above, Q' being Q after `within`: a sum over all lattice points with a mass.

    Args:
        posterior: Q.
        prior: P.
    """
    which, values = posterior.law().support()
    law = Law(posterior.keep[which], posterior.centre[which], posterior.width[which])
    masses, kept = law.masses(values), within(values, prior)
    zeros = np.zeros_like(posterior.keep)
    pruned = posterior.law().masses(zeros)
    np.add.at(pruned, which, np.where(kept != values, masses, 0))
    left = (kept == values) & (values != 0)
    above = np.concatenate([masses[left], pruned[pruned > 0]])
    points = np.concatenate([values[left], zeros[pruned > 0]])
    below = prior.law(points.size).masses(points)
    shares = above.astype(np.float64) / TOTAL
    terms = np.stack([np.log2(above.astype(np.float64)), -np.log2(below.astype(np.float64))]) * shares
    return max(0.0, math.fsum(terms.ravel().tolist()) + 4 * LIBM * math.fsum(np.abs(terms).ravel().tolist()))


def log2_ratio(values: NDArray[np.int64], posterior: Law, prior: Law) -> float:
    """Return log2 of Q(h) / P(h) of one layer from above: a sum of logarithms of quotients of whole numbers.

    Args:
        values: (n,) int64, lattice points that were drawn from Q.
        posterior: Q.
        prior: P.

    Returns:
        Infinity where P(h) = 0.
    """
    above, below = posterior.masses(values), prior.masses(values)
    if not (below > 0).all():
        return math.inf
    terms = np.concatenate([np.log2(above.astype(np.float64)), -np.log2(below.astype(np.float64))])
    return math.fsum(terms.tolist()) + 2 * LIBM * math.fsum(np.abs(terms).tolist())
