"""Convolutions as circulant operators: which frequencies matter, and the Gram matrix of the symbol at each.

A zero-padded convolution on n positions is a submatrix of a circulant one on N >= n + min(padding, reach - 1) positions per
axis: padded taps then fall outside the image and outputs stay apart. Stride s keeps the rows at multiples of s. If s
divides N, these rows are circulant again: only lags between taps that s divides enter their Gram matrix

    G(g) = sum over pairs of taps t, t' with s | d (t' - t) of K_t K_t'^T exp(2 pi i g d (t' - t) / N),    d the dilation.

Its largest eigenvalue over the N / s frequencies g per axis is the squared norm. v^* G v is a non-negative trigonometric
polynomial of the frequency; with degree q its maximum S over all angles is at most its maximum over M equally spaced ones
divided by cos^2(pi q / (2 M)): by M. Riesz's lemma p - S/2 stays above (S/2) cos(q (x - x0)) near its maximum x0. So a large
image needs no more than FINE q frequencies per axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from boundcalc.network.geometry import Axis
from boundcalc.norms.rounding import UNIT
from boundcalc.norms.spectral_certificate import SMALL

FINE = 24
"""Number of frequencies per degree that is enough: 1 / cos(pi / 48) = 1.0021 per axis."""

Spanned = tuple[np.ndarray, tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]]
"""Lags (r, 2), and for the real and for the imaginary part of G weights (r, r) and matrices (r, groups n n): G is the sum of
cos or sin of the lags' angles, times the weights, times the matrices."""

CHUNK = 2**18
"""Complex entries that are held at once: as much as stays in a cache."""

MOST = 2**22
"""Entries of large matrices that are held at once, so that what several frequencies need is read once for all of them."""


@dataclass(frozen=True)
class Sampling:
    """The frequencies at which the symbol is evaluated along one axis.

    Attributes:
        points: number of frequencies.
        period: number that divides every lag between taps that enters the Gram matrix.
        turn: phase of the first frequency per `period`, in units of 1 / `points` of a full turn.
        factor: the norm is at most this times the largest value at these frequencies; 1 if they are all frequencies.
    """

    points: int
    period: int
    turn: int
    factor: float


def sampling(axis: Axis, circular: bool, stride: int) -> Sampling:
    """Return the frequencies of one axis.

    Args:
        axis: input size, taps, padding and dilation.
        circular: whether padding wraps around, so that the grid is the image itself.
        stride: stride of the rows that are kept; 1 gives the convolution at every position.

    Source:
        M. Riesz 1914, Eine trigonometrische Interpolationsformel (the lemma); Ehlich & Zeller 1964.
    """
    side = axis.size if circular else axis.size + min(max(axis.before, axis.after), axis.reach - 1)
    step = math.gcd(stride, side) if circular else stride
    common = math.gcd(step, axis.dilation)
    points, period = -(-side // step), step // common
    degree = (axis.kernel - 1) // period
    if degree == 0:
        return Sampling(1, period, 0, 1.0)
    if points > FINE * degree:
        return Sampling(FINE * degree, period, 1, (1 + 8 * UNIT) / math.cos(math.pi / (2 * FINE)))
    return Sampling(points, period, axis.dilation // common, 1.0)


@dataclass(frozen=True, eq=False)
class Symbol:
    """A kernel and its frequencies; the squared norm is the largest eigenvalue of its Gram matrices G(f) at half of them.

    Attributes:
        kernel: (groups, n, inner, kernel height, kernel width) float64; axes without lags are folded into `inner`.
        height: frequencies of the first axis.
        width: frequencies of the second axis.
    """

    kernel: np.ndarray
    height: Sampling
    width: Sampling

    @property
    def error(self) -> float:
        """Bound of the rounding error of any G(f), in the spectral norm and in the trace.

        Entrywise, with T taps, inner dimension k, S = sum_t |K_t| and phase errors of at most 52 u: the error of sums over pairs of
        taps is (T k + T^2 + 64) u S S^T. The error of samples on a grid of P = 2 r - 1 points is 5 (k + 3 T + 134) u S S^T each;
        interpolation multiplies it by at most sqrt(P) (the squares of the weights sum to 1) and adds
        (6 r (r + 112) + 2 r sqrt(P)) u S S^T. Finally ||S S^T|| <= tr S S^T = ||S||_F^2.
        """
        high, wide = self.kernel.shape[3:]
        taps, inner, grid = high * wide, self.kernel.shape[2], (2 * high - 1) * (2 * wide - 1)
        half = (grid + 1) // 2
        count = taps * (inner + taps) + math.sqrt(grid) * (inner + 2 * taps + 84) + half * (half + 112) + 64
        rows = max(1, CHUNK // self.kernel[0, 0].size)
        size = max(
            sum(np.square(np.abs(group[k : k + rows]).sum((2, 3))).sum() for k in range(0, len(group), rows))
            for group in self.kernel
        )
        return 8.0 * UNIT * count * float(size)

    @property
    def factor(self) -> float:
        """Number such that the norm is at most this times the largest singular value at the frequencies."""
        return self.height.factor * self.width.factor * (1 + 4 * UNIT)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield G at the frequencies, (b, n, n) float64 or complex128; only the upper triangles are valid. The next may overwrite
        the memory of the last.
        """
        if self.kernel.shape[3:] == (1, 1):
            yield from _own_grams(self.kernel[..., 0, 0])
        elif self.height.period == self.width.period == 1 and self._few():
            yield from self._direct()
        else:
            yield from self._by_lags()

    def _few(self) -> bool:
        frequencies = len(_half(self.height.points, self.width.points))
        pairs = self.kernel[0, 0, 0].size ** 2
        lags = math.prod(2 * taps - 1 for taps in self.kernel.shape[3:])
        return frequencies * 4 < pairs + 2 * frequencies * lags / self.kernel.shape[2]

    def _direct(self) -> Iterator[np.ndarray]:
        groups, side, inner, high, wide = self.kernel.shape
        places = np.indices((high, wide)).reshape(2, -1).T
        flat = np.ascontiguousarray(self.kernel.reshape(groups, side * inner, -1).transpose(0, 2, 1))
        for angles in self._angles(places, side * inner):
            for group in range(groups):
                matrices = np.empty((len(angles), side, inner), dtype=np.complex128)
                matrices.real = (np.cos(angles) @ flat[group]).reshape(matrices.shape)
                matrices.imag = (np.sin(angles) @ flat[group]).reshape(matrices.shape)
                yield from _own_grams(matrices)

    def _by_lags(self) -> Iterator[np.ndarray]:
        # with a single tap there is one product, that of the kernel with itself
        plain = self.height.period == self.width.period == 1 < math.prod(self.kernel.shape[3:])
        lags, parts = self._by_samples() if plain else self._lag_products()
        groups, side = self.kernel.shape[:2]
        grams, work = np.empty((0, 0), dtype=np.complex128), np.empty((0, 0))
        for angles in self._angles(lags, groups * side * side):
            if not len(grams):  # memory is taken once: fresh pages cost as much as what is computed in them
                grams = np.empty((len(angles), groups * side * side), dtype=np.complex128)
                work = np.empty(grams.shape)
            some, product = grams[: len(angles)], work[: len(angles)]
            for part, wave, (weights, known) in zip(
                (some.real, some.imag), (np.cos, np.sin), parts, strict=True
            ):
                np.matmul(wave(angles) @ weights, known, out=product)
                np.copyto(part, product)
            yield some.reshape(-1, side, side)

    def _lags(self) -> list[tuple[int, int]]:
        """Return (0, 0) and one of each pair of opposite lags between taps."""
        rows, columns = (
            range(0, taps, axis.period)
            for taps, axis in zip(self.kernel.shape[3:], (self.height, self.width), strict=True)
        )
        turned = sorted({*columns, *(-j for j in columns)})
        return [(0, j) for j in columns] + [(i, j) for i in rows[1:] for j in turned]

    def _lag_products(self) -> Spanned:
        """Return the lags, and G as their sum: cosines times P + P^T, sines times P - P^T, P = sum_t K_t K_{t + lag}^T."""
        groups, side, _, high, wide = self.kernel.shape
        lags = self._lags()
        taps = np.ascontiguousarray(self.kernel.transpose(0, 3, 4, 1, 2))
        products = np.empty((len(lags), groups, side, side))
        for place, (i, j) in enumerate(lags):
            first = taps[:, : high - i, max(0, -j) : wide - max(0, j)]
            second = taps[:, i:, max(0, j) : wide - max(0, -j)]
            left, right = (
                part.transpose(0, 3, 1, 2, 4).reshape(groups, side, -1) for part in (first, second)
            )
            # a matrix times its own transpose takes half the work
            np.matmul(left, (right if place else left).swapaxes(1, 2), out=products[place])
        even, odd = products + products.swapaxes(2, 3), products - products.swapaxes(2, 3)
        even[0] /= 2
        one = np.eye(len(lags))
        return np.array(lags), ((one, even.reshape(len(lags), -1)), (one, odd.reshape(len(lags), -1)))

    def _by_samples(self) -> Spanned:
        """Return the lags, and G as interpolated from its values on a grid of 2 taps - 1 frequencies per side.

        G has no larger lags, so these values determine it, with fewer products than all pairs of taps need. With K = A + iB, the
        real and imaginary parts of K K^* are A A^T + B B^T and B A^T - A B^T; both follow from X = (A + B)(A - B)^T and X^T.
        """
        groups, side, inner, high, wide = self.kernel.shape
        lags = np.array(self._lags())
        grid = np.array([2 * high - 1, 2 * wide - 1])
        turns = (lags[:, None] * lags[None] % grid / grid).sum(2) * (2 * math.pi)
        twice = np.where(lags.any(1), 2.0, 1.0)
        weights = twice[:, None] * twice / math.prod(grid)
        at = np.stack(np.nonzero(np.ones((high, wide))), 1)
        flat = np.ascontiguousarray(self.kernel.reshape(groups, side * inner, -1).transpose(0, 2, 1))
        real, imaginary = (np.empty((len(lags), groups, side, side)) for _ in range(2))
        for place, frequency in enumerate(lags):
            angles = (frequency * at % grid / grid).sum(1) * (2 * math.pi)
            for group in range(groups):
                a, b = ((wave(angles) @ flat[group]).reshape(side, inner) for wave in (np.cos, np.sin))
                mixed = (a + b) @ (a - b).T
                real[place, group] = 2 * (a @ a.T) - (mixed + mixed.T) / 2
                imaginary[place, group] = (mixed.T - mixed) / 2
        even, odd = weights * np.cos(turns), weights * np.sin(turns)
        return lags, ((even, real.reshape(len(lags), -1)), (odd, imaginary.reshape(len(lags), -1)))

    def _angles(self, shifts: np.ndarray, entries: int) -> Iterator[np.ndarray]:
        """Yield the angles of shifts (r, 2) for a few frequencies at a time, (b, r); each frequency needs `entries` numbers."""
        frequencies = _half(self.height.points, self.width.points)
        step = max(1, CHUNK // entries, min(8, MOST // entries))
        for start in range(0, len(frequencies), step):
            some = frequencies[start : start + step]
            angles = np.zeros((len(some), len(shifts)))
            for axis, chosen in enumerate((self.height, self.width)):
                turns = some[:, axis, None] * (shifts[:, axis] // chosen.period * chosen.turn) % chosen.points
                angles += turns / chosen.points
            yield angles * (2 * math.pi)


def symbol_of(kernel: np.ndarray, height: Sampling, width: Sampling) -> Symbol:
    """Return the symbol with the smallest Gram matrices.

    An axis without lags has all its taps in the inner dimension. If no lag is left out, the transposed kernel has the same norm.

    Args:
        kernel: (groups, out / groups, in / groups, height, width) float64, finite.
        height: frequencies of the first axis.
        width: frequencies of the second axis.
    """
    groups, out, _, high, wide = kernel.shape
    if height.period >= high:
        kernel = kernel.reshape(groups, out, -1, 1, wide)
        height = Sampling(1, 1, 0, 1.0)
    if width.period >= wide:
        kernel = kernel.transpose(0, 1, 2, 4, 3).reshape(groups, out, -1, kernel.shape[3], 1)
        width = Sampling(1, 1, 0, 1.0)
    phases = height.period * width.period
    if kernel.shape[2] * phases < out:
        kernel = _by_phase(_by_phase(kernel, height.period).swapaxes(3, 4), width.period).swapaxes(3, 4)
        height, width = (replace(axis, period=1) for axis in (height, width))
        kernel = kernel.swapaxes(1, 2)
    return Symbol(np.ascontiguousarray(kernel), height, width)


def _by_phase(kernel: np.ndarray, period: int) -> np.ndarray:
    """Return (g, n, inner * period, height / period, width): the phase of a tap modulo the period joins the inner dimension."""
    groups, out, inner, high, wide = kernel.shape
    steps = -(-high // period)
    padded = np.zeros((groups, out, inner, steps * period, wide))
    padded[:, :, :, :high] = kernel
    apart = padded.reshape(groups, out, inner, steps, period, wide).swapaxes(3, 4)
    return apart.reshape(groups, out, inner * period, steps, wide)


def _own_grams(matrices: np.ndarray) -> Iterator[np.ndarray]:
    """Yield M M^*, conjugated, of matrices (b, n, inner), one or many at a time; only upper triangles are meant."""
    from scipy.linalg import blas

    if matrices.shape[1] <= SMALL:
        yield matrices.conj() @ matrices.swapaxes(1, 2)
        return
    times = blas.zherk if np.iscomplexobj(matrices) else blas.dsyrk
    for matrix in matrices:
        yield times(1.0, matrix.T, trans=2 if np.iscomplexobj(matrices) else 1, lower=1).T[None]


def _half(high: int, wide: int) -> np.ndarray:
    """Return one of each pair of opposite frequencies, (f, 2): first 0, then the others in a fixed random order."""
    rows, columns = np.indices((high, wide // 2 + 1)).reshape(2, -1)
    keep = (2 * columns % wide != 0) | (rows <= high // 2)
    found = np.stack([rows[keep], columns[keep]], axis=1)
    found[1:] = np.random.default_rng(0).permutation(found[1:])
    return found
