"""Modules of every shape the builder has to read, each with one sample's input shape."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Does(nn.Module):
    """Parts by name, and a forward pass as a function of them and the input."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.does = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x)


def head(module: nn.Module, features: int = 0) -> nn.Sequential:
    return nn.Sequential(module, nn.Flatten(), nn.LazyLinear(3) if not features else nn.Linear(features, 3))


def _residual(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.stem(x))
    out = m.conv(x)
    out += x
    return m.fc(F.relu(out).flatten(1))


def _relu_in_place(m: nn.Module, x: Tensor) -> Tensor:
    y = m.a(x)
    F.relu_(y)
    return m.b(y)


def _preactivation(m: nn.Module, x: Tensor) -> Tensor:
    x = m.stem(x)
    x = x + m.conv2(F.relu(m.bn2(m.conv1(F.relu(m.bn1(x))))))
    return m.fc(F.adaptive_avg_pool2d(F.relu(m.bn3(x)), 1).flatten(1))


def _twice(m: nn.Module, x: Tensor) -> Tensor:
    return m.out(F.relu(m.inner(F.relu(m.inner(x)))))


def _weight_transposed(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(torch.matmul(x, m.fc1.weight.T) + m.fc1.bias) @ m.fc2.weight.T


def _right_matrix(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(x @ m.w))


def _squeezed(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.adaptive_avg_pool2d(F.relu(m.conv(x)), 1).squeeze(-1).squeeze(-1))


def _viewed(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.conv(x))
    return m.fc(x.view(x.size(0), -1))


def _mean(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.conv(x)).mean((2, 3)))


def _mean_kept(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.conv(x)).mean(dim=[-1, -2], keepdim=True).flatten(1))


def _unflattened(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.conv(x.view(-1, 1, 6, 6))).flatten(1))


def _sliced(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.conv(F.pad(x[:, :, 1:, ::2], (1, 0, 0, 2)))).flatten(1))


def _batched_norm_1d() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3, bias=False))


def layers_1d(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.conv(x)).flatten(1))


def _log_softmax(m: nn.Module, x: Tensor) -> Tensor:
    return F.log_softmax(m.fc(x), dim=1)


IMAGE = (2, 7, 6)
ROW = (2, 7)


def conv(kernel=3, out: int = 4, **options) -> nn.Sequential:
    return head(nn.Sequential(nn.Conv2d(2, out, kernel, **options), nn.ReLU()))


def pooled(pool: nn.Module) -> nn.Sequential:
    return head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), pool))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "depthwise": (lambda: conv(groups=2), IMAGE),
    "grouped": (lambda: head(nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2))), IMAGE),
    "dilated": (lambda: conv(dilation=(2, 1)), IMAGE),
    "non-square": (lambda: conv((3, 2), stride=(2, 1), padding=(0, 1)), IMAGE),
    "same, odd": (lambda: conv(3, padding="same"), IMAGE),
    "same, even": (lambda: conv((2, 4), padding="same"), IMAGE),
    "same, dilated": (lambda: conv((2, 3), padding="same", dilation=(3, 2)), IMAGE),
    "valid": (lambda: conv(3, padding="valid"), IMAGE),
    "without bias": (lambda: conv(3, bias=False), IMAGE),
    "average, padded": (lambda: pooled(nn.AvgPool2d(3, 2, padding=1)), IMAGE),
    "average, padding not counted": (lambda: pooled(nn.AvgPool2d(3, 2, 1, count_include_pad=False)), IMAGE),
    "average, ceil": (lambda: pooled(nn.AvgPool2d(2, 2, ceil_mode=True)), IMAGE),
    "average, all of it": (lambda: pooled(nn.AvgPool2d((3, 2), (2, 3), 1, True, False)), IMAGE),
    "average, overlapping": (lambda: pooled(nn.AvgPool2d(3, 1)), IMAGE),
    "adaptive average": (lambda: pooled(nn.AdaptiveAvgPool2d((4, 3))), IMAGE),
    "adaptive average, larger": (lambda: pooled(nn.AdaptiveAvgPool2d((7, None))), IMAGE),
    "global average": (lambda: pooled(nn.AdaptiveAvgPool2d(1)), IMAGE),
    "max": (lambda: pooled(nn.MaxPool2d(2)), IMAGE),
    "max, padded": (lambda: pooled(nn.MaxPool2d(3, 2, padding=1)), IMAGE),
    "max, dilated": (lambda: pooled(nn.MaxPool2d(2, 1, dilation=2)), IMAGE),
    "max, ceil": (lambda: pooled(nn.MaxPool2d((2, 3), (2, 2), (1, 1), ceil_mode=True)), IMAGE),
    "max before ReLU": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.MaxPool2d(2), nn.ReLU())), IMAGE
    ),
    "dropout": (
        lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)), (5,)
    ),
    "dropout, in place": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(True), nn.Dropout2d(0.5, inplace=True))), IMAGE
    ),
    "residual, in place": (
        lambda: Does(_residual, stem=nn.Conv2d(2, 3, 1), conv=nn.Conv2d(3, 3, 3, padding=1), fc=nn.Linear(126, 3)),
        IMAGE,
    ),
    "functional relu_": (lambda: Does(_relu_in_place, a=nn.Linear(5, 6), b=nn.Linear(6, 3)), (5,)),
    "nn.ReLU in place": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(True), nn.Linear(6, 3)), (5,)),
    "BatchNorm1d": (_batched_norm_1d, (5,)),
    "BatchNorm2d": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3), nn.ReLU())), IMAGE
    ),
    "BatchNorm without affine": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3, affine=False), nn.ReLU())), IMAGE
    ),
    "BatchNorm before the layer": (
        lambda: head(nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 2), nn.ReLU())), IMAGE
    ),
    "BatchNorm after ReLU": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.BatchNorm2d(3))), IMAGE
    ),
    "pre-activation": (
        lambda: Does(
            _preactivation, stem=nn.Conv2d(2, 3, 1), conv1=nn.Conv2d(3, 3, 3, padding=1, bias=False),
            conv2=nn.Conv2d(3, 3, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(3), bn2=nn.BatchNorm2d(3),
            bn3=nn.BatchNorm2d(3), fc=nn.Linear(3, 3),
        ), IMAGE,
    ),
    "view": (lambda: Does(_viewed, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(90, 3)), IMAGE),
    "squeeze": (lambda: Does(_squeezed, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(3, 3)), IMAGE),
    "mean": (lambda: Does(_mean, conv=nn.Conv2d(2, 4, 2), fc=nn.Linear(4, 3)), IMAGE),
    "mean, kept": (lambda: Does(_mean_kept, conv=nn.Conv2d(2, 4, 2), fc=nn.Linear(4, 3)), IMAGE),
    "unflattened input": (lambda: Does(_unflattened, conv=nn.Conv2d(1, 2, 3), fc=nn.Linear(32, 3)), (36,)),
    "slice and pad": (lambda: Does(_sliced, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(63, 3)), IMAGE),
    "linear on an image": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(84, 4), nn.ReLU(), nn.Linear(4, 3)), IMAGE),
    "shared layer": (lambda: Does(_twice, inner=nn.Linear(5, 5), out=nn.Linear(5, 3)), (5,)),
    "identity": (lambda: nn.Sequential(nn.Identity(), nn.Linear(5, 4), nn.Identity(), nn.ReLU(), nn.Linear(4, 3)), (5,)),
    "nested": (lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4)), nn.Sequential(nn.ReLU(), nn.Linear(4, 3))), (5,)),
    "right matrix": (
        lambda: Does(_right_matrix, w=nn.Parameter(torch.randn(5, 4)), fc=nn.Linear(4, 3)), (5,)
    ),
    "square right matrix": (
        lambda: Does(_right_matrix, w=nn.Parameter(torch.randn(5, 5)), fc=nn.Linear(5, 3)), (5,)
    ),
    "convolution to the end": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, (7, 6)), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.Flatten()), IMAGE
    ),
    "log_softmax": (lambda: Does(_log_softmax, fc=nn.Linear(5, 3)), (5,)),
    "circular": (lambda: conv(3, padding=1, padding_mode="circular"), IMAGE),
    "circular, even": (lambda: conv((2, 3), padding=(1, 0), stride=2, padding_mode="circular"), IMAGE),
    "reflect": (lambda: conv(3, padding=(1, 2), padding_mode="reflect"), IMAGE),
    "replicate": (lambda: conv(3, padding=(3, 1), padding_mode="replicate"), IMAGE),
    "Conv1d": (lambda: Does(layers_1d, conv=nn.Conv1d(2, 3, 2), fc=nn.Linear(18, 3)), ROW),
    "Conv1d, all options": (
        lambda: head(nn.Sequential(nn.Conv1d(2, 4, 2, 2, 1, 2, 2), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 3, 1))), ROW
    ),
    "Conv1d, same": (lambda: head(nn.Sequential(nn.Conv1d(2, 4, 2, padding="same"), nn.ReLU())), ROW),
    "Conv1d, valid, one channel": (
        lambda: head(nn.Sequential(nn.Conv1d(1, 4, 3, padding="valid"), nn.ReLU())), (1, 7)
    ),
    "BatchNorm1d before Conv1d": (
        lambda: head(nn.Sequential(nn.BatchNorm1d(2), nn.Conv1d(2, 4, 2), nn.ReLU())), ROW
    ),
    "max pooling of a row": (
        lambda: head(nn.Sequential(nn.Conv1d(2, 4, 2), nn.ReLU(), nn.MaxPool1d(2, 1, 1))), ROW
    ),
    "average pooling of a row": (
        lambda: head(nn.Sequential(nn.Conv1d(2, 4, 2), nn.ReLU(), nn.AvgPool1d(2, padding=1))), ROW
    ),
    "adaptive pooling of a row": (
        lambda: head(nn.Sequential(nn.Conv1d(2, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool1d(3))), ROW
    ),
    "Conv1d, circular": (lambda: head(nn.Sequential(nn.Conv1d(2, 4, 3, padding=1, padding_mode="circular"), nn.ReLU())), ROW),
    "Conv1d, reflect": (lambda: head(nn.Sequential(nn.Conv1d(2, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU())), ROW),
    "slice of a row": (
        lambda: Does(
            lambda m, x: m.fc(F.relu(m.conv(x[:, :, 1::2])).flatten(1)), conv=nn.Conv1d(2, 4, 2), fc=nn.Linear(8, 3)
        ), ROW,
    ),
    "mean of a row": (
        lambda: Does(lambda m, x: m.fc(F.relu(m.conv(x)).mean(2)), conv=nn.Conv1d(2, 4, 2), fc=nn.Linear(4, 3)), ROW
    ),
    "rows of the input twice": (
        lambda: Does(
            lambda m, x: m.fc(F.relu(m.a(x) + m.b(x)).flatten(1)), a=nn.Conv1d(2, 3, 3, padding=1), b=nn.Conv1d(2, 3, 1),
            fc=nn.Linear(21, 3),
        ), ROW,
    ),
}  # fmt: skip


def _chunked(m: nn.Module, x: Tensor) -> Tensor:
    a, b = m.a(x).chunk(2, dim=1)
    return m.b(torch.cat([F.relu(b), a], 1))


def mlp(activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 4), activation, nn.Linear(4, 3))


def does(forward: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> Callable[[], nn.Module]:
    return lambda: Does(forward, **{name: copy.deepcopy(part) for name, part in parts.items()})


def _shuffled(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.conv(x))
    n, c, h, w = x.shape
    x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
    a, b = x[:, : c // 2], x[:, c // 2 :]
    return m.fc(torch.cat([b, m.branch(a), a], 1).mean([2, 3]))


def _dense(m: nn.Module, x: Tensor) -> Tensor:
    x = m.conv(x)
    x = torch.cat([x, m.grown(F.relu(m.bn(x)))], 1)
    return m.fc(F.relu(m.last(x)).mean((2, 3)))


def _scaled_branch(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.conv(x))
    return m.fc((x + 0.2 * m.b(x)).mean((2, 3)))


def _halved(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(torch.cat([F.relu(m.conv(x)), m.other(x)], 3).flatten(1))


FOUR = nn.Conv2d(2, 4, 3, padding=1)
LAST = nn.Linear(4, 3)
WIDE = nn.Linear(168, 3)

NODES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        type(activation).__name__ + str(index): (lambda activation=activation: mlp(activation), (5,))
        for index, activation in enumerate([
            nn.GELU(), nn.GELU("tanh"), nn.LeakyReLU(0.1), nn.ReLU6(), nn.Hardtanh(-2, 0.5), nn.Tanh(), nn.SiLU(), nn.Mish(),
            nn.Hardswish(), nn.ELU(0.7), nn.SELU(), nn.CELU(0.5), nn.LeakyReLU(-0.3),
        ])
    },
    "clamp": (does(lambda m, x: m.b(m.a(x).clamp(-0.5, 0.7)), a=nn.Linear(5, 4), b=LAST), (5,)),
    "clamp(min=0)": (does(lambda m, x: m.b(m.a(x).clamp(min=0)), a=nn.Linear(5, 4), b=LAST), (5,)),
    "maximum with zeros": (
        does(lambda m, x: m.b(torch.maximum(h := m.a(x), torch.zeros_like(h))), a=nn.Linear(5, 4), b=LAST), (5,)
    ),
    "maximum with 0": (
        does(lambda m, x: m.b(torch.maximum(torch.tensor(0.0), m.a(x))), a=nn.Linear(5, 4), b=LAST), (5,)
    ),
    "input scaled inside": (does(lambda m, x: m.fc(F.relu(m.conv(2 * x - 1)).flatten(1)), conv=FOUR, fc=WIDE), IMAGE),
    "input standardised inside": (
        does(lambda m, x: m.fc(F.relu(m.conv((x - m.mean.view(1, -1, 1, 1)) / (1 + m.std.abs())[:, None, None])).flatten(1)),
             conv=FOUR, fc=WIDE, mean=nn.Buffer(torch.rand(2)), std=nn.Buffer(torch.rand(2))), IMAGE,
    ),
    "fixed numbers": (does(lambda m, x: m.b(F.relu(1 - m.a(x) / 3 + 0.5)), a=nn.Linear(5, 4), b=LAST), (5,)),
    "difference": (does(lambda m, x: m.b(F.relu(m.a(x) - m.c(x))), a=nn.Linear(5, 4), c=nn.Linear(5, 4), b=LAST), (5,)),
    "sum with alpha": (
        does(lambda m, x: m.b(F.relu(torch.add(m.a(x), F.relu(m.c(x)), alpha=-0.3))), a=nn.Linear(5, 4),
             c=nn.Linear(5, 4), b=LAST), (5,),
    ),
    "scaled branch": (
        does(_scaled_branch, conv=FOUR, b=nn.Conv2d(4, 4, 1), fc=LAST), IMAGE,
    ),
    "dense block": (
        does(_dense, conv=FOUR, bn=nn.BatchNorm2d(4), grown=nn.Conv2d(4, 2, 3, padding=1), last=nn.Conv2d(6, 4, 1),
             fc=LAST), IMAGE,
    ),
    "shuffle and split": (does(_shuffled, conv=FOUR, branch=nn.Conv2d(2, 2, 1), fc=nn.Linear(6, 3)), IMAGE),
    "nn.ChannelShuffle": (
        does(lambda m, x: m.fc(m.shuffle(F.relu(m.conv(x))).flatten(1)), conv=FOUR, shuffle=nn.ChannelShuffle(2), fc=WIDE),
        IMAGE,
    ),
    "joined along the width": (does(_halved, conv=FOUR, other=nn.Conv2d(2, 4, 1), fc=nn.Linear(336, 3)), IMAGE),
    "chunk": (does(_chunked, a=nn.Linear(5, 4), b=LAST), (5,)),
    "unbind": (
        does(lambda m, x: m.b(torch.cat([F.relu(p) for p in m.a(x).view(-1, 2, 2).unbind(2)], 1)), a=nn.Linear(5, 4),
             b=LAST), (5,),
    ),
    "PixelShuffle": (lambda: head(nn.Sequential(nn.Conv2d(2, 4, 2), nn.PixelShuffle(2))), IMAGE),
    "PixelUnshuffle": (lambda: head(nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 2))), (1, 8, 6)),
    "Upsample": (lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.Upsample(scale_factor=2))), IMAGE),
    "three channels of one": (does(lambda m, x: m.conv(x.expand(-1, 2, -1, -1)).flatten(1), conv=nn.Conv2d(2, 3, (4, 3))),
                              (1, 4, 3)),
    "three channels of one, repeated": (
        does(lambda m, x: m.conv(x.repeat(1, 2, 1, 1)).flatten(1), conv=nn.Conv2d(2, 3, (4, 3))), (1, 4, 3)
    ),
    "transposed image": (does(lambda m, x: m.fc(F.relu(m.conv(x.transpose(2, 3))).flatten(1)), conv=FOUR, fc=WIDE), IMAGE),
    "global maximum": (does(lambda m, x: m.fc(F.relu(m.conv(x)).amax((2, 3))), conv=FOUR, fc=LAST), IMAGE),
    "global maximum, flat": (
        does(lambda m, x: m.fc(F.relu(m.conv(x)).flatten(2).max(-1)[0]), conv=FOUR, fc=LAST), IMAGE
    ),
    "adaptive maximum": (lambda: pooled(nn.AdaptiveMaxPool2d((3, 5))), IMAGE),
    "flat mean": (does(lambda m, x: m.fc(F.relu(m.conv(x)).flatten(2).mean(-1)), conv=FOUR, fc=LAST), IMAGE),
    "mean of means": (does(lambda m, x: m.fc(F.relu(m.conv(x)).mean(-1).mean(-1)), conv=FOUR, fc=LAST), IMAGE),
    "mean over height": (does(lambda m, x: m.fc(F.relu(m.conv(x)).mean(2).flatten(1)), conv=FOUR, fc=nn.Linear(24, 3)), IMAGE),
    "sum over positions": (does(lambda m, x: m.fc(F.relu(m.conv(x)).sum((2, 3))), conv=FOUR, fc=LAST), IMAGE),
    "BatchNorm1d of a flat image": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.BatchNorm1d(90), nn.ReLU(), nn.Linear(90, 3)), IMAGE
    ),
    "BatchNorm after ReLU and pooling": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.BatchNorm2d(3), nn.MaxPool2d(2))), IMAGE
    ),
    "averages as the output": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), IMAGE
    ),
}  # fmt: skip
"""Networks of nodes that not every bound takes."""


def ready(
    make: Callable[[], nn.Module], shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """A module in evaluation mode with random BatchNorm statistics and a third of its weights pruned."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        module = make().eval()
        with torch.no_grad():
            module(torch.zeros(2, *shape, dtype=dtype))
            for name, tensor in module.state_dict().items():
                if name.endswith("running_mean"):
                    tensor.normal_()
                elif name.endswith("running_var"):
                    tensor.uniform_(0.5, 2)
                elif tensor.ndim == 1 and tensor.is_floating_point():
                    tensor.uniform_(-1.5, 1.5)
                elif tensor.ndim > 1:
                    tensor.mul_(torch.rand(tensor.shape) > 0.3)
    return module


def exact_output(module: nn.Module, x: Tensor) -> Tensor:
    """The module's own output in float64, (batch, outputs)."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(module).double()(x).flatten(1)
