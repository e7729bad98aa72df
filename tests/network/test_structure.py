"""N:M patterns, dead outputs, unread inputs and rewound survivors, against loops."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.network.structure import Pattern, at_reference, pattern_of, structure


def made(n, m, shape, seed=0):
    """A mask that keeps exactly n of every m along the second axis."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(shape, generator=generator).movedim(1, -1)
    groups = scores.unflatten(-1, (-1, m))
    kept = groups >= groups.topk(n, -1).values[..., -1:]
    return kept.flatten(-2).movedim(-1, 1)


def counts(mask, m):
    """How many of each full group are kept, by a loop."""
    rows = mask.movedim(1, -1).reshape(-1, mask.shape[1]).tolist()
    return {sum(row[i : i + m]) for row in rows for i in range(0, len(row) - m + 1, m)}


@pytest.mark.parametrize("shape", [(5, 32), (3, 32, 3, 3)])
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8), (1, 2), (3, 16), (5, 32)])
def test_a_pattern_that_was_made_is_found(n, m, shape):
    mask = made(n, m, shape)
    assert counts(mask, m) == {n}
    found = pattern_of(mask)
    assert found is not None and found.exact and counts(mask, found.m) == {found.n}
    if (n, m) in {(2, 4), (1, 4), (1, 2)}:
        assert (found.n, found.m) == (n, m)
        assert str(found) == f"{n}:{m}"


def test_a_mask_that_merely_fits_is_no_pattern():
    mask = made(2, 4, (6, 32))
    mask[0, :4] = False
    assert pattern_of(mask) == Pattern(2, 4, exact=False)
    assert str(pattern_of(mask)) == "fits 2:4"
    mask[1, :3] = True
    assert pattern_of(mask) is None
    assert pattern_of(torch.ones(4, 8, dtype=torch.bool)) is None
    assert pattern_of(torch.zeros(4, 8, dtype=torch.bool)) is None


def test_a_group_that_is_cut_off_may_keep_fewer():
    mask = torch.cat([made(2, 4, (6, 8)), torch.zeros(6, 2, dtype=torch.bool)], 1)
    assert pattern_of(mask) == Pattern(2, 4, exact=True)
    assert pattern_of(torch.tensor([[True, False, True]])) == Pattern(1, 2, exact=True)


def test_dead_after_batchnorm():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 4)
        ).eval()
    with torch.no_grad():
        model[1].weight[1] = 0
        model[1].bias[:] = torch.tensor([0.5, -0.5, 0.5, 0.5, 0.5])
        model[0].weight[3] = 0
        model[0].weight[:, 2] = 0
    first, last = boundcalc.load(model, input_shape=(3, 8, 8)).layers()
    found = structure(first)
    assert (found.outputs, found.inputs) == (5, 3)
    assert found.dead == (1, 3)
    assert found.unread == (2,)
    x = torch.randn(20, 3, 8, 8)
    with torch.no_grad():
        values = model[1](model[0](x)).transpose(0, 1).flatten(1)
    constant = [channel for channel in range(5) if float(values[channel].std()) < 1e-6]
    assert list(found.dead) == constant
    assert set(found.silent) == {channel for channel in constant if float(values[channel].max()) <= 0}
    assert structure(last).dead == ()


@pytest.mark.parametrize("input_shape", [None, (1, 2, 4), (2, 2, 2)])
def test_inputs_of_a_first_linear_layer_are_those_of_its_matrix(input_shape):
    """Whether they are known to be an image or not."""
    weight = torch.zeros(4, 8)
    weight[:, [0, 1, 4, 5]] = 1.0
    read = boundcalc.load({"0.weight": weight, "2.weight": torch.ones(3, 4)}, input_shape=input_shape)
    found = structure(next(layer for layer in read.counted() if layer.name == "0"))
    assert (found.inputs, found.unread, str(found.pattern)) == (8, (2, 3, 6, 7), "2:4")


def test_survivors_at_the_start():
    weight = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    start = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert at_reference(weight, weight != 0, start) == pytest.approx(2 / 3)
    assert at_reference(weight * 0, weight == 7, start) is None
