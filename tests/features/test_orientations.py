"""The first stage "orientations": a loop over pixels gives the same numbers, and networks behind it can be read and run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from boundcalc.checkpoint import from_state_dict
from boundcalc.errors import UsageError
from boundcalc.features.names import cells_of
from boundcalc.features.orientations import orientations
from boundcalc.features.stage import shape_after, staged
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint
from boundcalc.network.ops import FirstStage
from boundcalc.tickets.networks import by_name


def naive(image: np.ndarray, cells: int) -> np.ndarray:
    """Features of one channel, (8, cells, cells), pixel by pixel."""
    height, width = image.shape

    def at(values: np.ndarray, row: int, column: int) -> float:
        return float(values[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])

    weights = (0.25, 0.5, 0.25)
    blurred = np.array(
        [
            [
                sum(
                    weights[i] * weights[j] * at(image, r + i - 1, c + j - 1)
                    for i in range(3)
                    for j in range(3)
                )
                for c in range(width)
            ]
            for r in range(height)
        ]
    )
    found = np.zeros((8, cells, cells))
    for row in range(height):
        for column in range(width):
            right = (at(blurred, row, column + 1) - at(blurred, row, column - 1)) / 2
            down = (at(blurred, row + 1, column) - at(blurred, row - 1, column)) / 2
            length, angle = math.hypot(right, down), math.atan2(down, right)
            for direction in range(8):
                share = max(0.0, math.cos(angle - direction * math.pi / 4)) ** 8 * length
                for i in range(cells):
                    for j in range(cells):
                        tall = max(0.0, 1 - abs(row + 0.5 - (i + 0.5) * height / cells) * cells / height)
                        wide = max(0.0, 1 - abs(column + 0.5 - (j + 0.5) * width / cells) * cells / width)
                        found[direction, i, j] += share * tall * wide
    found = np.sqrt(found)
    size = math.sqrt(float((found**2).mean()))
    return found / size if size else found


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 8), st.integers(3, 8), st.integers(2, 4))
def test_a_loop_over_pixels_gives_the_same(seed: int, height: int, width: int, cells: int) -> None:
    image = np.random.default_rng(seed).random((height, width))
    ours = orientations(torch.from_numpy(image)[None, None], cells)[0]
    assert np.allclose(ours.numpy(), naive(image, cells), atol=1e-6)


def test_an_image_without_edges_gives_zeros_and_brightness_does_not_matter() -> None:
    flat = torch.full((1, 1, 8, 8), 0.7)
    assert not orientations(flat, 4).any()
    x = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(orientations(x, 4), orientations(2.5 * x + 1, 4), atol=1e-5)
    assert torch.allclose(orientations(x, 4).square().mean(dim=(1, 2, 3)), torch.ones(3, dtype=torch.float64))


def test_a_network_behind_it_is_read_and_runs_as_the_module() -> None:
    module = by_name("strided-4", (1, 28, 28), first_stage="orientations").eval()
    network = from_checkpoint(from_state_dict(module.state_dict(), "staged"), module, (1, 28, 28))
    assert isinstance(network.nodes[1], FirstStage)
    assert network.nodes[1].shape == shape_after("orientations", (1, 28, 28)) == (8, 14, 14)
    assert [layer.name for layer in network.layers()][0] == "network.conv1"
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(run(network, x.double()).float(), module(x), atol=1e-4)


def test_it_has_no_parameters_and_no_gradient_goes_through() -> None:
    module = staged("orientations-7", nn.Sequential(nn.Flatten(), nn.Linear(8 * 49, 2)))
    assert set(module.state_dict()) == {"network.1.weight", "network.1.bias"}
    module(torch.rand(2, 1, 14, 14)).sum().backward()
    assert module.state_dict(keep_vars=True)["network.1.weight"].grad is not None


@pytest.mark.parametrize(
    "name", ["orientation", "orientations-", "orientations-1", "orientations-65", "orientations-7x"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--first-stage"):
        cells_of(name)
