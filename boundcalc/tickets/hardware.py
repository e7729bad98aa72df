"""The device on which a network is trained, and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from boundcalc.errors import UsageError


@dataclass(frozen=True)
class Hardware:
    """A device, its arithmetic, and its memory layout for networks and samples.

    Attributes:
        device: device of weights and samples.
        mixed: type in which matrix products are computed; None for that of the weights, float32.
        channels_last: whether images and kernels are stored with their channels as the innermost axis.
    """

    device: torch.device
    mixed: torch.dtype | None = None
    channels_last: bool = False

    def samples(self, x: Tensor) -> Tensor:
        """Return samples on the device, in the memory layout that is fastest there."""
        last = self.channels_last and x.dim() == 4
        return x.to(self.device, memory_format=torch.channels_last if last else torch.contiguous_format)

    def network(self, module: nn.Module) -> nn.Module:
        """Move a network to the device."""
        layout = {"memory_format": torch.channels_last} if self.channels_last else {}
        moved: nn.Module = module.to(self.device, **layout)  # type: ignore[call-overload]
        return moved

    def autocast(self) -> torch.autocast:
        """Return the context for mixed precision, which does nothing if `mixed` is None."""
        return torch.autocast(self.device.type, dtype=self.mixed, enabled=self.mixed is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Return the loss scaler that float16 needs; it does nothing for other types."""
        return torch.amp.GradScaler(self.device.type, enabled=self.mixed is torch.float16)


def hardware(device: str) -> Hardware:
    """Choose the device to train on: CUDA with mixed precision and channels-last layout, or the CPU with float32.

    Args:
        device: `"auto"`, `"cpu"` or `"cuda"`.

    Raises:
        UsageError: when CUDA is requested and not available.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("--device cuda: no CUDA device is available; use --device cpu")
    if device == "cpu" or not there:
        return Hardware(torch.device("cpu"))
    mixed = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Hardware(torch.device("cuda"), mixed, channels_last=True)
