"""Modules whose state dicts hold more, less or other names than their network."""

from __future__ import annotations

import torch
from torch import nn

from boundcalc.checkpoint import read
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network


class Plain(nn.Module):
    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(8, width), nn.Linear(width, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class InAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Plain()

    def forward(self, x):
        return self.net(x)


class WithLoss(InAttribute):
    def __init__(self) -> None:
        super().__init__()
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(3))


class TwoNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.d = self.b

    def forward(self, x):
        return self.c(torch.relu(self.d(torch.relu(self.b(torch.relu(self.a(x)))))))


class Tied(TwoNames):
    def __init__(self) -> None:
        super().__init__()
        self.d = nn.Linear(6, 6)
        self.d.weight = self.b.weight


class Heads(nn.Module):
    def __init__(self, aux: bool) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(8, 6), nn.Linear(6, 3)
        if aux:
            self.aux = nn.Linear(6, 2)

    def forward(self, x):
        return self.c(torch.relu(self.a(x)))


class StudentTeacher(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = Plain(), Plain()

    def forward(self, x):
        return self.student(x)


def state_of(module: nn.Module, before: str = "") -> dict[str, torch.Tensor]:
    """A third of the weights pruned."""
    found = {}
    for key, tensor in module.state_dict().items():
        keep = (
            torch.rand(tensor.shape, generator=torch.Generator().manual_seed(len(key) + tensor.numel())) > 0.3
        )
        found[before + key] = tensor * keep if tensor.dim() > 1 else tensor
    return found


PLAIN = state_of(Plain())


COUNT = (93, sum(int((t != 0).sum()) for t in PLAIN.values() if t.dim() > 1))


def saved(tmp_path, content, name: str = "net.pt"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def network(path, model=None, prefix: str | None = None, shape=(8,)) -> Network:
    return from_checkpoint(read(path), model, shape, prefix)


def counts(found: Network) -> tuple[int, int]:
    return found.parameters, found.surviving
