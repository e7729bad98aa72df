"""Errors that no trained network makes: the check fires on made-up wrongs, and not on honest errors of any size."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from boundcalc.empirical.census import Census
from boundcalc.sanity.classes import dead_outputs, one_class
from boundcalc.sanity.errors import near_chance, renamed_classes, train_above_test


def counted(counts, test=None, lowest=None, highest=None):
    """AnalysisResult that hold these counts of labels and predictions, and nothing else."""

    def census(table):
        if table is None:
            return None
        table = torch.as_tensor(table)
        return Census(table, table.sum(1), lowest, highest, torch.empty(0), torch.empty(0))

    def margins(table):
        if table is None:
            return None
        table = torch.as_tensor(table)
        right, m = int(table.diagonal().sum()), int(table.sum())
        return torch.cat([-torch.ones(m - right), torch.ones(right)])

    measured = SimpleNamespace(
        margins=margins(counts), test_margins=margins(test), census=census(counts), test_census=census(test)
    )
    return SimpleNamespace(measured=measured)


def drawn(m, classes, right, seed=0):
    """Counts of a classifier that is right with a probability and else guesses uniformly."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, m)
    guesses = np.where(random.random(m) < right, labels, random.integers(0, classes, m))
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (labels, guesses), 1)
    return table


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("m", [100, 3000, 60_000])
def test_guesses_are_near_chance(classes, m):
    for seed in range(20):
        (line,) = near_chance(counted(drawn(m, classes, 0.0, seed)))
        assert "training error" in line


@pytest.mark.parametrize(
    ("classes", "right"), [(2, 0.5), (2, 0.3), (10, 0.2), (10, 0.9), (100, 0.1), (1000, 0.01)]
)
def test_learners_that_beat_chance_are_let_pass(classes, right):
    for seed in range(20):
        assert near_chance(counted(drawn(20_000, classes, right, seed))) == []


def test_the_majority_class_is_chance():
    """90 % of the labels are class 0, and the network says 0 nearly always: an error of 0.1 is chance."""
    (line,) = near_chance(counted([[8990, 10], [998, 2]]))
    assert "0.101" in line
    assert near_chance(counted([[8900, 100], [300, 700]])) == []


def test_the_test_split_is_looked_at_where_the_training_split_is_in_order():
    (line,) = near_chance(counted(drawn(1000, 10, 0.9), drawn(1000, 10, 0.0)))
    assert line.startswith("the test error")


@pytest.mark.parametrize("shift", [1, 3])
def test_renamed_classes_are_recognised(shift):
    table = np.roll(drawn(2000, 10, 0.95), shift, axis=1)
    (line,) = renamed_classes(counted(table))
    assert f"label 0 for {shift}" in line
    assert "0.0" in line
    assert near_chance(counted(table)) == []


def test_two_swapped_classes_of_many():
    table = drawn(5000, 10, 0.99)
    (line,) = renamed_classes(counted(table[[0, 1, 2, 5, 4, 3, 6, 7, 8, 9]]))
    assert "label 3 for 5, 5 for 3" in line


@pytest.mark.parametrize("right", [0.0, 0.05, 0.3, 0.8, 0.99])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_honest_confusions_are_no_renaming(right, classes):
    for seed in range(20):
        assert renamed_classes(counted(drawn(500, classes, right, seed))) == []


def test_more_training_than_test_errors():
    (line,) = train_above_test(counted(drawn(10_000, 10, 0.1), drawn(2000, 10, 0.96)))
    assert "10000" in line
    assert "2000" in line


@pytest.mark.parametrize("right", [0.05, 0.5, 0.95, 0.999])
def test_equal_errors_within_noise(right):
    for seed in range(50):
        tables = drawn(5000, 10, right, seed), drawn(1000, 10, right, seed + 1000)
        assert train_above_test(counted(*tables)) == []


def test_a_test_set_that_is_a_little_easier_is_let_pass():
    assert train_above_test(counted([[29_000, 1000], [1000, 29_000]], [[4900, 100], [100, 4900]])) == []


def test_one_label_and_one_prediction():
    (line,) = one_class(counted([[0, 0], [7, 93]]))
    assert "labels are class 1" in line
    (line,) = one_class(counted([[50, 0], [50, 0]]))
    assert "predicts class 0" in line
    assert one_class(counted([[50, 1], [0, 0]])) != []
    assert one_class(counted([[50, 1], [1, 50]])) == []


def test_outputs_that_never_change():
    values = torch.tensor([0.0, 1.0, 2.0])
    highest = torch.tensor([0.0, 1.5, 2.0])
    (line,) = dead_outputs(counted(np.eye(3, dtype=np.int64) * 9, lowest=values, highest=highest))
    assert "2 of 3" in line
    assert "output 0, 2" in line
    assert dead_outputs(counted(np.eye(3, dtype=np.int64) * 9, lowest=values, highest=values + 1)) == []
    (line,) = dead_outputs(counted(np.eye(3, dtype=np.int64) * 9, lowest=values, highest=values))
    assert line.startswith("no output")


# ------------------------------------------------------------------------------------- whole analyses


def with_labels(arrays, labels, split="train"):
    changed = {**arrays, f"y_{split}": labels}
    return changed["x_train"], changed["y_train"], changed["x_test"], changed["y_test"]


def test_shuffled_training_labels(warned, ticket, arrays):
    shuffled = np.random.default_rng(0).permutation(arrays["y_train"])
    lines = warned(ticket, with_labels(arrays, shuffled))
    assert any("no better than predictions that ignore the input" in line for line in lines)
    assert any("far above the test error" in line for line in lines)


def test_labels_shifted_by_one(warned, ticket, arrays):
    for split in ("train", "test"):
        lines = warned(ticket, with_labels(arrays, (arrays[f"y_{split}"] + 1) % 10, split))
        assert sum("classes renamed" in line for line in lines) == 1


def test_an_untrained_network(warned, sample, tickets):
    (line,) = warned(tickets / "lenet300_init.pt", sample)
    assert "is the network trained" in line


def test_one_class_of_data(warned, ticket, arrays):
    there = arrays["y_train"] == 3
    lines = warned(ticket, (arrays["x_train"][there], arrays["y_train"][there]))
    assert lines == (
        f"all {there.sum()} training labels are class 3: no error measured on them means anything; are these the labels?",
    )


def test_a_network_with_a_layer_pruned_away(warned, arrays):
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))
    nn.init.zeros_(network[1].weight)
    nn.init.ones_(network[1].bias)
    lines = warned(network, (arrays["x_train"][:500], arrays["y_train"][:500]))
    assert any(line.startswith("layer 1 keeps no weight") for line in lines)
    assert any(line.startswith("no output of the network changes") for line in lines)
