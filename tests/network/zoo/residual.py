"""Networks of residual sums: ResNets, ResNeXt, WideResNet in pre-activation form."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inside: int, width: int, stride: int, groups: int = 1, base: int = 64) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = projection(inside, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inside: int, width: int, stride: int, groups: int = 1, base: int = 64) -> None:
        super().__init__()
        inner, out = width * base // 64 * groups, width * self.expansion
        self.conv1, self.bn1 = nn.Conv2d(inside, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = (
            nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False),
            nn.BatchNorm2d(inner),
        )
        self.conv3, self.bn3 = nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(inside, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def projection(inside: int, out: int, stride: int) -> nn.Module | None:
    if stride == 1 and inside == out:
        return None
    return nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    """He et al. 2016 for ImageNet; with groups and a base width ResNeXt (Xie et al. 2017)."""

    def __init__(
        self, block: type[BasicBlock | Bottleneck], counts: list[int], width: int = 64, classes: int = 1000, groups: int = 1,
        base: int = 64,
    ) -> None:  # fmt: skip
        super().__init__()
        self.inside = width
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        for index, count in enumerate(counts):
            blocks = []
            for place in range(count):
                stride = 2 if index and not place else 1
                blocks.append(block(self.inside, width * 2**index, stride, groups, base))
                self.inside = width * 2**index * block.expansion
            setattr(self, f"layer{index + 1}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(self.inside, classes)
        self.stages = len(counts)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for index in range(self.stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return self.fc(self.avgpool(x).flatten(1))


class OptionA(nn.Module):
    """A block of ResNet-20 for CIFAR whose shortcut drops every second pixel and adds channels of zeros."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.more, self.stride = (width - inside) // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return F.relu(out + x)


class CifarResNet(nn.Module):
    """He et al. 2016 for CIFAR: three stages, depth 6 n + 2; shortcuts by projection or, as published, option A."""

    def __init__(self, depth: int, width: int = 16, classes: int = 10, *, option_a: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        inside = width
        for index in range(3):
            for place in range((depth - 2) // 6):
                out, stride = width * 2**index, 2 if index and not place else 1
                blocks.append(OptionA(inside, out, stride) if option_a else BasicBlock(inside, out, stride))
                inside = out
        self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        out = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.linear(F.avg_pool2d(out, out.size()[3]).view(out.size(0), -1))


class WideBlock(nn.Module):
    """Pre-activation: BatchNorm and ReLU before each convolution, a sum without ReLU (Zagoruyko & Komodakis 2016)."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.dropout = nn.Dropout(0.3)
        self.shortcut = None
        if inside != width:
            self.shortcut = nn.Conv2d(inside, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(out)
        out = self.conv2(self.dropout(F.relu(self.bn2(self.conv1(out)))))
        return out + shortcut


class WideResNet(nn.Module):
    """WRN-(6 n + 4)-k for CIFAR."""

    def __init__(self, depth: int = 16, k: int = 4, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        blocks, inside = [], width
        for index in range(3):
            for place in range((depth - 4) // 6):
                out = width * k * 2**index
                blocks.append(WideBlock(inside, out, 2 if index and not place else 1))
                inside = out
        self.blocks, self.bn, self.fc = (
            nn.Sequential(*blocks),
            nn.BatchNorm2d(inside),
            nn.Linear(inside, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn(self.blocks(self.conv1(x))))
        return self.fc(F.adaptive_avg_pool2d(out, 1).flatten(1))
