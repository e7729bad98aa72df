"""The coder: what is written is read back, in no more bytes than the bits say, and the bits are those of a probability."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.occam.coder import (
    Meter,
    Reader,
    Writer,
    composition,
    log2_binomial,
    log2_multinomial,
    subset,
)


@st.composite
def _uniform(draw):
    total = draw(st.one_of(st.integers(1, 5), st.integers(1, 2**20), st.integers(2**55, 2**60)))
    return draw(st.sampled_from([0, total - 1, draw(st.integers(0, total - 1))])), total


@st.composite
def _sequence(draw):
    alphabet = draw(st.integers(1, 6))
    symbols = draw(st.lists(st.integers(0, alphabet - 1), max_size=30))
    return np.array(symbols, dtype=np.int64), np.bincount(symbols, minlength=alphabet).tolist()


MESSAGES = st.lists(st.one_of(_uniform(), _sequence()), max_size=25)


def send(channel, message) -> None:
    channel.section("all")
    for what, about in message:
        if isinstance(what, int):
            channel.uniform(what, about)
        else:
            channel.sequence(what, about)


def received(data: bytes, message) -> list:
    reader = Reader(data)
    reader.section("all")
    return [
        reader.uniform(None, about) if isinstance(what, int) else reader.sequence(None, about).tolist()
        for what, about in message
    ]


def written(message) -> bytes:
    writer = Writer()
    send(writer, message)
    return writer.finish()


def bits(message) -> float:
    meter = Meter()
    send(meter, message)
    return meter.bits["all"]


def plain(message) -> list:
    return [what if isinstance(what, int) else what.tolist() for what, _ in message]


def probability(message) -> Fraction:
    share = Fraction(1)
    for what, about in message:
        if isinstance(what, int):
            share /= about
        else:
            share /= Fraction(math.factorial(sum(about)), math.prod(math.factorial(count) for count in about))
    return share


@given(MESSAGES)
@settings(max_examples=300)
def test_what_is_written_is_read_back(message):
    data = written(message)
    assert received(data, message) == plain(message)
    assert received(data + bytes(20), message) == plain(message)
    assert len(data) <= bits(message) / 8 + 1


@given(MESSAGES)
@settings(max_examples=300)
def test_bits_are_the_logarithm_of_the_probability_from_above(message):
    share = probability(message)
    with mpmath.workdps(60):
        exact = (mpmath.log(share.denominator) - mpmath.log(share.numerator)) / mpmath.log(2)
        excess = mpmath.mpf(bits(message)) - exact
    assert 0 <= excess <= 1e-9 * (1 + exact)


def test_long_sections_are_summed_from_above():
    meter = Meter()
    meter.section("all")
    for _ in range(100_000):
        meter.uniform(0, 3)
    with mpmath.workdps(40):
        exact = 100_000 * mpmath.log(3) / mpmath.log(2)
        assert 0 <= mpmath.mpf(meter.bits["all"]) - exact <= 1e-8


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=8))
@settings(max_examples=300)
def test_multinomials_are_from_above(counts):
    with mpmath.workdps(60):
        logs = mpmath.loggamma(sum(counts) + 1) - sum(mpmath.loggamma(count + 1) for count in counts)
        exact = logs / mpmath.log(2)
        assert 0 <= mpmath.mpf(log2_multinomial(counts)) - exact <= 1e-4


@pytest.mark.parametrize("n", [1, 2, 3, 10, 101, 500])
def test_binomials_are_from_above(n):
    for k in range(n + 1):
        with mpmath.workdps(60):
            exact = mpmath.log(math.comb(n, k)) / mpmath.log(2)
            assert 0 <= mpmath.mpf(log2_binomial(n, k)) - exact < 1e-10


@pytest.mark.parametrize("start", [b"\x80", b"\x01", b"\x40\x00\x00\x01", b"\xff" * 7 + b"\x80"])
@pytest.mark.parametrize("total", [3, 7, 1000, 2**60 - 1])
def test_carries_run_through_long_rows_of_ones(start, total):
    """Messages whose intervals hold a short binary fraction: their low ends are ...7f ff ff ff."""
    length = 400 if total < 100 else 60
    reader = Reader(start)
    message = [(reader.uniform(None, total), total) for _ in range(length)]
    for last in (0, 1, 2):
        longer = [*message, (last, 3)]
        assert received(written(longer), longer) == plain(longer)


def test_a_pending_carry_is_resolved():
    """The interval's low end has a row of 255 that the last bytes carry over."""
    writer = Writer()
    reader = Reader(b"\x80")
    seen_row = False
    for _ in range(300):
        writer.uniform(reader.uniform(None, 3), 3)
        seen_row |= bytes(writer._out).endswith(b"\xff" * 8)
    assert seen_row
    assert writer.finish().rstrip(b"\0") == b"\x80"


SPACES = {
    "one of 300": [("u", 300)],
    "3 x sequences of 4 x 5": [("u", 3), ("s", (2, 1, 1)), ("u", 5)],
    "sequences with an empty symbol": [("s", (3, 0, 2)), ("u", 7)],
    "forced symbols between": [("u", 2), ("s", (5,)), ("u", 1), ("s", (4, 1)), ("u", 11)],
    "nothing": [("u", 1), ("s", (0, 0))],
}


def _choices(kind, about):
    if kind == "u":
        return [(value, about) for value in range(about)]
    letters = [symbol for symbol, count in enumerate(about) for _ in range(count)]
    return [(np.array(order, dtype=np.int64), list(about)) for order in set(itertools.permutations(letters))]


@pytest.mark.parametrize("name", SPACES)
def test_all_messages_of_a_space_have_codewords_of_their_own(name):
    messages = [list(m) for m in itertools.product(*(_choices(*step) for step in SPACES[name]))]
    codewords = [written(message) for message in messages]
    assert len({word.rstrip(b"\0") for word in codewords}) == len(messages)
    assert sum(2.0 ** -bits(message) for message in messages) <= 1.0
    assert sum(2.0 ** -bits(message) for message in messages) == pytest.approx(1.0, abs=1e-9)
    for message, word in zip(messages, codewords, strict=True):
        assert received(word, message) == plain(message)
        assert len(word) <= bits(message) / 8 + 1


def test_no_code_is_shorter_than_the_entropy():
    """Of 300 equally likely messages at most 1 + 256 fit into one byte."""
    lengths = [len(written([(value, 300)])) for value in range(300)]
    assert sum(length <= 1 for length in lengths) <= 257
    assert max(lengths) == 2


@given(st.binary(max_size=40), MESSAGES)
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data, shape):
    reader = Reader(data)
    found = []
    try:
        for what, about in shape:
            if isinstance(what, int):
                found.append((reader.uniform(None, about), about))
            else:
                found.append((reader.sequence(None, about), about))
    except ValueError:
        return
    assert all(0 <= what < about for what, about in found if isinstance(what, int))
    assert received(written(found), found) == plain(found)


def test_a_forced_symbol_is_read_wherever_the_interval_lies():
    """The last part of an interval that its number of choices does not divide belongs to no choice, but a symbol that needs no
    bits is not among these choices."""
    reader = Reader(b"\xff" * 30)
    assert reader.sequence(None, [0, 2**20]).tolist() == [1] * 2**20
    assert reader.sequence(None, [7]).tolist() == [0] * 7


@given(st.lists(st.booleans(), max_size=40))
def test_subsets(chosen):
    mask = np.array(chosen, dtype=bool)
    writer, meter = Writer(), Meter()
    meter.section("mask")
    subset(writer, mask, mask.size)
    subset(meter, mask, mask.size)
    assert np.array_equal(subset(Reader(writer.finish()), None, mask.size), mask)
    exact = math.log2(mask.size + 1) + math.log2(math.comb(mask.size, int(mask.sum())))
    assert meter.bits["mask"] == pytest.approx(exact, abs=1e-9)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_compositions(parts):
    writer, meter = Writer(), Meter()
    meter.section("parts")
    composition(writer, parts, sum(parts), len(parts))
    composition(meter, parts, sum(parts), len(parts))
    assert composition(Reader(writer.finish()), None, sum(parts), len(parts)) == parts
    ways = math.comb(sum(parts) + len(parts) - 1, len(parts) - 1)
    assert meter.bits["parts"] == pytest.approx(math.log2(ways), abs=1e-9)
