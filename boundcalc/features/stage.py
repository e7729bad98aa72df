"""A first stage as a module of the network: one operation of the captured graph, evaluated in the precision of its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from boundcalc.features.names import cells_of
from boundcalc.features.orientations import DIRECTIONS, orientations


@torch.library.custom_op("boundcalc::orientations", mutates_args=())
def _orientations(x: Tensor, cells: int) -> Tensor:
    return orientations(x, cells)


@_orientations.register_fake
def _(x: Tensor, cells: int) -> Tensor:
    return x.new_empty(x.shape[0], DIRECTIONS * x.shape[1], cells, cells)


class FirstStage(nn.Module):
    """A fixed function in front of a network; it has no parameters, and no gradient passes through it.

    Args:
        name: name of a first stage, see `boundcalc.features.names`.

    Raises:
        UsageError: when there is no first stage of this name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.cells = cells_of(name)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(b, c, h, w)` to `(b, 8 c, cells, cells)`."""
        return _orientations(x, self.cells)


def shape_after(name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape of a first stage's output for samples of a given shape.

    Args:
        name: name of the first stage.
        shape: shape of one sample: (channels, height, width), or (height, width) for one channel.

    Raises:
        ValueError: when the samples are not images.
    """
    if len(shape) not in {2, 3}:
        raise ValueError(f"first stage {name} takes images, not samples of shape {shape}")
    cells = cells_of(name)
    return DIRECTIONS * (shape[0] if len(shape) == 3 else 1), cells, cells


def staged(name: str, network: nn.Module) -> nn.Module:
    """Return a network behind a first stage; the names of the network's tensors begin with ``network.``."""
    module = nn.Sequential()
    module.add_module("first_stage", FirstStage(name))
    module.add_module("network", network)
    return module
