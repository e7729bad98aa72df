"""Networks of concatenations: DenseNet-BC, SqueezeNet, GoogLeNet."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseLayer(nn.Module):
    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = (
            nn.BatchNorm2d(4 * growth),
            nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))
        return torch.cat([x, out], 1)


class DenseNetBC(nn.Module):
    """Huang et al. 2017 for CIFAR: three dense blocks of bottlenecks, compression 1/2."""

    def __init__(self, layers: int = 16, growth: int = 12, classes: int = 10) -> None:
        super().__init__()
        channels = 2 * growth
        parts: list[nn.Module] = [nn.Conv2d(3, channels, 3, 1, 1, bias=False)]
        for block in range(3):
            for _ in range(layers):
                parts.append(DenseLayer(channels, growth))
                channels += growth
            if block < 2:
                parts += [
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, channels // 2, 1, bias=False),
                    nn.AvgPool2d(2),
                ]
                channels //= 2
        self.features = nn.Sequential(*parts, nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(out, (1, 1)).flatten(1))


class Fire(nn.Module):
    def __init__(self, inside: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inside, squeeze, 1)
        self.expand1x1, self.expand3x3 = (
            nn.Conv2d(squeeze, expand, 1),
            nn.Conv2d(squeeze, expand, 3, padding=1),
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.act(self.expand1x1(x)), self.act(self.expand3x3(x))], 1)


def squeezenet(width: int = 16, classes: int = 1000) -> nn.Sequential:
    """SqueezeNet 1.1 (Iandola et al. 2016): averages of ReLU outputs as the output."""
    w = width
    return nn.Sequential(
        nn.Conv2d(3, 4 * w, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(4 * w, w, 4 * w),
        Fire(8 * w, w, 4 * w), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8 * w, 2 * w, 8 * w), Fire(16 * w, 2 * w, 8 * w),
        nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16 * w, 3 * w, 12 * w), Fire(24 * w, 3 * w, 12 * w), Fire(24 * w, 4 * w, 16 * w),
        Fire(32 * w, 4 * w, 16 * w), nn.Dropout(),
        nn.Conv2d(32 * w, classes, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(),
    )  # fmt: skip


class BasicConv(nn.Module):
    def __init__(self, inside: int, out: int, kernel: int, **options: int) -> None:
        super().__init__()
        self.conv, self.bn = (
            nn.Conv2d(inside, out, kernel, bias=False, **options),
            nn.BatchNorm2d(out, eps=0.001),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, inside: int, *sizes: int) -> None:
        super().__init__()
        a, b1, b3, c1, c3, d = sizes
        self.branch1 = BasicConv(inside, a, 1)
        self.branch2 = nn.Sequential(BasicConv(inside, b1, 1), BasicConv(b1, b3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv(inside, c1, 1), BasicConv(c1, c3, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv(inside, d, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


SIZES = [
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
]  # fmt: skip


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015 with BatchNorm, as in torchvision, without the auxiliary classifiers."""

    def __init__(self, divisor: int = 1, classes: int = 1000) -> None:
        super().__init__()
        w = 64 // divisor
        parts: list[nn.Module] = [
            BasicConv(3, w, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, ceil_mode=True), BasicConv(w, w, 1),
            BasicConv(w, 3 * w, 3, padding=1), nn.MaxPool2d(3, 2, ceil_mode=True),
        ]  # fmt: skip
        channels = 3 * w
        for index, sizes in enumerate(SIZES):
            own = [size // divisor for size in sizes]
            parts.append(Inception(channels, *own))
            channels = own[0] + own[2] + own[4] + own[5]
            if index in {1, 6}:
                parts.append(nn.MaxPool2d(3 if index == 1 else 2, 2, ceil_mode=True))
        self.body, self.dropout, self.fc = (
            nn.Sequential(*parts),
            nn.Dropout(0.2),
            nn.Linear(channels, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(F.adaptive_avg_pool2d(self.body(x), (1, 1)).flatten(1)))
