"""Training under masks, one epoch at a time, with all state in one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from boundcalc.threads import one_thread
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.losses import LOSSES
from boundcalc.tickets.networks import trained_tensor
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples

EVALUATION_BATCH = 2000
"""Number of samples in a batch when the network is only evaluated."""


class Trainer:
    """A network in training.

    Pruned weights are set to zero after every step, so they never contribute and never return; the surviving weights are
    updated as if the mask were applied before the step.

    Args:
        module: the network on its device, with masked weights.
        masks: key -> bool mask; weights without a mask are not pruned.
        recipe: training recipe.
        hardware: device of module and samples.
        penalty: term added to the loss of each step, or None.
    """

    def __init__(
        self,
        module: nn.Module,
        masks: Mapping[str, Tensor],
        recipe: Recipe,
        hardware: Hardware,
        penalty: Callable[[], Tensor] | None = None,
    ) -> None:
        self.module = module
        self.penalty = penalty
        self.recipe = recipe
        self.hardware = hardware
        self.optimizer = _optimizer(module, recipe)
        self.scaler = hardware.scaler()
        # threads that wait for each other make small matrix products slower; convolutions gain by them
        convolves = any(parameter.dim() > 2 for parameter in module.parameters())
        self._threads = nullcontext if convolves else one_thread
        pruned = [key for key, mask in masks.items() if not bool(mask.all())]
        self._weights = [trained_tensor(module, key).data for key in pruned]
        self._masks = [
            masks[key].to(weight).contiguous(memory_format=_layout(weight))
            for key, weight in zip(pruned, self._weights, strict=True)
        ]

    def epoch(self, number: int, samples: Samples, order: torch.Generator) -> tuple[float, float]:
        """Train for one pass over the samples.

        Args:
            number: number of passes done before.
            samples: the samples, on the device.
            order: random number generator on the CPU for the order of the samples.

        Returns:
            Mean loss and share of errors over the epoch, with each batch measured before its step.
        """
        with self._threads():
            return self._epoch(number, samples, order)

    def _epoch(self, number: int, samples: Samples, order: torch.Generator) -> tuple[float, float]:
        module, loss_of = self.module.train(), LOSSES[self.recipe.loss]
        batches = (
            torch.randperm(samples.m, generator=order).to(self.hardware.device).split(self.recipe.batch_size)
        )
        total = torch.zeros((), dtype=torch.float64, device=self.hardware.device)
        wrong = torch.zeros((), dtype=torch.int64, device=self.hardware.device)
        for step, rows in enumerate(batches):
            self._set_rate(self.recipe.rate(number + step / len(batches)))
            y = samples.y.index_select(0, rows)
            self.optimizer.zero_grad()
            with self.hardware.autocast():
                logits = module(samples.x.index_select(0, rows))
                loss = loss_of(logits.float(), y)
            if self.penalty is not None:
                loss = loss + self.penalty().float()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self._masks:
                torch._foreach_mul_(self._weights, self._masks)
            total += loss.detach() * len(rows)
            wrong += logits.detach().argmax(1).ne(y).sum()
        return float(total) / samples.m, float(wrong) / samples.m

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, except samples and random numbers."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state` returned."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def measure(module: nn.Module, samples: Samples, loss: str, hardware: Hardware) -> tuple[float, float]:
    """Return mean loss and share of errors of a network in evaluation mode, entirely in float32.

    Args:
        module: the network, on the device.
        samples: the samples, on the device.
        loss: name of the loss.
        hardware: device of both.
    """
    module.eval()
    total = torch.zeros((), dtype=torch.float64, device=hardware.device)
    wrong = torch.zeros((), dtype=torch.int64, device=hardware.device)
    with torch.no_grad():
        for x, y in zip(samples.x.split(EVALUATION_BATCH), samples.y.split(EVALUATION_BATCH), strict=True):
            logits = module(x)
            total += LOSSES[loss](logits, y).double() * len(y)
            wrong += logits.argmax(1).ne(y).sum()
    return float(total) / samples.m, float(wrong) / samples.m


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    decay = 0.0 if recipe.regularize else recipe.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=decay, fused=True)
    return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=decay, fused=True)


def _layout(tensor: Tensor) -> torch.memory_format:
    last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
