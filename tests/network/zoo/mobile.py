"""Networks of depthwise convolutions: MobileNetV2, ShuffleNetV2, EfficientNet-B0, ConvNeXt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(
    inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:
    layers = [
        nn.Conv2d(inside, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act]))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, optional squeeze-excitation, linear bottleneck."""

    def __init__(
        self,
        inside: int,
        out: int,
        stride: int,
        expand: int,
        kernel: int = 3,
        act: type[nn.Module] = nn.ReLU6,
        excite: bool = False,
    ) -> None:
        super().__init__()
        inner = inside * expand
        self.skips = stride == 1 and inside == out
        self.expand = conv_bn(inside, inner, 1, act=act()) if expand != 1 else nn.Identity()
        self.depthwise = conv_bn(inner, inner, kernel, stride, inner, act())
        self.excite = SqueezeExcitation(inner, max(1, inside // 4)) if excite else nn.Identity()
        self.project = conv_bn(inner, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + out if self.skips else out


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.silu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class MobileNetV2(nn.Module):
    """Sandler et al. 2018."""

    settings = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]

    def __init__(self, divisor: int = 1, classes: int = 1000) -> None:
        super().__init__()
        channels = 32 // divisor
        parts: list[nn.Module] = [conv_bn(3, channels, 3, 2, act=nn.ReLU6(inplace=True))]
        for expand, width, count, stride in self.settings:
            for place in range(count):
                parts.append(InvertedResidual(channels, width // divisor, 1 if place else stride, expand))
                channels = width // divisor
        last = 1280 // divisor
        parts.append(conv_bn(channels, last, 1, act=nn.ReLU6(inplace=True)))
        self.features, self.classifier = (
            nn.Sequential(*parts),
            nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), (1, 1)).flatten(1))


class EfficientNet(nn.Module):
    """EfficientNet-B0 (Tan & Le 2019): SiLU and squeeze-excitation."""

    settings = [
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]  # fmt: skip

    def __init__(self, divisor: int = 1, classes: int = 1000) -> None:
        super().__init__()
        channels = 32 // divisor
        parts: list[nn.Module] = [conv_bn(3, channels, 3, 2, act=nn.SiLU(inplace=True))]
        for expand, width, count, stride, kernel in self.settings:
            for place in range(count):
                out = width // divisor
                parts.append(
                    InvertedResidual(
                        channels, out, 1 if place else stride, expand, kernel, nn.SiLU, excite=True
                    )
                )
                channels = out
        last = 1280 // divisor
        parts.append(conv_bn(channels, last, 1, act=nn.SiLU(inplace=True)))
        self.features, self.classifier = (
            nn.Sequential(*parts),
            nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


def shuffle(x: Tensor, groups: int) -> Tensor:
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, channels, height, width)


class ShuffleUnit(nn.Module):
    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        half = out // 2
        self.stride, own = stride, inside if stride > 1 else half
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                conv_bn(inside, inside, 3, stride, inside),
                conv_bn(inside, half, 1, act=nn.ReLU(inplace=True)),
            )
        self.branch2 = nn.Sequential(
            conv_bn(own, half, 1, act=nn.ReLU(inplace=True)), conv_bn(half, half, 3, stride, half),
            conv_bn(half, half, 1, act=nn.ReLU(inplace=True)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, changed = x.chunk(2, dim=1)
            out = torch.cat((kept, self.branch2(changed)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Ma et al. 2018: channel split, concatenation, channel shuffle."""

    def __init__(self, widths: tuple[int, ...] = (24, 116, 232, 464, 1024), classes: int = 1000) -> None:
        super().__init__()
        channels = widths[0]
        self.conv1, self.maxpool = (
            conv_bn(3, channels, 3, 2, act=nn.ReLU(inplace=True)),
            nn.MaxPool2d(3, 2, 1),
        )
        units: list[nn.Module] = []
        for width, count in zip(widths[1:4], (4, 8, 4), strict=True):
            for place in range(count):
                units.append(ShuffleUnit(channels, width, 1 if place else 2))
                channels = width
        self.stages, self.conv5 = (
            nn.Sequential(*units),
            conv_bn(channels, widths[4], 1, act=nn.ReLU(inplace=True)),
        )
        self.fc = nn.Linear(widths[4], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv5(self.stages(self.maxpool(self.conv1(x)))).mean([2, 3]))


class ChannelsFirstNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise, self.norm = (
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            nn.LayerNorm(width, eps=1e-6),
        )
        self.up, self.act, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.layer_scale = nn.Parameter(torch.ones(width, 1, 1) * 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        out = self.down(self.act(self.up(self.norm(self.depthwise(x).permute(0, 2, 3, 1))))).permute(
            0, 3, 1, 2
        )
        return x + self.layer_scale * out


class ConvNeXt(nn.Module):
    """Liu et al. 2022: LayerNorm, GELU, LayerScale."""

    def __init__(self, width: int = 96, counts: tuple[int, ...] = (3, 3, 9, 3), classes: int = 1000) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, 4), ChannelsFirstNorm(width, eps=1e-6)]
        for index, count in enumerate(counts):
            if index:
                parts += [ChannelsFirstNorm(width, eps=1e-6), nn.Conv2d(width, 2 * width, 2, 2)]
                width *= 2
            parts += [ConvNeXtBlock(width) for _ in range(count)]
        self.features, self.norm, self.head = (
            nn.Sequential(*parts),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.features(x).mean([-2, -1])))
