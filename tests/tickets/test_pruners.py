"""Scores against their papers' formulas, computed by naive twins: finite sums, one weight at a time."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from boundcalc.errors import CheckpointError
from boundcalc.tickets import masks as masking
from boundcalc.tickets import pruners
from boundcalc.tickets.architectures import ResNet, conv
from boundcalc.tickets.pruners import PrunerInputs


class Small(nn.Module):
    """A convolution, pooling and two linear layers, smooth, so that differences converge."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 2)
        self.fc1 = nn.Linear(8, 4)
        self.fc2 = nn.Linear(4, 3)

    def forward(self, x):
        x = nn.functional.softplus(self.conv(x))
        return self.fc2(nn.functional.softplus(self.fc1(x.flatten(1))))


@pytest.fixture
def network():
    torch.manual_seed(1)
    return Small().double()


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(12, 1, 3, 3, generator=generator, dtype=torch.float64)
    return PrunerInputs(x, torch.arange(12) % 3, "cross-entropy", generator)


def naive_loss(network, inputs, temperature=1.0):
    logits = network(inputs.x) / temperature
    rows = [-(row[label] - row.exp().sum().log()) for row, label in zip(logits, inputs.y, strict=True)]
    return sum(rows) / len(rows)


def hessian_twin(network, inputs, temperature):
    """-w (H g) by the full Hessian of the loss in all prunable weights."""
    parameters = masking.weights(network)
    flat = torch.cat([weight.detach().flatten() for weight in parameters.values()])
    shapes = {key: weight.shape for key, weight in parameters.items()}

    def loss(vector):
        pieces = vector.split([shape.numel() for shape in shapes.values()])
        values = {key: piece.reshape(shapes[key]) for key, piece in zip(shapes, pieces, strict=True)}
        logits = torch.func.functional_call(network, values, (inputs.x,)) / temperature
        return nn.functional.nll_loss(logits.log_softmax(1), inputs.y)

    gradient = torch.func.grad(loss)(flat)
    return -flat * (torch.autograd.functional.hessian(loss, flat) @ gradient)


def joined(scores):
    return torch.cat([score.flatten() for score in scores.values()])


def test_snip_is_what_the_loss_loses_to_first_order(network, inputs):
    """|dL/dc| at c = 1 for every connection's switch c: by central differences."""
    scores = pruners.registry["snip"].score(network, inputs)
    for key, weight in masking.weights(network).items():
        for place in range(0, weight.numel(), 3):
            losses = []
            for switch in (1 + 1e-5, 1 - 1e-5):
                changed = copy.deepcopy(network)
                with torch.no_grad():
                    masking.weights(changed)[key].view(-1)[place] *= switch
                    losses.append(naive_loss(changed, inputs))
            slope = abs(float(losses[0] - losses[1]) / 2e-5)
            assert float(scores[key].flatten()[place]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_grasp_is_minus_the_papers_score_by_the_full_hessian(network, inputs):
    expected = hessian_twin(network, inputs, temperature=200.0)
    assert torch.allclose(
        -joined(pruners.registry["grasp"].score(network, inputs)), expected, rtol=1e-8, atol=1e-18
    )


def test_grasp_removes_where_the_papers_score_is_highest(network, inputs):
    paper = hessian_twin(network, inputs, temperature=200.0)
    found = pruners.prune(network, "grasp", 0.5, "global", inputs)
    kept = joined(found)
    assert paper[kept].max() <= paper[~kept].min()


def test_synflow_sums_the_products_over_all_paths():
    """For a network without biases, the score of a weight is the sum over its paths of products of |w|."""
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Linear(3, 4, bias=False),
        nn.ReLU(),
        nn.Linear(4, 2, bias=False),
        nn.ReLU(),
        nn.Linear(2, 3, bias=False),
    )
    w1, w2, w3 = (weight.detach().double().abs() for weight in masking.weights(network).values())
    s1, s2, s3 = torch.zeros(4, 3).double(), torch.zeros(2, 4).double(), torch.zeros(3, 2).double()
    for a in range(3):
        for b in range(4):
            for c in range(2):
                for d in range(3):
                    path = w1[b, a] * w2[c, b] * w3[d, c]
                    s1[b, a] += path
                    s2[c, b] += path
                    s3[d, c] += path
    inputs = PrunerInputs(
        torch.randn(5, 3), torch.zeros(5, dtype=torch.long), "cross-entropy", torch.Generator()
    )
    for found, expected in zip(
        pruners.registry["synflow"].score(network, inputs).values(), (s1, s2, s3), strict=True
    ):
        assert torch.allclose(found, expected, rtol=1e-12)


def test_synflow_is_conserved_and_blind(network, inputs):
    """Flow into a hidden unit equals flow out of it without biases (Tanaka et al. 2020, Theorem 1)."""
    torch.manual_seed(4)
    network = conv(4, 3, size=6, bias=False)
    x = torch.randn(4, 1, 6, 6)
    inputs = PrunerInputs(x, torch.tensor([0, 1, 2, 0]), "cross-entropy", torch.Generator())
    scores = list(pruners.registry["synflow"].score(network, inputs).values())
    totals = torch.stack([score.sum() for score in scores])
    assert torch.allclose(totals, totals[:1].expand_as(totals), rtol=1e-10)
    for before, after in zip(scores[:2], scores[1:3], strict=True):
        assert torch.allclose(before.sum((1, 2, 3)), after.sum((0, 2, 3)), rtol=1e-10)
    other = PrunerInputs(-x, inputs.y.flip(0), "mse", torch.Generator())
    assert all(
        torch.equal(a, b)
        for a, b in zip(scores, pruners.registry["synflow"].score(network, other).values(), strict=True)
    )


def test_synflow_in_rounds_never_cuts_the_network():
    """At a density where one round of the score collapses a layer, a hundred rounds keep a path."""
    torch.manual_seed(0)
    sizes = ((50, 50), (50, 50), (50, 2))
    network = nn.Sequential(*(nn.Linear(*size, bias=False) for size in sizes))
    inputs = PrunerInputs(torch.randn(4, 50), torch.tensor([0, 1, 0, 1]), "cross-entropy", torch.Generator())
    density = 12 / 5100
    kept = pruners.prune(network, "synflow", density, "global", inputs)
    assert masking.surviving(kept) == 12
    assert all(bool(mask.any()) for mask in kept.values())
    once = masking.keep_best(
        pruners.registry["synflow"].score(network, inputs), masking.ones(network), density, "global"
    )
    assert not all(bool(mask.any()) for mask in once.values())


def test_random_looks_at_neither_weights_nor_samples(network, inputs):
    def mask(network, x):
        seen = PrunerInputs(x, inputs.y, "cross-entropy", torch.Generator().manual_seed(5))
        return joined(pruners.prune(network, "random", 0.3, "global", seen))

    other = Small().double()
    assert torch.equal(mask(network, inputs.x), mask(other, -inputs.x))
    assert int(mask(network, inputs.x).sum()) == round(0.3 * mask(network, inputs.x).numel())


@pytest.mark.parametrize("pruner", sorted(pruners.registry))
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_density_is_met_and_the_network_is_left_alone(network, inputs, pruner, scope):
    before = copy.deepcopy(network.state_dict())
    found = pruners.prune(network, pruner, 0.25, scope, inputs)
    if scope == "global":
        assert masking.surviving(found) == round(0.25 * masking.size(found))
    else:
        assert all(int(mask.sum()) == round(0.25 * mask.numel()) for mask in found.values())
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert set(found) == {"conv.weight", "fc1.weight", "fc2.weight"}


@pytest.mark.parametrize("pruner", sorted(pruners.registry))
def test_batch_norm_statistics_are_left_alone(pruner):
    torch.manual_seed(0)
    network = ResNet((1, 1), 2)
    before = copy.deepcopy(network.state_dict())
    inputs = PrunerInputs(torch.randn(4, 3, 8, 8), torch.arange(4), "mse", torch.Generator().manual_seed(0))
    found = pruners.prune(network, pruner, 0.5, "global", inputs)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert not any("bn" in key or key.endswith("bias") for key in found)


def test_erk_gives_layers_densities_in_proportion_to_their_shares_and_fills_the_small_ones():
    network = nn.Sequential(nn.Conv2d(8, 40, 5), nn.Conv2d(40, 60, 3), nn.Flatten(), nn.Linear(60, 2))
    shares = [(8 + 40 + 10) / (8 * 40 * 25), (40 + 60 + 6) / (40 * 60 * 9), (60 + 2) / (60 * 2)]
    sight = PrunerInputs(
        torch.zeros(1, 8, 7, 7), torch.zeros(1).long(), "mse", torch.Generator().manual_seed(0)
    )
    masks = pruners.prune(network, "erk", 0.2, "global", sight)
    assert masking.surviving(masks) == round(0.2 * masking.size(masks))
    dense = [float(mask.double().mean()) for mask in masks.values()]
    assert dense[2] == 1
    assert dense[0] / dense[1] == pytest.approx(shares[0] / shares[1], rel=0.1)


def test_what_is_pruned_stays_pruned():
    masks = {"w": torch.tensor([[True, False], [True, True]])}
    scores = {"w": torch.tensor([[-3.0, 9.0], [-1.0, -2.0]])}
    kept = masking.keep_best(scores, masks, 0.5, "global")["w"]
    assert kept.tolist() == [[False, False], [True, True]]
    assert masking.surviving(masking.keep_best(scores, masks, 1.0, "layerwise")) == 3


def test_ties_go_to_the_first():
    masks = {"a": torch.ones(2, 2).bool(), "b": torch.ones(3).bool()}
    kept = masking.keep_best({"a": torch.zeros(2, 2), "b": torch.zeros(3)}, masks, 5 / 7, "global")
    assert kept["a"].all()
    assert kept["b"].tolist() == [True, False, False]


def test_the_kept_are_the_first_of_a_stable_sort():
    random = torch.Generator().manual_seed(0)
    for count in range(1, 41):
        scores = torch.randint(0, 9, (40,), generator=random).float()
        alive = torch.rand(40, generator=random) < 0.7
        ranked = sorted(range(40), key=lambda k: (-float(scores[k]) if alive[k] else math.inf, k))
        expected = {k for k in ranked[:count] if alive[k]}
        kept = masking.keep_best({"w": scores}, {"w": alive}, count / 40, "global")["w"]
        assert set(kept.nonzero()[:, 0].tolist()) == expected


def test_networks_that_cannot_be_pruned():
    shared = nn.Linear(3, 3)
    with pytest.raises(CheckpointError, match="2.weight is shared"):
        masking.weights(nn.Sequential(shared, nn.ReLU(), shared))
    with pytest.raises(CheckpointError, match="0.weight is computed"):
        masking.weights(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))))
    with pytest.raises(CheckpointError, match="no linear or convolution layer"):
        masking.weights(nn.ReLU())
