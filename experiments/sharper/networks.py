"""Networks without biases, for `--model experiments/sharper/networks.py:NAME`."""

from __future__ import annotations

from torch import nn


def two_classes_30() -> nn.Module:
    """A perceptron with 30 hidden units and two outputs."""
    return _perceptron(30, 2)


def three_classes_60() -> nn.Module:
    """A perceptron with 60 hidden units and three outputs."""
    return _perceptron(60, 3)


def ten_classes_100() -> nn.Module:
    """A perceptron with 100 hidden units and ten outputs."""
    return _perceptron(100, 10)


def ten_classes_behind() -> nn.Module:
    """A perceptron with 100 hidden units and ten outputs for the 8 x 7 x 7 values of a fixed first stage."""
    return _perceptron(100, 10, 392)


def ten_classes_behind_30() -> nn.Module:
    """The same with 30 hidden units."""
    return _perceptron(30, 10, 392)


def ten_classes_behind_linear() -> nn.Module:
    """One linear layer of ten outputs for the 8 x 7 x 7 values of a fixed first stage."""
    return nn.Sequential(nn.Flatten(), nn.Linear(392, 10, bias=False))


def two_classes_conv() -> nn.Module:
    """A convolution of 8 channels with stride 4 and a linear layer, two outputs."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 7, stride=3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 8 * 8, 2, bias=False)
    )


def _perceptron(hidden: int, classes: int, inputs: int = 784) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, classes, bias=False)
    )


def tiny() -> nn.Module:
    """A perceptron with 4 hidden units for images of 8 x 8 and two classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
