"""Networks of the lottery-ticket and generalization literature, as plain modules.

Every function without required arguments serves as ``--model boundcalc.tickets.architectures:NAME``; for the CONV-L-H
family, ``conv_L_H`` (such as ``conv_4_50``) is such a function for any L and H. All networks return logits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional


class LeNet300(nn.Module):
    """LeNet-300-100: 784-300-100-10, ReLU; flattens its input (LeCun et al. 1998; Frankle & Carbin 2019).

    Args:
        bias: whether the layers have biases.
    """

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 300, bias=bias)
        self.fc2 = nn.Linear(300, 100, bias=bias)
        self.fc3 = nn.Linear(100, 10, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, 1, 28, 28)` or `(b, 784)` to logits `(b, 10)`."""
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max pooling: 6 and 16 channels of 5 x 5, then 120-84-10 (LeCun et al. 1998)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, 1, 28, 28)` to logits `(b, 10)`."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class ConvNet(nn.Module):
    """CONV-L-H: L - 1 unpadded convolutions, ReLU after each, and a linear layer (Galanti et al. 2023).

    Args:
        depth: L, the number of weight layers; at least 2.
        channels: H, the number of channels of every convolution.
        stride: stride of every convolution.
        kernel: width of every kernel.
        size: width and height of the input.
        inputs: number of input channels.
        classes: number of logits.
        bias: whether the layers have biases.

    Raises:
        ValueError: when there are fewer than two layers, or the image becomes smaller than the kernel.
    """

    def __init__(
        self,
        depth: int,
        channels: int,
        stride: int = 1,
        kernel: int = 2,
        size: int = 28,
        inputs: int = 1,
        classes: int = 10,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth {depth}: at least one convolution and the linear layer are needed")
        self.depth = depth
        for index in range(1, depth):
            if size < kernel:
                raise ValueError(f"conv{index}: kernels of width {kernel} on an image of width {size}")
            setattr(self, f"conv{index}", nn.Conv2d(inputs, channels, kernel, stride=stride, bias=bias))
            inputs, size = channels, (size - kernel) // stride + 1
        self.fc = nn.Linear(channels * size * size, classes, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, inputs, size, size)` to logits `(b, classes)`."""
        for index in range(1, self.depth):
            x = functional.relu(getattr(self, f"conv{index}")(x))
        return self.fc(torch.flatten(x, 1))


class StridedNet(nn.Module):
    """strided-W: strided convolutions instead of pooling, then 128 hidden units; dropout before the last layer.

    Images of more than 16 pixels a side first pass a 5 x 5 convolution of stride 2. Then follow two 3 x 3 convolutions: one
    to W channels, and one of stride 2 to 2 W channels. ReLU after every layer but the last.

    Args:
        width: W, the number of channels of the first convolutions.
        size: width and height of the input.
        inputs: number of input channels.
        classes: number of logits.
    """

    def __init__(self, width: int, size: int = 28, inputs: int = 1, classes: int = 10) -> None:
        super().__init__()
        large = size > 16
        self.stem = nn.Conv2d(inputs, width, 5, stride=2, padding=2) if large else nn.Identity()
        inputs, size = (width, (size + 1) // 2) if large else (inputs, size)
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(2 * width * ((size + 1) // 2) ** 2, 128)
        self.dropout = nn.Dropout(0.3)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, inputs, size, size)` to logits `(b, classes)`."""
        if isinstance(self.stem, nn.Conv2d):
            x = functional.relu(self.stem(x))
        x = functional.relu(self.conv1(x))
        x = functional.relu(self.conv2(x))
        x = functional.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(self.dropout(x))


class VGG16(nn.Module):
    """VGG-16 for CIFAR: 13 convolutions with BatchNorm, max pooling after each block, one linear layer.

    After Simonyan & Zisserman 2015, in the form used for pruning (Liu et al. 2017; Frankle & Carbin 2019).
    """

    BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for block in self.BLOCKS:
            for channels in block:
                layers += [nn.Conv2d(inputs, channels, 3, padding=1, bias=False)]
                layers += [nn.BatchNorm2d(channels), nn.ReLU()]
                inputs = channels
            layers += [nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, 3, 32, 32)` to logits `(b, 10)`."""
        return self.classifier(torch.flatten(self.features(x), 1))


class PadShortcut(nn.Module):
    """Option A of He et al. 2016: take every other pixel, and pad the channels with zeros, half of the new ones on either
    side.

    Args:
        inputs: number of channels before.
        channels: number of channels after.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.before = (channels - inputs) // 2
        self.after = channels - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, inputs, n, n)` to `(b, channels, ceil(n / 2), ceil(n / 2))`."""
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm, added to a shortcut (He et al. 2016).

    Args:
        inputs: number of channels before.
        channels: number of channels after.
        stride: stride of the first convolution.
        option: kind of shortcut if the shape changes: `"A"` slices and pads with zeros, `"B"` projects by a 1 x 1
            convolution.
    """

    def __init__(self, inputs: int, channels: int, stride: int, option: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            projection = nn.Conv2d(inputs, channels, 1, stride=stride, bias=False)
            self.downsample = (
                PadShortcut(inputs, channels)
                if option == "A"
                else nn.Sequential(projection, nn.BatchNorm2d(channels))
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, inputs, n, n)` to `(b, channels, n / stride, n / stride)`, rounded up."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """A ResNet for CIFAR: 3 x 3 stem, stages of basic blocks, mean pooling, a linear layer (He et al. 2016).

    Args:
        blocks: number of basic blocks of each stage; every stage but the first halves the image.
        width: number of channels of the first stage, doubled by each later one.
        option: kind of shortcut if the shape changes, as in `BasicBlock`.
    """

    def __init__(self, blocks: tuple[int, ...], width: int, option: str = "B") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = len(blocks)
        inputs = width
        for stage, count in enumerate(blocks, start=1):
            channels = width * 2 ** (stage - 1)
            layers = []
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                layers += [BasicBlock(inputs, channels, stride, option)]
                inputs = channels
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, 3, 32, 32)` to logits `(b, 10)`."""
        x = functional.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def lenet300(bias: bool = True) -> LeNet300:
    """Return LeNet-300-100 for MNIST: 266,200 weights and 410 biases.

    Args:
        bias: whether the layers have biases.

    Returns:
        The network, initialized by torch's defaults.
    """
    return LeNet300(bias)


def lenet5() -> LeNet5:
    """Return LeNet-5 for MNIST: 61,470 weights and 236 biases."""
    return LeNet5()


def conv(
    depth: int = 4,
    channels: int = 50,
    stride: int = 1,
    kernel: int = 2,
    size: int = 28,
    inputs: int = 1,
    classes: int = 10,
    bias: bool = False,
) -> ConvNet:
    """Return CONV-L-H of Galanti et al. 2023.

    Args:
        depth: L, the number of weight layers: L - 1 convolutions and the linear one.
        channels: H, the number of channels of every convolution.
        stride: stride of every convolution; 1 in the authors' code.
        kernel: width of every kernel.
        size: width and height of the input.
        inputs: number of input channels.
        classes: number of logits.
        bias: whether the layers have biases.

    Returns:
        The network, initialized by torch's defaults.

    Raises:
        ValueError: when there are fewer than two layers, or the image becomes smaller than the kernel.
    """
    return ConvNet(depth, channels, stride, kernel, size, inputs, classes, bias)


def shallow(width: int = 12, size: int = 28, inputs: int = 1, classes: int = 10) -> ConvNet:
    """Return shallow-W: one 3 x 3 convolution of stride 2 to W channels, ReLU, and a linear layer, both with biases.

    Args:
        width: W, the number of channels.
        size: width and height of the input.
        inputs: number of input channels.
        classes: number of logits.

    Raises:
        ValueError: when the image is smaller than the kernel.
    """
    return ConvNet(2, width, 2, 3, size, inputs, classes, bias=True)


def conv_by_name(name: str, stride: int = 1) -> ConvNet:
    """Return CONV-L-H by its name.

    Args:
        name: `"conv-L-H"` or `"conv_L_H"`, in any case.
        stride: stride of every convolution.

    Returns:
        The network, for images `(1, 28, 28)`.

    Raises:
        ValueError: when it is not such a name, or the image becomes smaller than the kernel.

    Example:
        >>> conv_by_name("conv-4-50").fc.in_features
        31250
    """
    found = re.fullmatch(r"conv[-_](\d+)[-_](\d+)", name.lower())
    if found is None or int(found[2]) == 0:
        raise ValueError(f"{name!r} is not conv-L-H, such as conv-4-50")
    return conv(int(found[1]), int(found[2]), stride)


def vgg16() -> VGG16:
    """Return VGG-16 with BatchNorm for CIFAR-10: 14.7 million weights."""
    return VGG16()


def resnet20() -> ResNet:
    """Return ResNet-20 for CIFAR-10 with projection shortcuts (option B): 0.27 million weights."""
    return ResNet((3, 3, 3), 16)


def resnet20_option_a() -> ResNet:
    """Return ResNet-20 for CIFAR-10 as published, with shortcuts that slice and pad (option A): 0.27 million weights."""
    return ResNet((3, 3, 3), 16, option="A")


def resnet18() -> ResNet:
    """Return ResNet-18 with the stem for CIFAR-10: 11.2 million weights."""
    return ResNet((2, 2, 2, 2), 64)


def __getattr__(name: str) -> Callable[[], ConvNet]:
    # conv_L_H, such as conv_4_50, is a callable without arguments for every L and H
    if re.fullmatch(r"conv_\d+_\d+", name):
        return partial(conv_by_name, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
