"""Modules with operations outside the theory."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from modules import IMAGE, Does, head, layers_1d, pooled
from torch import Tensor, nn


def _attention(m: nn.Module, x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return m.fc(m.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1))


def _excited(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.conv(x))
    return m.fc((x * torch.sigmoid(m.gate(x.mean((2, 3), keepdim=True)))).flatten(1))


UNKNOWN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "LayerNorm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3)), (5,), "layer_norm"),
    "GroupNorm": (
        lambda: head(nn.Sequential(nn.Conv2d(2, 4, 2), nn.GroupNorm(2, 4), nn.ReLU())), IMAGE, "group_norm"
    ),
    "ConvTranspose2d": (lambda: head(nn.ConvTranspose2d(2, 2, 2)), IMAGE, "conv_transpose2d"),
    "Conv3d": (lambda: Does(layers_1d, conv=nn.Conv3d(1, 2, 2), fc=nn.Linear(16, 3)), (1, 3, 3, 3), "conv3d"),
    "attention": (
        lambda: Does(_attention, attention=nn.MultiheadAttention(2, 1, batch_first=True), fc=nn.Linear(2, 3)),
        IMAGE, "transpose",
    ),
    "LPPool": (lambda: head(nn.LPPool2d(2, 2)), IMAGE, "pow"),
    "gate": (
        lambda: Does(_excited, conv=nn.Conv2d(2, 3, 2), gate=nn.Conv2d(3, 3, 1), fc=nn.Linear(90, 3)), IMAGE, "mul"
    ),
    "softmax inside": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(1), nn.Linear(4, 3)), (5,), "softmax"),
    "average with divisor": (lambda: pooled(nn.AvgPool2d(2, divisor_override=3)), IMAGE, "avg_pool2d"),
}  # fmt: skip
