"""The reference of distances: the initialization as it was before any mask."""

from __future__ import annotations

import pytest
import torch

import boundcalc
from boundcalc.checkpoint import from_state_dict
from boundcalc.network.load import from_checkpoint, reference_weights


def draw(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def state(seed, masks=None):
    shapes = {"fc1.weight": (40, 30), "fc1.bias": (40,), "fc2.weight": (5, 40), "fc2.bias": (5,)}
    tensors = {key: draw(*shape, seed=seed + place) for place, (key, shape) in enumerate(shapes.items())}
    return {key: tensor * (masks or {}).get(key, 1.0) for key, tensor in tensors.items()}


MASKS = {"fc1.weight": (draw(40, 30, seed=50) > 0).float()}
EARLIER = {"fc1.weight": ((draw(40, 30, seed=50) > 0) | (draw(40, 30, seed=51) > 0)).float()}


def found(start, weights):
    network = from_checkpoint(from_state_dict(weights, "ticket"))
    return reference_weights(network, from_state_dict(start, "start"))


def test_a_dense_initialisation_is_taken_whole():
    start = state(9)
    weights = found(start, state(0, MASKS))
    assert set(weights) == set(start)
    assert torch.equal(weights["fc1.weight"].reshape(40, 30), start["fc1.weight"].double())


@pytest.mark.parametrize("masks", [MASKS, EARLIER])
def test_rewound_weights_hold_the_mask_and_are_none(masks):
    """The mask was chosen by training: mask * K_0 depends on the sample."""
    weights = found(state(9, masks), state(0, MASKS))
    assert set(weights) == {"fc1.bias", "fc2.weight", "fc2.bias"}


def test_zeros_of_the_initialisation_itself_are_no_mask():
    """A layer that starts at 0, one that starts with zeros where weights survive, and single zeros."""
    zero = {**state(9), "fc1.weight": torch.zeros(40, 30)}
    assert "fc1.weight" in found(zero, state(0, MASKS))
    sparse = state(9, {"fc1.weight": (draw(40, 30, seed=60) > 0).float()})
    assert "fc1.weight" in found(sparse, state(0, MASKS))
    single = state(9)
    single["fc1.weight"][MASKS["fc1.weight"] == 0][0] = 0.0
    assert "fc1.weight" in found(single, state(0, MASKS))


def test_distances_from_a_masked_initialisation_are_those_from_zero(tmp_path):
    torch.save(state(0, MASKS), tmp_path / "ticket.pt")
    complexity, said = {}, {}
    for name, start in (
        ("none", None),
        ("masked", state(9, MASKS)),
        ("zero", {**state(9), "fc1.weight": torch.zeros(40, 30)}),
    ):
        if start is not None:
            torch.save(start, tmp_path / f"{name}.pt")
        report = boundcalc.analyze(
            tmp_path / "ticket.pt", samples=100, input_bound=1.0, only=("bounds",),
            reference=None if start is None else tmp_path / f"{name}.pt",
        ).to_dict()  # fmt: skip
        complexity[name] = report["bounds"]["bartlett2017"]["complexity"]
        said[name] = report["bounds"]["bartlett2017"]["terms"]["distance_from"]
    assert complexity["masked"] == complexity["zero"]
    assert said["none"] == "zero" and said["zero"] == "initialisation"
    assert "the reference is masked" in said["masked"]
