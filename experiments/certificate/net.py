"""The network of the smallest certificate (docs/results/certificates.md): few weights, shared over positions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Strided(nn.Module):
    """Three strided convolutions and a linear layer, ReLU between, 2,756 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(4, 8, 5, stride=2, padding=2)
        self.conv3 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, 1, 28, 28)` to logits `(b, 10)`."""
        x = functional.relu(self.conv1(x))
        x = functional.relu(self.conv2(x))
        x = functional.relu(self.conv3(x))
        return self.fc(x.flatten(1))
