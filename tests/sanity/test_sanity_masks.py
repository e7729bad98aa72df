"""Masks and references that do not fit the weights beside them."""

from __future__ import annotations

import json

import pytest
import torch

PARTS = ("samples",)


@pytest.fixture
def state(ticket):
    return torch.load(ticket, weights_only=True)


@pytest.fixture
def masked(tmp_path, warned):
    """Warnings about weights and the masks beside them, given by --mask."""

    def told(weights, masks):
        torch.save(weights, tmp_path / "weights.pt")
        torch.save(masks, tmp_path / "mask.pt")
        return warned(
            tmp_path / "weights.pt", None, only=PARTS, mask=tmp_path / "mask.pt", input_shape=(1, 28, 28)
        )

    return told


def support(state):
    return {key: (tensor != 0).int() for key, tensor in state.items() if tensor.dim() > 1}


def dense(state):
    random = torch.Generator().manual_seed(0)
    return {key: torch.randn(tensor.shape, generator=random) for key, tensor in state.items()}


def test_masks_that_prune_nothing(masked, state):
    (line,) = masked(state, {key: torch.ones_like(mask) for key, mask in support(state).items()})[:1]
    assert "mask.pt" in line
    assert "keep all 266200 weights, so they prune nothing" in line


@pytest.mark.parametrize("level", ["level_0", "level_2"])
def test_level_0_of_a_lottery_prunes_nothing_and_a_report_may_say_so(warned, tmp_path, state, level):
    home = tmp_path / "replicate_1" / level / "main"
    home.mkdir(parents=True)
    weights = dense(state)
    masks = {key: torch.ones_like(mask) for key, mask in support(state).items()}
    torch.save(weights, home / "model_ep1_it0.pth")
    torch.save(masks, home / "mask.pth")
    count = float(sum(mask.numel() for mask in masks.values()))
    (home / "sparsity_report.json").write_text(json.dumps({"total": count, "unpruned": count}))
    assert warned(home, None, only=PARTS) == ()
    (home / "sparsity_report.json").unlink()
    assert any("prune nothing" in line for line in warned(home, None, only=PARTS)) is (level == "level_2")


def test_a_mask_of_its_own_weights(masked, state):
    assert masked(state, support(state)) == ()


def test_a_mask_over_dense_weights_is_common(masked, state):
    assert masked(dense(state), support(state)) == ()


def test_a_mask_of_another_run_leaves_weights_alive(masked, state):
    masks = {key: mask.flip(0) for key, mask in support(state).items()}
    lines = masked(state, masks)
    assert any("weights under mask 0 are not zero in the file" in line for line in lines)


def test_a_mask_of_an_earlier_level_keeps_zeros(masked, state):
    random = torch.Generator().manual_seed(0)
    wider = {
        key: (mask.bool() | (torch.rand(mask.shape, generator=random) < 0.05)).int()
        for key, mask in support(state).items()
    }
    (line,) = masked(state, wider)
    assert "that the masks keep are exactly zero" in line


def test_a_layer_that_starts_at_zero_is_no_mistake(masked, state):
    weights = {**dense(state), "fc2.weight": torch.zeros_like(state["fc2.weight"])}
    assert not any("exactly zero" in line for line in masked(weights, support(state)))


def test_prune_live_keeps_old_values_under_its_mask(warned, tmp_path, state):
    live = {}
    for key, tensor in dense(state).items():
        if tensor.dim() > 1:
            live |= {f"{key}_orig": tensor, f"{key}_mask": (state[key] != 0).float()}
        else:
            live[key] = tensor
    torch.save(live, tmp_path / "live.pt")
    assert warned(tmp_path / "live.pt", None, only=PARTS, input_shape=(1, 28, 28)) == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_reference_that_is_the_checkpoint_in_fewer_digits(warned, ticket, tmp_path, state, dtype):
    torch.save({key: tensor.to(dtype) for key, tensor in state.items()}, tmp_path / "half.pt")
    (line,) = warned(ticket, None, only=PARTS, reference=tmp_path / "half.pt", input_shape=(1, 28, 28))
    assert line.startswith(str(tmp_path / "half.pt"))
    assert "a reference is the initialization" in line


def test_a_reference_that_training_moved_from(warned, tickets, ticket):
    options = {"only": PARTS, "input_shape": (1, 28, 28)}
    assert warned(ticket, None, reference=tickets / "lenet300_init.pt", **options) == ()
