"""Whether examples of one split are in another, to the byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from boundcalc import progress
from boundcalc.empirical.split import Split


def shared(examples: Split, sample: Split) -> tuple[int, int]:
    """Count the examples that a sample holds, too, as both are stored.

    Args:
        examples: a split.
        sample: another.

    Returns:
        How many of the first are in the second, and how many there are.
    """
    known = set(_digests(sample))
    found = [digest in known for digest in _digests(examples)]
    return sum(found), len(found)


def _digests(split: Split) -> Iterator[bytes]:
    add = progress.counter("samples", split.m)
    for x, _ in split.source.raw(4096):
        flat = x.reshape(len(x), -1)
        for row in flat:
            yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        add(len(x))
