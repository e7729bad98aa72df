"""Random small modules of every kind of layer that torch.nn has with parameters, and the count of these by what they are."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
NORMS = (
    nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm,
)  # fmt: skip


class Wrapped(nn.Module):
    """A layer called in its own way."""

    def __init__(self, layer: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.call = layer, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.layer, x)


class Shared(nn.Module):
    """One square layer used twice, and registered under two names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = nn.Linear(width, width)
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class Scaled(nn.Module):
    """A layer scale of three dimensions and a position that is added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(shape[0], *[1] * (len(shape) - 1)))
        self.position = nn.Parameter(torch.rand(1, *shape))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma + self.position


class Decoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.decoder = nn.TransformerDecoderLayer(width, 1, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(x, x)


def _recurrent(dice: random.Random, width: int) -> nn.Module:
    kind = dice.choice([nn.RNN, nn.LSTM, nn.GRU])
    options = {
        "num_layers": dice.choice([1, 2]),
        "bidirectional": dice.random() < 0.3,
        "bias": dice.random() < 0.7,
    }
    if kind is nn.LSTM and dice.random() < 0.4:
        options["proj_size"] = 1
    return Wrapped(kind(width, 2, batch_first=True, **options), lambda layer, x: layer(x)[0])


def _cell(dice: random.Random, width: int) -> nn.Module:
    if dice.random() < 0.4:
        return Wrapped(nn.LSTMCell(width, 3), lambda layer, x: layer(x)[0])
    return dice.choice([nn.RNNCell, nn.GRUCell])(width, 3, bias=dice.random() < 0.6)


def _attention(dice: random.Random, width: int) -> nn.Module:
    options = {"bias": dice.random() < 0.6, "add_bias_kv": dice.random() < 0.3}
    other = {"kdim": width, "vdim": width} if dice.random() < 0.3 else {}
    attention = nn.MultiheadAttention(width, 1, batch_first=True, **options, **other)
    return Wrapped(attention, lambda layer, x: layer(x, x, x, need_weights=False)[0])


def _vector(dice: random.Random, n: int) -> list[Callable[[], nn.Module]]:
    return [
        lambda: nn.Linear(n, dice.randint(1, 5), bias=dice.random() < 0.7),
        lambda: Wrapped(nn.Bilinear(n, n, 2, bias=dice.random() < 0.5), lambda layer, x: layer(x, x)),
        lambda: nn.BatchNorm1d(n, affine=dice.random() < 0.7),
        lambda: nn.LayerNorm(n, elementwise_affine=dice.random() < 0.7),
        lambda: nn.RMSNorm(n),
        lambda: nn.GroupNorm(1, n),
        lambda: nn.PReLU(dice.choice([1, n])),
        lambda: _cell(dice, n),
        lambda: Shared(n),
        lambda: Tied(n),
        lambda: Scaled((n,)),
        lambda: nn.Unflatten(1, (1, n)),
        lambda: nn.Unflatten(1, (n, 1)),
    ]


def _pair(dice: random.Random, shape: Shape) -> list[Callable[[], nn.Module]]:
    """Blocks for (channels, length), which are also (time, features)."""
    first, last = shape
    return [
        lambda: nn.Conv1d(first, 2, dice.choice([1, min(2, last)]), bias=dice.random() < 0.6),
        lambda: nn.Conv1d(first, first, 1, groups=first),
        lambda: nn.ConvTranspose1d(first, 2, 2, bias=dice.random() < 0.6),
        lambda: nn.BatchNorm1d(first),
        lambda: nn.InstanceNorm1d(first, affine=dice.random() < 0.7) if last > 1 else nn.Identity(),
        lambda: nn.GroupNorm(1, first),
        lambda: nn.PReLU(first),
        lambda: nn.Linear(last, dice.randint(1, 4)),
        lambda: nn.LayerNorm(shape),
        lambda: Scaled(shape),
        lambda: _recurrent(dice, last),
        lambda: _attention(dice, last),
        lambda: nn.TransformerEncoderLayer(last, 1, 3, batch_first=True, norm_first=dice.random() < 0.5),
        lambda: Decoder(last),
        lambda: Wrapped(nn.Identity(), lambda layer, x: x.transpose(1, 2)),
        nn.Flatten,
        lambda: nn.Unflatten(1, (1, first)),
    ]


def _image(dice: random.Random, shape: Shape) -> list[Callable[[], nn.Module]]:
    channels = shape[0]
    kernel = min(2, *shape[1:])
    return [
        lambda: nn.Conv2d(channels, 3, kernel, bias=dice.random() < 0.6),
        lambda: nn.Conv2d(channels, channels, 1, groups=channels),
        lambda: nn.ConvTranspose2d(channels, 2, 2, bias=dice.random() < 0.6),
        lambda: nn.BatchNorm2d(channels),
        lambda: nn.InstanceNorm2d(channels, affine=True) if shape[1] * shape[2] > 1 else nn.Identity(),
        lambda: nn.GroupNorm(1, channels),
        lambda: nn.LayerNorm(shape),
        lambda: nn.PReLU(channels),
        lambda: Scaled(shape),
        lambda: nn.Upsample(scale_factor=2) if shape[1] < 5 else nn.Identity(),
        lambda: nn.Flatten(2),
        nn.Flatten,
        lambda: nn.Unflatten(1, (1, channels)),
    ]


def _volume(dice: random.Random, shape: Shape) -> list[Callable[[], nn.Module]]:
    channels = shape[0]
    kernel = min(2, *shape[1:])
    return [
        lambda: nn.Conv3d(channels, 2, kernel, bias=dice.random() < 0.6),
        lambda: nn.Conv3d(channels, channels, 1, groups=channels),
        lambda: nn.ConvTranspose3d(channels, 2, 1, bias=dice.random() < 0.6),
        lambda: nn.BatchNorm3d(channels),
        lambda: nn.InstanceNorm3d(channels, affine=True) if shape[1] > 1 else nn.Identity(),
        lambda: nn.PReLU(channels),
        lambda: nn.Flatten(2),
        nn.Flatten,
    ]


ACTIVATIONS = (nn.ReLU, nn.GELU, nn.Tanh, nn.Dropout, nn.SiLU, nn.Identity, nn.LeakyReLU, nn.ReLU6)
STARTS: tuple[Shape, ...] = ((4,), (3, 4), (2, 4, 4), (1, 3, 3, 3))


def draw(seed: int) -> tuple[nn.Module, Shape]:
    """A random module in evaluation mode, a third of its weights 0, and the shape of one sample."""
    dice = random.Random(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        start = dice.choice(STARTS)
        blocks: list[nn.Module] = []
        if dice.random() < 0.15:
            start = (3,)
            blocks.append(dice.choice([nn.Embedding(5, 4), nn.EmbeddingBag(5, 4)]))
        module = _grown(dice, blocks, start)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.uniform_(-1, 1)
                if kind_of(module, name) == "weight":
                    parameter.mul_(torch.rand(parameter.shape) > 0.3)
    return module, start


def _grown(dice: random.Random, blocks: list[nn.Module], start: Shape) -> nn.Module:
    kind = torch.int64 if blocks else torch.float32
    module = nn.Sequential(*blocks).eval()
    for _ in range(dice.randint(1, 4)):
        shape = tuple(module(torch.zeros(2, *start, dtype=kind)).shape[1:])
        make = {1: lambda d, s: _vector(d, s[0]), 2: _pair, 3: _image, 4: _volume}[len(shape)]
        module.append(dice.choice(make(dice, shape))().eval())
        module.append(dice.choice(ACTIVATIONS)().eval())
    width = module(torch.zeros(2, *start, dtype=kind)).flatten(1).shape[1]
    return nn.Sequential(*module, nn.Flatten(), nn.Linear(width, 3, bias=dice.random() < 0.7)).eval()


def kind_of(module: nn.Module, name: str) -> str:
    """What a parameter is, by its module and its own name alone."""
    owner, _, leaf = name.rpartition(".")
    if isinstance(module.get_submodule(owner), NORMS):
        return "normalisation"
    if leaf.startswith("bias") or leaf == "in_proj_bias":
        return "bias"
    parameter = module.get_parameter(name)
    return (
        "bias"
        if isinstance(module.get_submodule(owner), Scaled) and parameter.dim() < 2 and leaf == "position"
        else "weight"
    )


def counts(module: nn.Module) -> dict[str, list[int]]:
    """Entries and nonzero entries of the parameters of each kind, each parameter once."""
    found = {kind: [0, 0] for kind in ("weight", "bias", "normalisation")}
    for name, parameter in module.named_parameters():
        kind = kind_of(module, name)
        found[kind][0] += parameter.numel()
        found[kind][1] += int(torch.count_nonzero(parameter))
    return found
