"""Chains of convolutions: AlexNet, VGG with BatchNorm, All-CNN, NiN, Caffe's LeNet-5, Conv-2/4/6, perceptrons, Conv1d."""

from __future__ import annotations

from torch import Tensor, nn


class AlexNet(nn.Module):
    """Krizhevsky 2014 (one tower), as in torchvision: 64 channels first at width 1."""

    def __init__(self, width: int = 64, hidden: int = 4096, classes: int = 1000) -> None:
        super().__init__()
        w = width
        self.features = nn.Sequential(
            nn.Conv2d(3, w, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(w, 3 * w, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(3 * w, 6 * w, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(6 * w, 4 * w, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(4 * w, 4 * w, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(4 * w * 36, hidden), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True), nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


VGG = {
    16: [1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"],
    19: [1, 1, "M", 2, 2, "M", 4, 4, 4, 4, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M"],
}


class VGGBN(nn.Module):
    """Simonyan & Zisserman 2015 with BatchNorm: with three linear layers for ImageNet, with one for CIFAR (hidden 0)."""

    def __init__(
        self, depth: int, width: int = 64, hidden: int = 4096, classes: int = 1000, side: int = 7
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for step in VGG[depth]:
            if step == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                out = step * width
                layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
                channels = out
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        units = channels * side * side
        self.classifier: nn.Module = nn.Linear(units, classes)
        if hidden:
            self.classifier = nn.Sequential(
                nn.Linear(units, hidden), nn.ReLU(True), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(),
                nn.Linear(hidden, classes),
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def all_cnn(width: int = 96, classes: int = 10) -> nn.Sequential:
    """All-CNN-C (Springenberg et al. 2015): strided convolutions, averages of ReLU outputs as the output."""
    w = width

    def step(*options: int) -> list[nn.Module]:
        return [nn.Conv2d(*options), nn.ReLU()]

    return nn.Sequential(
        nn.Dropout(0.2), *step(3, w, 3, 1, 1), *step(w, w, 3, 1, 1), *step(w, w, 3, 2, 1), nn.Dropout(),
        *step(w, 2 * w, 3, 1, 1), *step(2 * w, 2 * w, 3, 1, 1), *step(2 * w, 2 * w, 3, 2, 1), nn.Dropout(),
        *step(2 * w, 2 * w, 3), *step(2 * w, 2 * w, 1), *step(2 * w, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def nin(width: int = 96, classes: int = 10) -> nn.Sequential:
    """Network in Network for CIFAR-10 (Lin et al. 2014): mlpconv blocks, max and average pooling, averages as the output."""
    w = 2 * width

    def block(inside: int, *outs: int, kernel: int) -> list[nn.Module]:
        layers: list[nn.Module] = [
            nn.Conv2d(inside, outs[0], kernel, padding=kernel // 2),
            nn.ReLU(inplace=True),
        ]
        for a, b in zip(outs, outs[1:], strict=False):
            layers += [nn.Conv2d(a, b, 1), nn.ReLU(inplace=True)]
        return layers

    return nn.Sequential(
        *block(3, w, w * 5 // 6, w // 2, kernel=5), nn.MaxPool2d(3, 2, 1), nn.Dropout(), *block(w // 2, w, w, w, kernel=5),
        nn.AvgPool2d(3, 2, 1), nn.Dropout(), *block(w, w, w, classes, kernel=3), nn.AvgPool2d(8, 1, 0), nn.Flatten(),
    )  # fmt: skip


def lenet5_caffe(width: int = 20, hidden: int = 500, classes: int = 10) -> nn.Sequential:
    """LeNet-5 as in Caffe's examples: 20 and 50 channels of 5 x 5, max pooling without ReLU after it, 500 units."""
    return nn.Sequential(
        nn.Conv2d(1, width, 5), nn.MaxPool2d(2, 2), nn.Conv2d(width, width * 5 // 2, 5), nn.MaxPool2d(2, 2), nn.Flatten(),
        nn.Linear(width * 5 // 2 * 16, hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip


def conv_n(depth: int, width: int = 64, hidden: int = 256, classes: int = 10) -> nn.Sequential:
    """Conv-2, -4 and -6 (Frankle & Carbin 2019) on 32 x 32 images: VGG-like blocks of two and three linear layers."""
    layers: list[nn.Module] = []
    channels, side = 3, 32
    for block in range(depth // 2):
        out = width * 2**block
        layers += [
            nn.Conv2d(channels, out, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1),
            nn.ReLU(),
        ]
        layers.append(nn.MaxPool2d(2))
        channels, side = out, side // 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * side * side, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, classes),
    )  # fmt: skip


def mlp_batchnorm(width: int = 300, classes: int = 10, *, before: bool = True) -> nn.Sequential:
    """A perceptron with Dropout and BatchNorm1d before or after the ReLU."""

    def layer(a: int, b: int) -> list[nn.Module]:
        norm, relu = nn.BatchNorm1d(b), nn.ReLU()
        return [nn.Linear(a, b), *((norm, relu) if before else (relu, norm)), nn.Dropout(0.3)]

    return nn.Sequential(
        nn.Flatten(), *layer(784, width), *layer(width, width // 3), nn.Linear(width // 3, classes)
    )


class Conv1dNet(nn.Module):
    """A fully convolutional network for time series (Wang et al. 2017): Conv1d, BatchNorm, ReLU, mean over time."""

    def __init__(self, width: int = 128, classes: int = 5) -> None:
        super().__init__()
        w = width
        self.body = nn.Sequential(
            nn.Conv1d(3, w, 7, padding=3), nn.BatchNorm1d(w), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(w, 2 * w, 5, padding=2), nn.BatchNorm1d(2 * w), nn.ReLU(),
            nn.Conv1d(2 * w, w, 3, padding=1), nn.BatchNorm1d(w), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(w, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean(-1))
