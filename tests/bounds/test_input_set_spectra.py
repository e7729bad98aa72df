"""Singular values of the sample on the sets of inputs that a peeling ends in, against dense matrices and all signs."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import matrices
import numpy as np
import pytest
import torch
from peeling_networks import circular, conv_chain, grouped, identity_skips, three_convs
from twins import energies_of, mlp, sample

from boundcalc.bounds.peeling import dense_structure, masked_structure
from boundcalc.bounds.peeling.input_sets import MomentSample, families
from boundcalc.bounds.peeling.kernels import Choice
from boundcalc.bounds.peeling.norms import L1, L2
from boundcalc.empirical.energies import SecondMoments


def with_gram(x):
    """Energies of a sample with inner products."""
    moments = SecondMoments(tuple(x.shape[1:]), 2)
    moments.add(x, torch.zeros(len(x), dtype=torch.int64))
    return replace(energies_of(x), gram=moments.gram())


def sets_of(network, structure, group, *, apart):
    """Sets of inputs of the nodes of the first layers by their dense matrices: (inputs,) bool with the constant at the end."""
    found = []
    for layer in network.layers():
        if layer.inputs[0] != 0:
            continue
        reads = matrices.of_layer(layer, structure.connections(layer).double()) != 0
        fed = structure.biases(layer)
        channels = layer.shape[0]
        reads = reads.reshape(channels, -1, reads.shape[1])
        size = group if apart else channels
        for start in range(0, channels, size):
            constant = fed is not None and bool(fed[start : start + size].any())
            found += [(*row, constant) for row in reads[start : start + size].any(0).tolist()]
    fed = [structure.biases(layer) for layer in network.layers()]
    if any(each is not None and bool(each.any()) for each in fed) and not any(rows[-1] for rows in found):
        found.append((*[False] * (len(found[0]) - 1), True))
    return found


def largest_sums(x, sets):
    """E max over sets of |sum of signed samples on it|^2, over all signs."""
    signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=len(x))), dtype=torch.float64)
    return float(torch.stack([(signs @ x[:, list(rows)]).square().sum(1) for rows in sets]).amax(0).mean())


def alike(found, expected):
    """Whether two collections have the same members, however often each."""
    apart = np.abs(np.array(found)[:, None] - np.array(expected))
    return apart.min(0).max() < 1e-8 and apart.min(1).max() < 1e-8


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        conv_chain,
        three_convs,
        grouped,
        identity_skips,
        circular,
        lambda seed: mlp((7, 5, 3), seed, bias=True),
    ],
)
def test_spectra_of_sets_are_those_of_the_samples_columns(make, masked):
    network = make(3)
    structure = masked_structure("data") if masked else dense_structure()
    x, t = sample(network, m=6, seed=1), 0.5
    energies, flat = with_gram(x), x.flatten(1)
    columns = torch.cat([flat, torch.full((len(flat), 1), t, dtype=torch.float64)], 1)
    for group in (1, 2):
        split = {layer.name: Choice(group, L2()) for layer in network.layers()}
        for family in families(network, structure, split):
            if family.name == "all inputs":
                continue
            sets = sets_of(network, structure, group, apart=family.name == "nodes")
            true = [np.linalg.svd(flat[:, list(rows[:-1])], compute_uv=False) for rows in set(sets)]
            spectra = family.spectra(energies.gram)
            assert alike(spectra[:, -1], [found.max(initial=0.0) ** 2 for found in true])
            traces = spectra.sum(1) + family.constant.numpy() * len(x) * t**2
            assert alike(traces, [float(columns[:, list(rows)].square().sum()) for rows in set(sets)])
            moments = MomentSample(energies, t).moments(family, 0.0, inner=0.0)
            z2, plain = (
                math.exp(2 * moments.whole),
                MomentSample(energies_of(x), t).moments(family, 0.0, inner=0.0),
            )
            assert largest_sums(columns, set(sets)) <= z2 <= math.exp(2 * plain.whole)
            widest = max(
                float(np.linalg.svd(columns[:, list(rows)], compute_uv=False).max(initial=0.0))
                for rows in set(sets)
            )
            assert widest <= math.exp(moments.width) * (1 + 1e-12) and moments.width <= plain.width


def test_spread_samples_have_smaller_moments_than_their_energy_says():
    network = mlp((12, 8, 2), 0, 0.5)
    x = torch.cat([torch.eye(12, dtype=torch.float64)] * 3)[:, :, None, None]
    family = families(
        network, masked_structure("data"), {layer.name: Choice(1, L2()) for layer in network.layers()}
    )[0]
    with_spectra = MomentSample(with_gram(x), 1.0).summed(family, 1.0, 2).whole
    assert with_spectra < MomentSample(energies_of(x), 1.0).summed(family, 1.0, 2).whole - 0.1


def test_single_inputs_and_sets_that_are_too_many_keep_their_energies(monkeypatch):
    network = mlp((7, 5, 3), 0)
    x = sample(network, m=6)
    split = {layer.name: Choice(1, L1()) for layer in network.layers()}
    single = families(network, masked_structure("data"), split)[0]
    used = next(iter(network.layers())).support.any(0).flatten()
    assert np.allclose(single.spectra(with_gram(x).gram)[:, 0], x.square().sum(0).flatten()[used])
    monkeypatch.setattr("boundcalc.bounds.peeling.input_sets.MOST_WORK", 5)
    assert single.spectra(with_gram(x).gram) is None
