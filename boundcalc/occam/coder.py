"""Three uses of one code: measuring its length in bits, writing it as bytes, and reading the symbols from the bytes.

Every choice is uniform over a number of possibilities that the receiver already knows, so a codeword of probability p has
length log2(1/p), and the arithmetic coder needs at most one byte more (Rissanen & Langdon 1979). Python's integers keep the
coder exact; its 64 spare bits lose less than 2^-34 bits per symbol.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from boundcalc.norms.rounding import LGAMMA, LIBM, LOG2

TOP, BOTTOM = 96, 64
"""The coder's interval has between 2^64 and 2^96 parts."""


def log2_factorial(n: int) -> float:
    """Return log2 of n!, with a relative error of at most `LGAMMA`."""
    return math.lgamma(n + 1) / LOG2


def log2_multinomial(counts: list[int]) -> float:
    """Return an upper bound on log2 of the number of sequences with these counts.

    Example:
        >>> round(log2_multinomial([2, 1, 1]), 6) == round(math.log2(12), 6)
        True
    """
    if sum(count > 0 for count in counts) < 2:
        return 0.0
    parts = [log2_factorial(count) for count in counts]
    whole = log2_factorial(sum(counts))
    return whole - math.fsum(parts) + 2 * LGAMMA * (whole + math.fsum(parts))


def log2_binomial(n: int, k: int) -> float:
    """Return an upper bound on log2 of n choose k.

    Example:
        >>> round(log2_binomial(4, 2), 6)
        2.584963
    """
    return log2_multinomial([k, n - k])


class Channel(Protocol):
    """Carries choices from a sender to a receiver; each method returns the choice that the receiver obtains.

    A sender passes the value; a receiver passes None.
    """

    def section(self, name: str) -> None:
        """Name the section to which the following choices belong."""
        ...

    def uniform(self, value: int | None, total: int) -> int:
        """Carry an integer in 0..total-1."""
        ...

    def sequence(self, symbols: np.ndarray | None, counts: list[int]) -> np.ndarray:
        """Carry a sequence in which symbol k occurs `counts[k]` times; both sides know the counts."""
        ...


class Meter:
    """Measures the length of a codeword."""

    def __init__(self) -> None:
        self._terms: dict[str, list[float]] = {}
        self._section = ""

    @property
    def bits(self) -> dict[str, float]:
        """Upper bound on the length of each section so far."""
        return {name: math.fsum(terms) * (1 + LIBM) for name, terms in self._terms.items()}

    def section(self, name: str) -> None:
        """Count the following choices under this name."""
        self._section = name
        self._terms.setdefault(name, [])

    def uniform(self, value: int | None, total: int) -> int:
        """Add log2(total)."""
        assert value is not None and 0 <= value < total
        self._terms[self._section].append(math.log2(total) * (1 + LIBM))
        return value

    def sequence(self, symbols: np.ndarray | None, counts: list[int]) -> np.ndarray:
        """Add log2 of the multinomial coefficient."""
        assert symbols is not None
        self._terms[self._section].append(log2_multinomial(counts))
        return symbols


class Writer:
    """Writes a codeword as bytes."""

    def __init__(self) -> None:
        self._low, self._range, self._out = 0, 1 << TOP, bytearray()

    def section(self, name: str) -> None:
        """Do nothing: sections follow one another without a gap."""

    def uniform(self, value: int | None, total: int) -> int:
        """Write an integer in 0..total-1."""
        assert value is not None and 0 <= value < total
        self._put(value, 1, total)
        return value

    def sequence(self, symbols: np.ndarray | None, counts: list[int]) -> np.ndarray:
        """Write a sequence; each symbol's probability is its share of the remaining symbols."""
        assert symbols is not None
        left, total = list(counts), sum(counts)
        for symbol in symbols.tolist():
            if left[symbol] == total:
                return symbols
            self._put(sum(left[:symbol]), left[symbol], total)
            left[symbol] -= 1
            total -= 1
        return symbols

    def finish(self) -> bytes:
        """Return the shortest bytes from which every reader ends up in the coder's interval, whatever bytes follow."""
        count = 0
        while self._point(count) >= self._low + self._range:
            count += 1
        self._low = self._point(count)
        self._carry()
        for _ in range(count):
            self._emit()
        return bytes(self._out)

    def _point(self, count: int) -> int:
        """Return the first point of the interval that `count` more bytes can express."""
        unit = 1 << (TOP - 8 * count)
        return -(-self._low // unit) * unit

    def _put(self, below: int, own: int, total: int) -> None:
        part = self._range // total
        self._low += part * below
        self._range = part * own
        while self._range < 1 << BOTTOM:
            self._emit()
            self._range <<= 8

    def _emit(self) -> None:
        self._carry()
        self._out.append(self._low >> (TOP - 8))
        self._low = (self._low << 8) & ((1 << TOP) - 1)

    def _carry(self) -> None:
        if self._low >> TOP:
            self._low &= (1 << TOP) - 1
            place = len(self._out) - 1
            while self._out[place] == 255:
                self._out[place] = 0
                place -= 1
            self._out[place] += 1


class Reader:
    """Reads the choices back.

    Args:
        data: bytes returned by a `Writer`.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, TOP // 8
        self._range = 1 << TOP
        self._offset = int.from_bytes(data[: TOP // 8].ljust(TOP // 8, b"\0"), "big")

    def section(self, name: str) -> None:
        """Do nothing: sections follow one another without a gap."""

    def uniform(self, value: int | None, total: int) -> int:
        """Read an integer in 0..total-1.

        Raises:
            ValueError: when no writer can have written these bytes.
        """
        found = self._offset // (self._range // total)
        if found >= total:
            raise ValueError("the bytes are no codeword")
        self._take(found, 1, total)
        return found

    def sequence(self, symbols: np.ndarray | None, counts: list[int]) -> np.ndarray:
        """Read a sequence.

        Raises:
            ValueError: when no writer can have written these bytes.
        """
        left, total = list(counts), sum(counts)
        found = np.empty(total, dtype=np.int64)
        for place in range(found.size):
            if max(left) == total:
                found[place:] = left.index(total)
                return found
            target = self._offset // (self._range // total)
            symbol, below = 0, 0
            while symbol < len(left) - 1 and below + left[symbol] <= target:
                below += left[symbol]
                symbol += 1
            if target >= below + left[symbol]:
                raise ValueError("the bytes are no codeword")
            found[place] = symbol
            self._take(below, left[symbol], total)
            left[symbol] -= 1
            total -= 1
        return found

    def _take(self, below: int, own: int, total: int) -> None:
        part = self._range // total
        self._offset -= part * below
        self._range = part * own
        while self._range < 1 << BOTTOM:
            following = self._data[self._place] if self._place < len(self._data) else 0
            self._place += 1
            self._offset = (self._offset << 8) | following
            self._range <<= 8


def subset(channel: Channel, chosen: np.ndarray | None, size: int) -> np.ndarray:
    """Carry a subset of `size` places: first its size, then its members.

    Args:
        channel: the channel.
        chosen: the subset, (size,) bool; None for a receiver.
        size: number of places, known to both sides.

    Returns:
        The subset, (size,) bool.
    """
    count = channel.uniform(None if chosen is None else int(chosen.sum()), size + 1)
    symbols = None if chosen is None else chosen.astype(np.int64)
    return channel.sequence(symbols, [size - count, count]).astype(bool)


def composition(channel: Channel, parts: list[int] | None, total: int, number: int) -> list[int]:
    """Carry `number` non-negative integers that sum to `total`, by stars and bars.

    Args:
        channel: the channel.
        parts: the integers; None for a receiver.
        total: their sum, known to both sides.
        number: number of integers, known to both sides.
    """
    bars = None
    if parts is not None:
        bars = np.zeros(total + number - 1, dtype=np.int64)
        bars[np.cumsum(np.array(parts[:-1], dtype=np.int64) + 1) - 1] = 1
    found = np.flatnonzero(channel.sequence(bars, [total, number - 1]))
    edges = np.concatenate([[-1], found, [total + number - 1]])
    return [int(gap) for gap in np.diff(edges) - 1]
