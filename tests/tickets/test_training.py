"""Recipes, masks in training, weight normalization, codebooks: identities and naive twins."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from boundcalc.errors import UsageError
from boundcalc.tickets import masks as masking
from boundcalc.tickets import networks
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import Trainer, measure

CPU = Hardware(torch.device("cpu"))


def make(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 8, generator=generator)
    return Samples(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long())


@pytest.fixture
def masks():
    generator = torch.Generator().manual_seed(1)
    return {key: torch.rand(w.shape, generator=generator) < 0.5 for key, w in masking.weights(make()).items()}


def order(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_masked_training_is_training_of_the_masked_function(samples, masks, optimizer, loss):
    """Zeroing after a step equals torch's own optimiser on the function w -> f(w * mask)."""
    recipe = Recipe(epochs=3, optimizer=optimizer, lr=0.05, weight_decay=0.01, batch_size=16, loss=loss)
    trainer = Trainer(networks.masked_module(make(), make().state_dict(), masks, False), masks, recipe, CPU)
    twin = make()
    parameters = dict(twin.named_parameters())
    settings = {"lr": 0.05, "weight_decay": 0.01}
    torch_optimizer = (
        torch.optim.Adam(twin.parameters(), **settings, foreach=False)
        if optimizer == "adam"
        else torch.optim.SGD(twin.parameters(), **settings, momentum=0.9, foreach=False)
    )
    for epoch in range(3):
        trainer.epoch(epoch, samples, order(epoch))
        for rows in torch.randperm(50, generator=order(epoch)).split(16):
            torch_optimizer.zero_grad()
            masked = {key: p * masks[key] if key in masks else p for key, p in parameters.items()}
            logits = torch.func.functional_call(twin, masked, (samples.x[rows],))
            target = samples.y[rows]
            if loss == "mse":
                value = ((logits - torch.eye(3)[target]) ** 2).mean()
            else:
                value = nn.functional.nll_loss(logits.log_softmax(1), target)
            value.backward()
            torch_optimizer.step()
    for key, tensor in trainer.module.state_dict().items():
        expected = parameters[key].detach() * masks[key] if key in masks else parameters[key].detach()
        assert torch.allclose(tensor, expected, atol=2e-6), key
    assert all((trainer.module.state_dict()[key][~mask] == 0).all() for key, mask in masks.items())


def test_running_numbers_are_means_over_samples(samples):
    """With a learning rate too small to matter, the running numbers are those of the whole set."""
    trainer = Trainer(make(), {}, Recipe(lr=1e-12, batch_size=7), CPU)
    expected = measure(trainer.module, samples, "cross-entropy", CPU)
    found = trainer.epoch(0, samples, order())
    assert found == pytest.approx(expected, rel=1e-6)
    wrong = sum(int(make()(x[None]).argmax()) != int(y) for x, y in zip(samples.x, samples.y, strict=True))
    assert expected[1] == wrong / 50


@pytest.mark.parametrize("recipe", [Recipe(lr=0.1, weight_norm=True), Recipe(lr=0.01, optimizer="adam")])
def test_a_state_is_all_the_next_epoch_needs(samples, masks, recipe):
    def fresh():
        module = networks.masked_module(make(), make().state_dict(), masks, recipe.weight_norm)
        return Trainer(module, masks, recipe, CPU)

    one, other = fresh(), fresh()
    one.epoch(0, samples, order(0))
    state = copy.deepcopy(one.state())
    one.epoch(1, samples, order(1))
    other.restore(state)
    other.epoch(1, samples, order(1))
    for a, b in zip(one.module.state_dict().values(), other.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_weight_norm_keeps_the_function_and_the_mask(samples, masks):
    masks["1.weight"][2] = False  # an output without weights
    module = networks.masked_module(make(), make().state_dict(), masks, True)
    bare = networks.masked_module(make(), make().state_dict(), masks, False)
    assert torch.allclose(module(samples.x), bare(samples.x), atol=1e-6)
    trainer = Trainer(module, masks, Recipe(lr=0.1, batch_size=10), CPU)
    for epoch in range(3):
        trainer.epoch(epoch, samples, order(epoch))
    weights = networks.plain_tensors(module, make().state_dict())
    assert list(weights) == list(make().state_dict())
    for key, mask in masks.items():
        assert (weights[key][~mask] == 0).all()
        assert torch.isfinite(weights[key]).all()
        assert not torch.equal(weights[key], bare.state_dict()[key])
    again = networks.masked_module(make(), weights, masks, False)
    assert torch.allclose(again(samples.x), module(samples.x), atol=1e-6)


def test_mixed_precision_and_channels_last_change_only_digits():
    """The arithmetic of a GPU, tried on the CPU: bfloat16 products, images with channels innermost."""
    torch.manual_seed(0)
    template = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(60, 2, 6, 6)
    y = (x.mean((1, 2, 3)) > 0).long()
    masks = {key: torch.rand(weight.shape) < 0.6 for key, weight in masking.weights(template).items()}
    losses = []
    for place in (CPU, Hardware(torch.device("cpu"), torch.bfloat16, channels_last=True)):
        module = place.network(networks.masked_module(template, template.state_dict(), masks, False))
        trainer = Trainer(module, masks, Recipe(lr=0.05, batch_size=20), place)
        seen = Samples(place.samples(x), y)
        losses.append([trainer.epoch(epoch, seen, order(epoch))[0] for epoch in range(5)])
        assert all((masking.weights(module)[key][~mask] == 0).all() for key, mask in masks.items())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert module[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_schedules():
    step = Recipe(epochs=10, lr=1.0, schedule="step", milestones=(4, 8), gamma=0.5)
    assert [step.rate(epoch) for epoch in (0, 3.99, 4, 8, 9.9)] == [1, 1, 0.5, 0.25, 0.25]
    cosine = Recipe(epochs=10, lr=1.0, schedule="cosine")
    rates = [cosine.rate(epoch / 10) for epoch in range(101)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[50], rates[100]) == (1.0, 0.5, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs 0: give at least 1"),
        ({"optimizer": "adm"}, "did you mean adam"),
        ({"lr": 0.0}, "--lr 0: give a positive number"),
        ({"lr": float("nan")}, "--lr nan"),
        ({"momentum": 1.0}, "--momentum 1"),
        ({"weight_decay": -1.0}, "--weight-decay -1"),
        ({"schedule": "step"}, "--milestones E,..."),
        ({"milestones": (3,)}, "--schedule step"),
        ({"schedule": "step", "milestones": (5, 3)}, "increasing"),
        ({"schedule": "step", "milestones": (10,)}, "must be below --epochs 10"),
        ({"loss": "nll"}, "--loss nll"),
    ],
)
def test_recipes_that_make_no_sense(options, message):
    with pytest.raises(UsageError) as caught:
        Recipe(**options)
    assert message in str(caught.value)
