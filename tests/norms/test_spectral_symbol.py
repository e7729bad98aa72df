"""Symbols: their Gram matrices against the definition, and few frequencies against many."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.network.geometry import Axis
from boundcalc.norms import spectral_symbol
from boundcalc.norms.spectral_symbol import FINE, Sampling, Symbol, _half, sampling, symbol_of


def kernel(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def circulant_rows(taps: np.ndarray, side: int, stride: int, dilation: int) -> np.ndarray:
    """The rows at multiples of the stride of a circulant operator on one axis: naive, (side / stride * n, side * in)."""
    out, width, reach = taps.shape
    matrix = np.zeros((side // stride, out, side, width))
    for row in range(side // stride):
        for tap in range(reach):
            matrix[row, :, (row * stride + tap * dilation) % side] += taps[:, :, tap]
    return matrix.reshape(side // stride * out, side * width)


@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99)
)  # fmt: skip
@settings(max_examples=100)
def test_all_frequencies_are_the_circulant_norm(taps, stride, dilation, rounds, width, seed):
    side = stride * rounds
    weights = kernel(2, width, taps, seed=seed)
    axis = Axis(side, taps, stride, 0, 0, dilation)
    found = symbol_of(weights[None, :, :, :, None], sampling(axis, True, stride), Sampling(1, 1, 0, 1.0))
    values = [np.linalg.eigvalsh(batch, UPLO="U").max() for batch in found.batches()]
    exact = np.linalg.norm(circulant_rows(weights, side, stride, dilation), 2)
    assert math.sqrt(max(values)) == pytest.approx(exact, rel=1e-12)


def naive_grams(symbol: Symbol) -> np.ndarray:
    """G(f) by the definition, over pairs of taps: (groups * f, n, n)."""
    groups, side, _, high, wide = symbol.kernel.shape
    plans = symbol.height, symbol.width
    found = []
    for frequency in _half(symbol.height.points, symbol.width.points):
        for group in range(groups):
            gram = np.zeros((side, side), dtype=complex)
            for a in np.ndindex(high, wide):
                for b in np.ndindex(high, wide):
                    lags = [q - p for p, q in zip(a, b, strict=True)]
                    if any(lag % plan.period for lag, plan in zip(lags, plans, strict=True)):
                        continue
                    turns = sum(
                        f * lag / plan.period * plan.turn / plan.points
                        for f, lag, plan in zip(frequency, lags, plans, strict=True)
                    )
                    first, second = (symbol.kernel[(group, slice(None), slice(None), *tap)] for tap in (a, b))
                    gram += first @ second.T * np.exp(2j * math.pi * turns)
            found.append(gram)
    return np.array(found)


SHAPES = {
    "plain": ((1, 3, 4, 3, 3), Sampling(6, 1, 1, 1.0), Sampling(5, 1, 1, 1.0)),
    "dilated": ((1, 3, 4, 2, 3), Sampling(7, 1, 3, 1.0), Sampling(6, 1, 2, 1.0)),
    "strided": ((1, 3, 2, 5, 4), Sampling(4, 2, 1, 1.0), Sampling(3, 3, 1, 1.0)),
    "groups": ((3, 2, 2, 3, 2), Sampling(4, 1, 1, 1.0), Sampling(4, 1, 1, 1.0)),
    "strided groups": ((2, 2, 2, 3, 3), Sampling(4, 2, 1, 1.0), Sampling(4, 1, 1, 1.0)),
    "one axis": ((1, 2, 6, 1, 4), Sampling(1, 1, 0, 1.0), Sampling(9, 1, 1, 1.0)),
    "wraps": ((1, 2, 3, 3, 5), Sampling(1, 1, 1, 1.0), Sampling(2, 1, 1, 1.0)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("chunk", [1, 40, 2**22])
def test_grams_by_lags_are_the_definition(name, chunk, monkeypatch):
    monkeypatch.setattr(spectral_symbol, "CHUNK", chunk)
    shape, height, width = SHAPES[name]
    symbol = Symbol(kernel(*shape), height, width)
    found = np.concatenate([batch.copy() for batch in symbol._by_lags()])
    assert np.abs(found - naive_grams(symbol)).max() <= symbol.error


@pytest.mark.parametrize(
    "name", [name for name, (_, *plans) in SHAPES.items() if all(p.period == 1 for p in plans)]
)
def test_direct_grams_have_the_same_eigenvalues(name, monkeypatch):
    monkeypatch.setattr(spectral_symbol, "CHUNK", 10**9)
    shape, height, width = SHAPES[name]
    symbol = Symbol(kernel(*shape), height, width)
    found = np.linalg.eigvalsh(np.concatenate(list(symbol._direct())), UPLO="U")
    naive = (
        naive_grams(symbol).reshape(-1, shape[0], *[shape[1]] * 2).swapaxes(0, 1).reshape(-1, *[shape[1]] * 2)
    )
    assert np.abs(found - np.linalg.eigvalsh(naive)).max() <= symbol.error


@pytest.mark.parametrize(("high", "wide"), [(1, 1), (1, 6), (2, 2), (4, 4), (5, 5), (3, 8), (8, 3)])
def test_half_the_frequencies_and_their_opposites_are_all(high, wide):
    half = [tuple(map(int, pair)) for pair in _half(high, wide)]
    assert len(set(half)) == len(half)
    assert {(a, b) for a, b in half} | {(-a % high, -b % wide) for a, b in half} == {*np.ndindex(high, wide)}
    assert len(half) == (high * wide + math.prod(2 - side % 2 for side in (high, wide))) / 2


def test_known_samplings():
    assert sampling(Axis(32, 3, 1, 1, 1), False, 1) == Sampling(33, 1, 1, 1.0)
    assert sampling(Axis(32, 3, 2, 1, 1), False, 2) == Sampling(17, 2, 1, 1.0)
    assert sampling(Axis(32, 3, 1, 9, 9), False, 1) == Sampling(34, 1, 1, 1.0)
    assert sampling(Axis(32, 3, 2, 2, 2, 2), False, 2) == Sampling(17, 1, 1, 1.0)
    assert sampling(Axis(32, 1, 2), False, 2) == Sampling(1, 2, 0, 1.0)
    assert sampling(Axis(7, 3, 2, 1, 1), True, 2) == Sampling(7, 1, 1, 1.0)
    large = sampling(Axis(224, 3, 1, 3, 3, 3), False, 1)
    assert (large.points, large.turn) == (2 * FINE, 1)
    assert 1.0021 < large.factor < 1.0022


@given(st.integers(1, 4), st.integers(0, 200), st.integers(1, 9))
@settings(max_examples=200)
def test_a_polynomial_exceeds_its_samples_by_no_more_than_the_factor(degree, seed, finer):
    """|a(x)|^2 with a of degree q: its largest value is at most that at M points over cos^2(pi q / (2 M))."""
    points = 2 * degree + finer
    coefficients = np.random.default_rng(seed).standard_normal(degree + 1)
    turns = np.arange(degree + 1)

    def largest(count: int) -> float:
        return float(
            np.abs(np.exp(2j * np.pi * np.outer(np.arange(count) / count, turns)) @ coefficients).max()
        )

    assert largest(points * 50) <= largest(points) / math.cos(math.pi * degree / (2 * points)) * (1 + 1e-12)


def test_the_factor_is_attained_between_two_samples():
    """1 + cos(q (x - x0)) with x0 halfway between two of M points: its square root falls there to cos(pi q / (2 M))."""
    points, degree = 48, 2
    at = 2 * math.pi * (np.arange(points) + 0.5) / points
    sampled = math.sqrt(((1 + np.cos(degree * at)) / 2).max())
    assert sampled == pytest.approx(math.cos(math.pi * degree / (2 * points)), rel=1e-12)
