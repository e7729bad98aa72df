"""From a plan to a network that fits the data, and from a network in training to plain weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from boundcalc.errors import DataError
from boundcalc.tickets import architectures
from boundcalc.tickets.masks import apply, weights
from boundcalc.tickets.plan import ARCHITECTURES, FAMILIES, RunPlan, numbers_in

Weights = dict[str, Tensor]
"""A plain state dict, on the CPU."""


def build(plan: RunPlan, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Make the network of a plan, initialized from torch's current random state.

    Args:
        plan: the plan, of which the architecture or model is used.
        shape: shape of one sample.
        classes: number of labels in the data.

    Returns:
        The network on the CPU.

    Raises:
        DataError: when the network does not take such samples, or has fewer outputs than there are labels.
    """
    module = _new_module(plan, shape, classes)
    name = plan.arch or plan.model
    weights(module)
    try:
        with torch.no_grad():
            logits = copy.deepcopy(module).eval()(torch.zeros(2, *shape))
    except Exception as error:
        raise DataError(f"{name} does not take samples of shape {shape}: {error}") from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
        raise DataError(f"{name}: two samples of shape {shape} do not give two rows of logits")
    if logits.shape[1] < classes:
        raise DataError(f"{name} has {logits.shape[1]} outputs, but the data has labels up to {classes - 1}")
    return module


def _new_module(plan: RunPlan, shape: tuple[int, ...], classes: int) -> nn.Module:
    if plan.model is not None:
        from boundcalc.network.capture import make_module

        return copy.deepcopy(make_module(plan.model))
    assert plan.arch is not None
    return by_name(plan.arch, shape, classes, plan.first_stage)


def by_name(
    arch: str, shape: tuple[int, ...], classes: int = 10, first_stage: str | None = None
) -> nn.Module:
    """Make one of boundcalc's own networks.

    Args:
        arch: one of `boundcalc.tickets.plan.ARCHITECTURES`; the names of `FAMILIES` contain numbers.
        shape: shape of one sample.
        classes: number of labels, for networks of `FAMILIES`.
        first_stage: name of a fixed first stage in front of the network, or None.

    Raises:
        DataError: when there is no such network, or it does not take such samples.
    """
    if first_stage is not None:
        from boundcalc.features.stage import shape_after, staged

        try:
            inner = by_name(arch, shape_after(first_stage, shape), classes)
        except ValueError as error:
            raise DataError(str(error)) from error
        return staged(first_stage, inner)
    numbers = numbers_in(arch)
    if numbers is None:
        if arch not in ARCHITECTURES or arch in FAMILIES:
            raise DataError(f"{arch} is not one of boundcalc's architectures; give --model")
        module: nn.Module = getattr(architectures, arch)()
        return module
    if len(shape) != 3 or shape[1] != shape[2]:
        raise DataError(f"{arch} takes square images, not samples of shape {shape}")
    inputs, size, classes = shape[0], shape[1], max(classes, 2)
    if arch.startswith("strided"):
        return architectures.StridedNet(numbers[0], size, inputs, classes)
    try:
        if arch.startswith("shallow"):
            return architectures.shallow(numbers[0], size, inputs, classes)
        depth, channels = numbers
        return architectures.conv(depth, channels, size=size, inputs=inputs, classes=classes)
    except ValueError as error:
        raise DataError(f"{arch}: {error}") from error


class WeightNorm(nn.Module):
    """A weight as length times direction, with one length per output (Salimans & Kingma 2016).

    An output without weights has length and direction zero, which training does not change.
    """

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        """Return the weight from lengths `(out, 1, ...)` and directions `(out, ...)`."""
        return length * direction / self._norm(direction).clamp_min(torch.finfo(direction.dtype).tiny)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return length and direction of a weight; the direction is the weight itself."""
        return self._norm(weight), weight.clone()

    @staticmethod
    def _norm(weight: Tensor) -> Tensor:
        return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)


def masked_module(
    template: nn.Module, values: Mapping[str, Tensor], masks: Mapping[str, Tensor], normed: bool
) -> nn.Module:
    """Return a network with the given weights, masked, ready to train.

    Args:
        template: the network, which is not changed.
        values: plain state dict of the weights.
        masks: key -> bool mask.
        normed: whether weights are parametrized by `WeightNorm`.
    """
    module = copy.deepcopy(template)
    module.load_state_dict(dict(values))
    apply(module, masks)
    if normed:
        for key in weights(module):
            parametrize.register_parametrization(_owner(module, key), "weight", WeightNorm())
    return module


def trained_tensor(module: nn.Module, key: str) -> nn.Parameter:
    """Return the parameter to which a mask is applied during training: the weight, or its direction."""
    owner = _owner(module, key)
    if parametrize.is_parametrized(owner, "weight"):
        stored = dict(owner.get_submodule("parametrizations.weight").named_parameters(recurse=False))
        return stored["original1" if "original1" in stored else "original"]
    found: nn.Parameter = owner.weight  # type: ignore[assignment]
    return found


def plain_tensors(module: nn.Module, keys: Iterable[str]) -> Weights:
    """Return copies of a network's tensors on the CPU, by plain keys, with parametrizations evaluated.

    Args:
        module: the network in training.
        keys: keys of the state dict without parametrizations.
    """
    with torch.no_grad():
        return {
            key: getattr(_owner(module, key), key.rpartition(".")[2]).detach().cpu().contiguous().clone()
            for key in keys
        }


def _owner(module: nn.Module, key: str) -> nn.Module:
    return module.get_submodule(key.rpartition(".")[0])
