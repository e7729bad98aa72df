"""Every number among a bound's terms that is a norm, distance, energy or bound is not on the wrong side of the exact one.

The exact numbers are computed in fractions, or in 50 digits where there are square roots and singular values,
on matrices written out entry by entry; nothing of the package's norms is used.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from exact import at_least, l1, links_of, matrix_of, root, spectral, sum_of_squares
from twins import Sketch, energies_of, mlp, problem_for, repeated_bias, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.empirical.datasets import open_data
from boundcalc.empirical.measure import measure
from boundcalc.network.forward import evaluate_node

TIGHT = 1 + 1e-6
"""A term may lie above the exact number by rounding, and by what the certificate of a spectral norm costs."""


def perceptron(seed, bias):
    return mlp((7, 6, 5, 3), seed, 0.5, bias)


def strided(seed, bias):
    s = Sketch((2, 5, 4), seed)
    at = s.relu(s.conv(0, 3, (3, 2), stride=2, padding=1, bias=bias))
    s.linear(at, 3, bias=bias)
    return s.network()


def dilated(seed, bias):
    s = Sketch((1, 6, 5), seed)
    at = s.relu(s.conv(0, 2, 2, dilation=(2, 3), padding=1, bias=bias))
    at = s.relu(s.conv(at, 2, 3, padding=1, bias=bias))
    s.linear(at, 2, bias=bias)
    return s.network()


def grouped(seed, bias):
    s = Sketch((4, 3, 3), seed)
    at = s.relu(s.conv(0, 4, 3, padding=1, groups=2, bias=bias))
    s.linear(s.relu(s.conv(at, 4, 2, groups=4, bias=bias)), 2, bias=bias)
    return s.network()


def circular(seed, bias):
    s = Sketch((1, 4, 4), seed)
    at = s.relu(s.conv(0, 2, 3, padding=1, circular=True, bias=bias))
    s.linear(s.relu(s.conv(at, 2, 2, stride=2, bias=bias)), 3, bias=bias)
    return s.network()


def pooled(seed, bias):
    s = Sketch((1, 4, 4), seed)
    at = s.avg(s.relu(s.conv(0, 2, 3, padding=1, bias=bias)), 2)
    s.linear(s.relu(s.conv(at, 3, 2, bias=bias)), 2, bias=bias)
    return s.network()


MAKERS = (perceptron, strided, dilated, grouped, circular, pooled)
CASES = [(make, seed) for make in MAKERS for seed in range(2)]


def case(make, seed, bias, scale=1.0):
    network = make(seed, bias)
    return network, sample(network, 5, seed) * scale


def problem(network, x, reference=None):
    measured = measure(network, open_data((x.numpy(), np.zeros(len(x), np.int64))))
    return problem_for(
        network, measured.energies, spectral=True, reference=reference, patches=measured.patches
    )


def start_for(network, seed=7):
    random = torch.Generator().manual_seed(seed)
    return {
        f"{layer.name}.weight": torch.randn(layer.weight.shape, generator=random, dtype=torch.float64)
        for layer in network.layers()
    }


def terms_of(name, network, x, reference=None):
    return registry[name].compute(problem(network, x, reference)).terms


def matrices(network, reference=None):
    """Name of layer -> (its matrix, repeated bias or None, whether a later layer has a bias)."""
    links = links_of(network)
    found = {}
    for place, (layer, pools) in enumerate(links):
        start = None if reference is None else reference[f"{layer.name}.weight"]
        weight = layer.weight if start is None else layer.weight - start
        bias = None if layer.bias is None else repeated_bias(layer, layer.bias)
        carries = any(later.bias is not None for later, *_ in links[place + 1 :])
        found[layer.name] = matrix_of(network, layer, pools, weight), bias, carries
    return found


def squared_bias(bias, t):
    return Fraction(0) if bias is None else sum_of_squares(bias) / Fraction(t) ** 2


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("make", "seed"), CASES)
@pytest.mark.parametrize("name", ["golowich2018_fro", "neyshabur2015_fro"])
def test_frobenius_norms_and_biases(name, make, seed, bias):
    network, x = case(make, seed, bias)
    terms = terms_of(name, network, x)
    for layer, (matrix, shift, _) in matrices(network).items():
        exact = root(sum_of_squares(matrix))
        assert at_least(terms["norms"][layer], exact)
        assert terms["norms"][layer] <= exact * TIGHT
        if shift is not None and bool(shift.any()):
            assert at_least(terms["biases"][layer], root(sum_of_squares(shift)))
            assert terms["biases"][layer] <= root(sum_of_squares(shift)) * TIGHT


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("make", "seed"), CASES)
@pytest.mark.parametrize("name", ["golowich2018_1inf", "neyshabur2015_1inf"])
def test_row_norms_and_biases(name, make, seed, bias):
    network, x = case(make, seed, bias)
    terms = terms_of(name, network, x)
    for layer, (matrix, shift, _) in matrices(network).items():
        exact = max(l1(row) for row in matrix)
        assert at_least(terms["norms"][layer], exact)
        assert terms["norms"][layer] <= float(exact) * TIGHT
        if shift is not None and bool(shift.any()):
            assert at_least(terms["biases"][layer], max(abs(Fraction(b)) for b in shift.tolist()))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("make", "seed"), CASES)
def test_spectral_norms_of_bartlett(make, seed, bias):
    network, x = case(make, seed, bias)
    reference = start_for(network) if seed else None
    terms = terms_of("bartlett2017", network, x, reference)
    for layer, (matrix, *_) in matrices(network).items():
        exact = spectral(matrix)
        assert terms["spectral_lower"][layer] <= exact <= terms["spectral_upper"][layer]
        assert terms["spectral_lower"][layer] >= exact * 0.999
        assert at_least(terms["spectral_norms"][layer], exact)
    for layer, (matrix, shift, _) in matrices(network, reference).items():
        rows = [root(sum_of_squares(row)) for row in matrix]
        assert at_least(terms["distances"][layer], sum(rows))
        assert terms["distances"][layer] <= sum(rows) * TIGHT
        own = next(node for node in network.layers() if node.name == layer)
        assert terms["atoms"][layer] == matrix.numel() + (
            0 if shift is None or not own.bias.any() else own.bias.numel()
        )


def slices(weight, dims):
    """Sum of the l2 norms of a kernel's slices along `dims`."""
    rest = [axis for axis in range(4) if axis not in dims]
    flat = weight.permute(*rest, *dims).reshape(math.prod(weight.shape[axis] for axis in rest), -1)
    return sum(root(sum_of_squares(part)) for part in flat)


@pytest.mark.parametrize(("make", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "key", "hidden", "last"),
    [
        ("graf2022_norms", "distances", (1,), (1,)),
        ("graf2022_params", "distances", (1,), (1,)),
        ("lin2019", "norms", (0, 1, 2, 3), (0, 1, 2, 3)),
        ("ledent2021", "distances", (1, 2, 3), (0, 1, 2, 3)),
    ],
)
def test_kernel_distances_and_spectral_norms(name, key, hidden, last, make, seed):
    network, x = case(make, seed, False)
    reference = start_for(network) if seed and name != "lin2019" else None
    terms = terms_of(name, network, x, reference)
    links = links_of(network)
    for layer, pools in links:
        weight = layer.weight if reference is None else layer.weight - reference[f"{layer.name}.weight"]
        dims = last if layer is links[-1][0] else hidden
        if layer.kind == "linear" and dims == (1,):
            dims = (1, 2, 3)
        assert at_least(
            terms[key][layer.name], slices(weight, dims) * (1 if name == "ledent2021" else _pooling(pools))
        )
        assert at_least(terms["spectral_norms"][layer.name], spectral(matrix_of(network, layer, pools)))


def _pooling(pools):
    """The norm of average poolings by two, which do not overlap: 1/2 each."""
    return 0.5 ** len(pools)


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_patch_norms_of_ledent(make, seed):
    """Of the inputs themselves, which are known exactly; without data also of what a layer can be given at most."""
    network, x = case(make, seed, False)
    layer = next(network.layers())
    exact = max(_patches(layer, x))
    assert at_least(terms_of("ledent2021", network, x)["patch_norms"][layer.name], exact)
    above = registry["ledent2021"].compute(problem_for(network, energies_of(x), spectral=True)).terms
    values = x
    for later in network.nodes[1:]:
        if hasattr(later, "weight"):
            assert at_least(above["patch_norms"][later.name], max(_patches(later, values)))
        values = evaluate_node(later, [values])


def _patches(layer, x):
    """The l2 norms of what every output reads, sample by sample, from the positions of its taps."""
    high, wide = layer.window.height, layer.window.width
    per_group = x.shape[1] // layer.groups
    for image in x:
        for group in range(layer.groups):
            part = image[group * per_group : (group + 1) * per_group]
            for rows in high.positions().tolist():
                for columns in wide.positions().tolist():
                    wraps = layer.circular
                    inside = [
                        part[:, r % high.size, c % wide.size]
                        for r in rows
                        for c in columns
                        if wraps or (0 <= r < high.size and 0 <= c < wide.size)
                    ]
                    yield root(sum_of_squares(torch.stack(inside))) if inside else root(Fraction(0))


@pytest.mark.parametrize(("make", "seed"), CASES)
@pytest.mark.parametrize("name", ["gouk2021_1inf", "gouk2021_fro"])
def test_norms_and_distances_of_gouk(name, make, seed):
    network, x = case(make, seed, False)
    reference = start_for(network) if seed else None
    terms = terms_of(name, network, x, reference)

    one_inf = name.endswith("1inf")

    def size(matrix):
        return max(l1(row) for row in matrix) if one_inf else root(sum_of_squares(matrix))

    def distance(matrix, last):
        rows = [l1(row) if one_inf else root(sum_of_squares(row)) for row in matrix]
        return sum(rows) if last else max(rows)

    for layer, (matrix, *_) in matrices(network).items():
        if layer in terms["norms"]:
            assert at_least(terms["norms"][layer], size(matrix))
    last = list(matrices(network))[-1]
    for layer, (matrix, *_) in matrices(network, reference).items():
        if layer in terms["distances"]:
            assert at_least(terms["distances"][layer], distance(matrix, layer == last))
