"""The procedure of picking, for any learner: rounds of "add the examples of highest score, train on what is picked"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Learner(Protocol):
    """What is trained. The theorem asks two things of it, which `stable` tests.

    A score depends on the network and on that one example alone, to the last bit; training looks at the picked examples
    alone, in the order in which they are given.
    """

    def scores(self) -> NDArray[np.float64]:
        """Return the score of every example of the sample under the present network, (N,), not NaN; those of picked
        examples are not used.
        """
        ...

    def learn(self, picked: Indices, round: int) -> None:
        """Train on the picked examples, given in the order in which they were picked; rounds count from 0."""
        ...

    def wrong(self) -> NDArray[np.bool_]:
        """Return which examples the network of the latest scores gets wrong, (N,)."""
        ...

    def state(self) -> Any:
        """Return a copy of the present network."""
        ...

    def restore(self, state: Any) -> None:
        """Go back to a network that `state` returned."""
        ...


@dataclass(frozen=True, eq=False)
class Picked:
    """What the rounds picked.

    Attributes:
        rounds: indices into the sample, round by round, highest score first; up to the round that was kept.
        wrong: after each of these rounds, how many examples that were not picked the network gets wrong.
    """

    rounds: tuple[Indices, ...]
    wrong: tuple[int, ...]

    def until(self, rounds: int) -> Indices:
        """Return T after that many rounds, in the order in which it was picked."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self.rounds[:rounds]])


def pick(
    learner: Learner,
    sizes: Sequence[int],
    order: NDArray[np.float64],
    after: Callable[[int], None] | None = None,
    apart: Indices | None = None,
    candidates: int = 1,
) -> Picked:
    """Run the rounds.

    Where nothing is set aside the first round picks by the random numbers alone: the scores of an untrained network say
    nothing.

    Args:
        learner: at its initial network.
        sizes: b_r, how many examples each round adds; fixed before the sample.
        order: the examples' own random numbers, (N,); among equal scores the smallest goes first.
        after: called after each round, with the number of rounds done.
        apart: rows that were set aside for the first network and are never picked; None for none.
        candidates: of the last so many rounds the one of smallest compression is kept, the first of equals. The theorem holds
            for each of them; whoever announces J pays log2 J bits.

    Returns:
        The picks. `learner` is left with the network that was kept.

    Raises:
        ValueError: the rounds ask for more examples than there are, or a score is NaN.
    """
    samples, aside = len(order), 0 if apart is None else len(apart)
    if sum(sizes) > samples - aside or min(sizes, default=0) < 0:
        raise ValueError(f"{sum(sizes)} picks from {samples - aside} examples")
    left = np.ones(samples, dtype=bool)
    if apart is not None:
        left[apart] = False
    rounds: list[Indices] = []
    wrong: list[int] = []
    best: tuple[int, int, Any] | None = None
    scores = learner.scores() if aside else np.zeros(samples)
    for number, size in enumerate(sizes, start=1):
        rounds.append(highest(scores, order, left, size))
        left[rounds[-1]] = False
        learner.learn(np.concatenate(rounds), number - 1)
        scores = learner.scores()
        wrong.append(int((learner.wrong() & left).sum()))
        compression = sum(sizes[:number]) + wrong[-1]
        if 1 < candidates > len(sizes) - number and (best is None or compression < best[0]):
            best = compression, number, learner.state()
        if after is not None:
            after(number)
    kept = len(sizes)
    if best is not None:
        _, kept, state = best
        learner.restore(state)
    return Picked(tuple(rounds[:kept]), tuple(wrong[:kept]))


def highest(
    scores: NDArray[np.float64], order: NDArray[np.float64], left: NDArray[np.bool_], size: int
) -> Indices:
    """Return the `size` examples of highest score among those left, highest first; equal scores by their random number.

    Raises:
        ValueError: a score is NaN.

    Example:
        >>> order, left = np.array([0.1, 0.7, 0.2, 0.5]), np.array([True, True, True, False])
        >>> highest(np.array([1.0, 3.0, 3.0, 9.0]), order, left, 2).tolist()
        [2, 1]
    """
    candidates = np.flatnonzero(left)
    if np.isnan(scores[candidates]).any():
        raise ValueError("a score is NaN")
    ranked = np.lexsort((order[candidates], -scores[candidates]))
    return candidates[ranked[:size]]
