"""The penalty is the bound's own norm, pruned weights stay 0, and training with it lowers the bound."""

import math

import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.errors import UsageError
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.regularizer import Penalty


def perceptron(*sizes, bias=False):
    layers = [nn.Flatten()]
    for width, out in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(width, out, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_one_hidden_layer_by_hand():
    torch.manual_seed(0)
    module = perceptron(5, 4, 3)
    with torch.no_grad():
        module[1].weight *= torch.rand(4, 5) < 0.5
    w, v = module[1].weight.detach().double(), module[3].weight.detach().double()
    v = v - v.mean(0)
    expected = float((w.norm(dim=1) * v.norm(dim=0)).sum())
    assert float(Penalty(module, (5,), 0.1)().detach()) == pytest.approx(0.1 * expected, rel=1e-6)
    assert expected <= float((w.square().sum() + v.square().sum()) / 2)


def test_convolutions_and_pooling_have_gradients():
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2, bias=False)
    )
    penalty = Penalty(module, (1, 6, 6), 1.0)()
    penalty.backward()
    for parameter in module.parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())
    assert math.isfinite(float(penalty.detach())) and float(penalty.detach()) > 0


def test_what_it_does_not_take():
    with pytest.raises(UsageError, match="BatchNorm"):
        Penalty(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)),
            (1, 6, 6),
            1.0,
        )
    with pytest.raises(UsageError, match="regularise"):
        Recipe(regularize="peeling")
    with pytest.raises(UsageError, match="choose from peeling"):
        Recipe(regularize="norm", weight_decay=0.1)


def test_training_with_it_lowers_the_bound(tmp_path):
    from boundcalc.cli.main import main

    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef net():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))\n"
    )
    model, values = f"{tmp_path / 'net.py'}:net", []
    for strength in ("0.0001", "0.1"):
        out = tmp_path / strength
        words = ["train", "--data", "digits", "--model", model, "--pruner", "random", "--density", "0.5", "--optimizer", "adam",
                 "--epochs", "3", "--regularise", "peeling", "--weight-decay", strength, "--out", str(out), "--quiet"]  # fmt: skip
        assert main(words) == 0
        ticket = out / "replicate_0" / "level_0" / "main" / "model.safetensors"
        report = boundcalc.analyze(ticket, data="digits", model=model, only=("bounds",), passes=0).to_dict()
        values.append(report["bounds"]["peeling"]["terms"]["rho_of_margins"])
        assert report["checkpoint"]["density"] == pytest.approx(0.5, abs=0.01)
    assert values[1] < 0.7 * values[0]
