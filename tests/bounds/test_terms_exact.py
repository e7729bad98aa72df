"""Path norms, scales of peeling and energies of the data against exact sums: none is on the wrong side."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from exact import at_least, root, sum_of_squares
from twins import Sketch, mlp, problem_for, sample

import boundcalc
from boundcalc.bounds.catalogue import registry
from boundcalc.empirical.datasets import open_data
from boundcalc.empirical.energies import declared
from boundcalc.empirical.measure import measure

TIGHT = 1 + 1e-6


def energies_of(network, x):
    return measure(network, open_data((x.numpy(), np.zeros(len(x), np.int64)))).energies


def terms_and_data(name, seed, bias):
    network = mlp((7, 6, 5, 3), seed, 0.5, bias)
    x = sample(network, 5, seed)
    return network, x, registry[name].compute(problem_for(network, energies_of(network, x)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_path_norms(seed, bias):
    network, x, outcome = terms_and_data("path_norm", seed, bias)
    terms, published = outcome.terms, outcome.published.terms
    t = Fraction(terms["constant"] or 1.0)
    sizes = [Fraction(1)] * network.inputs
    for layer in network.layers():
        shifts = [Fraction(0)] * layer.shape[0] if layer.bias is None else map(Fraction, layer.bias.tolist())
        rows = [list(map(Fraction, row.flatten().tolist())) for row in layer.weight]
        sizes = [
            sum(abs(w) * size for w, size in zip(row, sizes, strict=True)) + abs(b) / t
            for row, b in zip(rows, shifts, strict=True)
        ]
    exact = sum(sizes)
    with mpmath.workdps(50):
        log10 = mpmath.log10(mpmath.mpf(exact.numerator) / exact.denominator)
        assert log10 <= mpmath.mpf(terms["log10_path_norm"]) <= log10 + mpmath.mpf("1e-9")
    assert at_least(
        published["energy"], max([Fraction(len(x))] + [sum_of_squares(column) for column in x.flatten(1).T])
    )


class ExactPeeling:
    """Scales, energies and paths of a perceptron's nodes, with the split, norms and constant that the terms name."""

    def __init__(self, network, x, terms):
        self.layers, self.terms = list(network.layers()), terms
        self.t, self.m = Fraction(terms["constant"]), len(x)
        self.masked = terms["structure"] == "masked"
        self.energies = [sum_of_squares(column) for column in x.flatten(1).T]

    def connected(self, layer, block):
        return bool((block != 0).any()) if self.masked else block.numel() > 0

    def run(self):
        """Return rho, B and the number of paths."""
        below = None
        for layer in self.layers[:-1]:
            below = self.level(layer, self.terms["split"][layer.name], below)
        name = self.layers[-1].name
        last = self.level(self.layers[-1], self.terms["split"][name], below, last=True)
        norm = self.terms["norms"][name]
        sizes = [size for node in last for size in node["sizes"]]
        pairs = len(sizes) if norm == "l2" else 1
        energy = max(energy for node in last for energy in node["below"])
        return self.total(sizes, norm), mpmath.sqrt(pairs * energy), sum(node["paths"] for node in last)

    @staticmethod
    def total(sizes, norm):
        return mpmath.sqrt(sum(size**2 for size in sizes)) if norm == "l2" else sum(sizes)

    def level(self, layer, group, below, *, last=False):
        norm, found = self.terms["norms"][layer.name], []
        for start in range(0, layer.shape[0], group):
            rows = layer.weight[start : start + group, :, 0, 0]
            sizes, energies, paths = self.predecessors(rows, norm, below)
            if layer.bias is not None:
                bias = layer.bias[start : start + group]
                if self.connected(layer, bias):
                    constant = self.m * self.t**2
                    if below is None and norm == "l2" and sizes:
                        sizes = [
                            mpmath.sqrt(sizes[0] ** 2 + root(sum_of_squares(bias)) ** 2 / _mp(self.t) ** 2)
                        ]
                        energies = [energies[0] + _mp(constant)]
                    else:
                        sizes.append(root(sum_of_squares(bias)) / _mp(self.t))
                        energies.append(_mp(constant))
                        paths += 1
            if not sizes:
                found.append(None)
                continue
            fan_in = len(sizes) if norm == "l2" and not (below is None and not last) else 1
            found.append({
                "scale": self.total(sizes, norm), "sizes": sizes, "below": energies,
                "energy": fan_in * max(energies), "paths": paths,
                "group": group,
            })  # fmt: skip
        return [node for node in found if node is not None] if last else found

    def predecessors(self, rows, norm, below):
        if below is None:
            columns = [i for i in range(rows.shape[1]) if self.connected(None, rows[:, i])]
            if norm == "l2":
                energy = sum((self.energies[i] for i in columns), Fraction(0))
                return ([root(sum_of_squares(rows))], [_mp(energy)], 1) if columns else ([], [], 0)
            return (
                [root(sum_of_squares(rows[:, i])) for i in columns],
                [_mp(self.energies[i]) for i in columns],
                len(columns),
            )
        sizes, energies, paths, start = [], [], 0, 0
        for node, width in self.widths(below, rows.shape[1]):
            block = rows[:, start : start + width]
            start += width
            if node is not None and self.connected(None, block):
                sizes.append(node["scale"] * root(sum_of_squares(block)))
                energies.append(node["energy"])
                paths += node["paths"]
        return sizes, energies, paths

    @staticmethod
    def widths(below, units):
        group = -(-units // len(below)) if len(below) > 1 else units
        group = next((node["group"] for node in below if node is not None), group)
        left = units
        for node in below:
            yield node, min(group, left)
            left -= group


def _mp(value):
    return mpmath.mpf(Fraction(value).numerator) / Fraction(value).denominator


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_scales_energies_and_paths_of_peeling(seed, bias):
    network, x, outcome = terms_and_data("peeling", seed, bias)
    terms, published = outcome.terms, outcome.published.terms
    with mpmath.workdps(40):
        rho, b, paths = ExactPeeling(network, x, published).run()
        assert rho <= mpmath.mpf(published["rho"]) <= rho * mpmath.mpf(TIGHT)
        assert b <= mpmath.mpf(published["B"]) <= b * mpmath.mpf(TIGHT)
        assert paths <= mpmath.mpf(published["paths"]) <= paths * mpmath.mpf(TIGHT)
        rho, _, _ = ExactPeeling(network, x, terms).run()
        assert rho <= mpmath.mpf(terms["rho"]) <= rho * mpmath.mpf(TIGHT)


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1.0, 1e100])
@pytest.mark.parametrize("shape", [(1, 3, 3), (300, 1, 1), (3, 5, 5)])
def test_energies_of_the_report_are_not_below_the_sums_of_squares(shape, scale):
    random = torch.Generator().manual_seed(0)
    x = torch.rand(7, *shape, generator=random, dtype=torch.float64) * scale
    s = Sketch(shape, 0, 1.0)
    s.linear(0, 2)
    network = s.network()
    energies = energies_of(network, x)
    flat = x.flatten(1)
    coordinates = [sum_of_squares(flat[:, i]) for i in range(network.inputs)]
    pixels = [sum_of_squares(x[:, :, i, j]) for i in range(shape[1]) for j in range(shape[2])]
    assert at_least(energies.max_coordinate, max(coordinates))
    assert at_least(energies.max_pixel, max(pixels))
    assert at_least(energies.frobenius_squared, sum(coordinates))
    assert energies.largest == float(x.abs().max())
    assert energies.frobenius_squared <= float(sum(coordinates)) * TIGHT + 1e-300


def test_the_reports_own_energies(tmp_path):
    random = torch.Generator().manual_seed(0)
    x = torch.rand(9, 2, 3, 3, generator=random, dtype=torch.float64)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(18, 3))
    data = boundcalc.analyze(network, data=(x.numpy(), np.zeros(9, np.int64)), only=("samples",)).to_dict()[
        "data"
    ]
    pixels = [sum_of_squares(x[:, :, i, j]) for i in range(3) for j in range(3)]
    assert at_least(data["max_pixel_energy"], max(pixels))
    assert at_least(
        data["max_coordinate_energy"],
        max(sum_of_squares(x[:, c, i, j]) for c in range(2) for i in range(3) for j in range(3)),
    )
    assert at_least(data["frobenius"], root(sum_of_squares(x)))
    assert data["max_abs"] == float(x.max())


@pytest.mark.parametrize("bound", [0.1, 1.0, 1 / 3, 255.0])
def test_declared_energies(bound):
    energies = declared(1001, bound, (3, 2, 2))
    square = Fraction(bound) ** 2 * 1001
    assert at_least(energies.max_coordinate, square)
    assert at_least(energies.max_pixel, 3 * square)
    assert at_least(energies.frobenius_squared, 12 * square)
