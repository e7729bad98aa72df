"""Where a network is trained, and in which arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from boundcalc.errors import UsageError


@dataclass(frozen=True)
class Hardware:
    """A device, its arithmetic, and the memory layout of networks and samples on it.

    Attributes:
        device: of weights and samples.
        mixed: the type that matrix products are computed in; None for that of the weights, float32.
        channels_last: whether images and kernels have their channels innermost.
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
        """Return the context of mixed precision; it does nothing where there is none."""
        return torch.autocast(self.device.type, dtype=self.mixed, enabled=self.mixed is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Return the loss scaling that float16 needs; it does nothing otherwise."""
        return torch.amp.GradScaler(self.device.type, enabled=self.mixed is torch.float16)


def hardware(device: str) -> Hardware:
    """Choose where to train: CUDA in mixed precision and channels-last, the CPU in float32.

    Args:
        device: `"auto"`, `"cpu"` or `"cuda"`.

    Raises:
        UsageError: CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("--device cuda: no CUDA device is available; use --device cpu")
    if device == "cpu" or not there:
        return Hardware(torch.device("cpu"))
    mixed = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Hardware(torch.device("cuda"), mixed, channels_last=True)
