"""Standard architectures, written in their field's usual form, at small and at full width, with random pruned weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from zoo.classic import VGGBN, AlexNet, Conv1dNet, all_cnn, conv_n, lenet5_caffe, mlp_batchnorm, nin
from zoo.joined import DenseNetBC, GoogLeNet, squeezenet
from zoo.mobile import ConvNeXt, EfficientNet, MobileNetV2, ShuffleNetV2
from zoo.residual import BasicBlock, Bottleneck, CifarResNet, ResNet, WideResNet

CONVOLUTIONS, JOINED, OTHER = "convolutions", "concatenation", "other"
"""Families: convolutions, BatchNorm, ReLU, pooling, bias and residual sums; with concatenation; with other operations."""


@dataclass(frozen=True)
class Architecture:
    """One network of the zoo.

    Attributes:
        family: one of the families above.
        small: makes it at small width.
        shape: of one sample of the small one.
        full: makes it as published, or None where that is the small one.
        full_shape: of one sample of that.
        outside: operations that no bound takes.
    """

    family: str
    small: Callable[[], nn.Module]
    shape: tuple[int, ...]
    full: Callable[[], nn.Module] | None = None
    full_shape: tuple[int, ...] = (3, 224, 224)
    outside: tuple[str, ...] = ()


IMAGENET, CIFAR, MNIST = (3, 64, 64), (3, 32, 32), (1, 28, 28)

ZOO: dict[str, Architecture] = {
    "AlexNet": Architecture(CONVOLUTIONS, lambda: AlexNet(4, 16, 10), (3, 96, 96), AlexNet),
    "VGG-16": Architecture(CONVOLUTIONS, lambda: VGGBN(16, 4, 16, 10, 1), CIFAR, lambda: VGGBN(16)),
    "VGG-19": Architecture(CONVOLUTIONS, lambda: VGGBN(19, 4, 0, 10, 1), CIFAR, lambda: VGGBN(19)),
    "ResNet-18": Architecture(
        CONVOLUTIONS, lambda: ResNet(BasicBlock, [2] * 4, 4, 10), IMAGENET, lambda: ResNet(BasicBlock, [2, 2, 2, 2])
    ),
    "ResNet-20A": Architecture(
        CONVOLUTIONS, lambda: CifarResNet(20, 4, option_a=True), CIFAR, lambda: CifarResNet(20, option_a=True), CIFAR
    ),
    "ResNet-20": Architecture(CONVOLUTIONS, lambda: CifarResNet(20, 4), CIFAR, lambda: CifarResNet(20), CIFAR),
    "ResNet-50": Architecture(
        CONVOLUTIONS, lambda: ResNet(Bottleneck, [3, 4, 6, 3], 4, 10), IMAGENET, lambda: ResNet(Bottleneck, [3, 4, 6, 3])
    ),
    "ResNet-56": Architecture(CONVOLUTIONS, lambda: CifarResNet(56, 4), CIFAR, lambda: CifarResNet(56), CIFAR),
    "ResNeXt": Architecture(
        CONVOLUTIONS, lambda: ResNet(Bottleneck, [2, 2, 2, 2], 8, 10, 4, 32), IMAGENET,
        lambda: ResNet(Bottleneck, [3, 4, 6, 3], groups=32, base=4),
    ),
    "WideResNet": Architecture(
        CONVOLUTIONS, lambda: WideResNet(10, 2, 4), CIFAR, lambda: WideResNet(28, 10), CIFAR
    ),
    "DenseNet-BC": Architecture(JOINED, lambda: DenseNetBC(3, 4), CIFAR, DenseNetBC, CIFAR),
    "SqueezeNet": Architecture(JOINED, lambda: squeezenet(2, 10), IMAGENET, squeezenet),
    "GoogLeNet": Architecture(JOINED, lambda: GoogLeNet(8, 10), IMAGENET, GoogLeNet),
    "MobileNetV2": Architecture(OTHER, lambda: MobileNetV2(8, 10), IMAGENET, MobileNetV2),
    "ShuffleNetV2": Architecture(JOINED, lambda: ShuffleNetV2((8, 16, 32, 64, 64), 10), IMAGENET, ShuffleNetV2),
    "EfficientNet-B0": Architecture(
        OTHER, lambda: EfficientNet(8, 10), IMAGENET, EfficientNet, outside=("sigmoid", "product of two branches (mul)")
    ),
    "ConvNeXt": Architecture(
        OTHER, lambda: ConvNeXt(8, (1, 1, 2, 1), 10), IMAGENET, ConvNeXt,
        outside=("layer_norm", "linear over the last of 3 axes"),
    ),
    "All-CNN": Architecture(CONVOLUTIONS, lambda: all_cnn(8), CIFAR, all_cnn, CIFAR),
    "NiN": Architecture(CONVOLUTIONS, lambda: nin(6), CIFAR, nin, CIFAR),
    "LeNet-5 Caffe": Architecture(CONVOLUTIONS, lenet5_caffe, MNIST),
    "Conv-2": Architecture(CONVOLUTIONS, lambda: conv_n(2, 8, 16), CIFAR, lambda: conv_n(2), CIFAR),
    "Conv-4": Architecture(CONVOLUTIONS, lambda: conv_n(4, 8, 16), CIFAR, lambda: conv_n(4), CIFAR),
    "Conv-6": Architecture(CONVOLUTIONS, lambda: conv_n(6, 8, 16), CIFAR, lambda: conv_n(6), CIFAR),
    "MLP, BatchNorm before": Architecture(CONVOLUTIONS, lambda: mlp_batchnorm(60), MNIST, mlp_batchnorm, MNIST),
    "MLP, BatchNorm after": Architecture(
        CONVOLUTIONS, lambda: mlp_batchnorm(60, before=False), MNIST, lambda: mlp_batchnorm(before=False), MNIST
    ),
    "Conv1d": Architecture(CONVOLUTIONS, lambda: Conv1dNet(8), (3, 64), Conv1dNet, (3, 256)),
}  # fmt: skip


def pruned(make: Callable[[], nn.Module], seed: int = 0, density: float = 0.1) -> nn.Module:
    """A module in evaluation mode with random BatchNorm statistics, whose matrices and kernels keep their largest weights."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        module = make().eval()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(std=0.1)
            elif isinstance(part, nn.Conv1d | nn.Conv2d | nn.Linear):
                size = part.weight.abs().flatten()
                kept = max(1, round(density * size.numel()))
                part.weight.mul_(part.weight.abs() >= size.topk(kept).values[-1])
    return module


def weights(module: nn.Module) -> list[torch.Tensor]:
    """What counts as a weight: every parameter but biases and the scales and shifts of normalizations."""
    norms = nn.modules.batchnorm._BatchNorm | nn.LayerNorm
    return [
        parameter
        for part in module.modules() if not isinstance(part, norms)
        for name, parameter in part.named_parameters(recurse=False) if name != "bias"
    ]  # fmt: skip
