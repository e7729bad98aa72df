"""Adam (Kingma & Ba 2015), with results that equal those of `torch.optim.Adam` bit for bit.

Creating any optimizer of torch imports torch's compiler, which takes longer than the steps of a small search.
"""

from __future__ import annotations

from torch import Tensor, no_grad

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Decay rates of the two moving averages, and the constant added to the root of the second one."""


class Adam:
    """Adam steps for a fixed list of tensors.

    Args:
        tensors: tensors that require gradients; a tensor without a gradient is not changed.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        self._tensors = tensors
        self._averages: dict[int, tuple[int, Tensor, Tensor]] = {}

    def forget(self) -> None:
        """Reset both averages and the count of steps."""
        self._averages.clear()

    def step(self, rate: float) -> None:
        """Move every tensor against its gradient, and clear the gradient.

        Args:
            rate: the learning rate.
        """
        with no_grad():
            for index, tensor in enumerate(self._tensors):
                if tensor.grad is not None:
                    self._move(index, tensor, tensor.grad, rate)
                    tensor.grad = None

    def _move(self, index: int, tensor: Tensor, gradient: Tensor, rate: float) -> None:
        zeros = tensor.new_zeros(tensor.shape)
        count, first, second = self._averages.get(index, (0, zeros, zeros.clone()))
        count += 1
        first.lerp_(gradient, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        size = (second.sqrt() / (1 - BETA_2**count) ** 0.5).add_(EPSILON)
        tensor.addcdiv_(first, size, value=-(rate / (1 - BETA_1**count)))
        self._averages[index] = count, first, second
