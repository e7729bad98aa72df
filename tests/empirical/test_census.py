"""Counts are exact, and the samples that are kept are a draw without replacement."""

from __future__ import annotations

import numpy as np
import torch

from boundcalc.empirical.census import MOST_ENTRIES, MOST_SAMPLES, Tally, predictions
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Input


def network(inputs=1, outputs=3):
    weight = torch.ones(outputs, inputs, 1, 1, dtype=torch.float64)
    layer = Affine(
        "fc",
        (0,),
        (outputs, 1, 1),
        "linear",
        weight,
        None,
        weight != 0,
        None,
        (outputs, inputs),
        Window.whole((1, 1)),
    )
    return Network((Input("x", (), (inputs, 1, 1)), layer), "by hand", (inputs,))


def drawn(m, batch, seed=0):
    tally = Tally(network(), seed)
    for start in range(0, m, batch):
        x = torch.arange(start, min(start + batch, m), dtype=torch.float64)[:, None]
        tally.inputs(x, torch.zeros(len(x), dtype=torch.int64))
    return tally.census(run=False)


def test_few_samples_are_all_kept_in_order():
    census = drawn(700, 256)
    assert census.x.flatten().tolist() == list(range(700))
    assert census.m == 700
    assert census.counts is None


def test_a_draw_is_without_replacement_even_and_repeats_by_seed():
    census = drawn(50_000, 1000)
    places = census.x.flatten()
    assert len(places) == MOST_SAMPLES == len(set(places.tolist()))
    assert torch.equal(places, drawn(50_000, 1000).x.flatten())
    assert not torch.equal(places, drawn(50_000, 1000, seed=1).x.flatten())
    shares = np.histogram(places.numpy(), bins=10, range=(0, 50_000))[0] / MOST_SAMPLES
    assert abs(shares - 0.1).max() < 5 * (0.1 * 0.9 / MOST_SAMPLES) ** 0.5


def test_large_samples_are_kept_in_small_numbers():
    tally = Tally(network(MOST_ENTRIES // 40))
    for _ in range(3):
        tally.inputs(
            torch.zeros(20, MOST_ENTRIES // 40, dtype=torch.float64), torch.zeros(20, dtype=torch.int64)
        )
    assert len(tally.census(run=False).x) == 40


def test_counts_pair_labels_with_predictions():
    tally = Tally(network())
    outputs = torch.tensor([[3.0, 1, 2], [0, 1, 2], [0, 5, 2]]).double()
    labels = torch.tensor([0, 0, 2])
    tally.inputs(torch.zeros(3, 1, dtype=torch.float64), labels)
    tally.outputs(outputs, labels)
    census = tally.census(run=True)
    assert census.counts.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert census.labels.tolist() == [2, 0, 1]
    assert census.lowest.tolist() == [0, 1, 2]
    assert census.highest.tolist() == [3, 5, 2]


def test_a_single_output_predicts_by_its_sign():
    assert predictions(torch.tensor([[0.5], [0.0], [-2.0]])).tolist() == [1, 0, 0]
