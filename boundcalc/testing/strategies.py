"""Hypothesis strategies for networks, torch modules, masks, graphons and data.

Raises:
    ImportError: hypothesis is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boundcalc.extras import install
from boundcalc.graphon.step import StepGraphon
from boundcalc.network.network import Network
from boundcalc.testing.subject import mlp

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as arrays
except ImportError as error:
    raise ImportError(f"the strategies of boundcalc.testing need hypothesis: {install('testing')}") from error

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

SEEDS = st.integers(0, 2**31 - 1)
KINDS = ("random", "rows", "columns", "blocks", "full", "empty", "one", "diagonal")


@st.composite
def masks(draw: DrawFn, shape: tuple[int, ...], kinds: tuple[str, ...] = KINDS) -> np.ndarray:
    """Draw a mask: random, structured (whole rows, columns or blocks) or degenerate (full, empty, one weight, diagonal).

    Args:
        draw: draw function supplied by hypothesis.
        shape: shape of the mask, (out, in, ...).
        kinds: kinds of masks to choose from.

    Returns:
        The mask, a bool array.
    """
    kind = draw(st.sampled_from(kinds))
    random = np.random.default_rng(draw(SEEDS))
    mask = np.zeros(shape, dtype=bool)
    out, width = shape[:2]
    match kind:
        case "random":
            mask = random.random(shape) < draw(st.sampled_from((0.05, 0.3, 0.7)))
        case "rows":
            mask[random.random(out) < 0.5] = True
        case "columns":
            mask[:, random.random(width) < 0.5] = True
        case "blocks":
            mask[: -(-out // 2), : -(-width // 2)] = True
            mask[-(-out // 2) :, -(-width // 2) :] = True
        case "full":
            mask[:] = True
        case "one":
            mask.flat[random.integers(mask.size)] = True
        case "diagonal":
            for i in range(min(out, width)):
                mask[i, i] = True
        case _:
            pass
    return mask


@st.composite
def networks(draw: DrawFn, biases: bool | None = None, deepest: int = 4, widest: int = 7) -> Network:  # noqa: FBT001
    """Draw a masked multilayer perceptron as a `Network`, with masks of every kind and weight scales from 1e-3 to 1e3.

    Args:
        draw: draw function supplied by hypothesis.
        biases: whether layers have biases; None for either.
        deepest: largest number of layers.
        widest: largest number of units of a layer.
    """
    sizes = draw(st.lists(st.integers(1, widest), min_size=2, max_size=deepest + 1))
    biased = draw(st.booleans()) if biases is None else biases
    network = mlp(sizes, draw(SEEDS), 1.0, bias=biased)
    chosen = [draw(masks(tuple(layer.weight.shape))) for layer in network.layers()]
    scale = draw(st.sampled_from((1e-3, 1.0, 1e3)))
    from boundcalc.testing.invariances import changed

    return changed(
        network, lambda number, layer: (layer.weight * torch.from_numpy(chosen[number]) * scale, layer.bias)
    )


@st.composite
def modules(draw: DrawFn, classes: int = 3) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """Draw a small pruned torch module in evaluation mode, and the shape of one sample.

    The module is a perceptron, or a convolutional network with or without stride, padding, BatchNorm and pooling.
    """
    nn = torch.nn
    with torch.random.fork_rng():
        torch.manual_seed(draw(SEEDS))
        if draw(st.booleans()):
            width = draw(st.integers(1, 6))
            module: torch.nn.Module = nn.Sequential(
                nn.Linear(4, width, bias=draw(st.booleans())), nn.ReLU(), nn.Linear(width, classes)
            )
            shape: tuple[int, ...] = (4,)
        else:
            module, shape = _convolutional(draw, classes), (2, 6, 6)
        with torch.no_grad():
            for weight in (p for p in module.parameters() if p.ndim > 1):
                weight.mul_(torch.from_numpy(draw(masks(tuple(weight.shape), ("random", "rows", "full")))))
    return module.eval(), shape


def _convolutional(draw: DrawFn, classes: int) -> torch.nn.Module:
    nn = torch.nn
    channels = draw(st.integers(1, 4))
    stride, padding = draw(st.sampled_from((1, 2))), draw(st.sampled_from((0, 1)))
    layers: list[torch.nn.Module] = [nn.Conv2d(2, channels, 3, stride, padding, bias=draw(st.booleans()))]
    if draw(st.booleans()):
        layers.append(nn.BatchNorm2d(channels))
    layers.append(nn.ReLU())
    if draw(st.booleans()):
        layers.append(nn.AvgPool2d(2))
    whole = nn.Sequential(*layers, nn.Flatten())
    features = whole.eval()(torch.zeros(1, 2, 6, 6)).shape[1]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))


@st.composite
def samples(
    draw: DrawFn, shape: tuple[int, ...], classes: int = 3, most: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a sample, possibly a single, repeated, zero or sparse one: inputs (m, *shape) float64 and labels (m,) int64."""
    m = draw(st.integers(1, most))
    random = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(("normal", "unit interval", "repeated", "zero", "sparse")))
    x = random.standard_normal((m, *shape))
    if kind == "unit interval":
        x = random.random((m, *shape))
    elif kind == "repeated":
        x = np.broadcast_to(x[:1], x.shape).copy()
    elif kind == "zero":
        x = np.zeros_like(x)
    elif kind == "sparse":
        x = x * (random.random(x.shape) < 0.1)
    return x, random.integers(0, classes, m)


@st.composite
def graphons(draw: DrawFn, rows: int | None = None, columns: int | None = None) -> StepGraphon:
    """Draw a step graphon with equal or unequal cells; its values are constant, random, 0/1 or all zero."""
    shape = tuple(draw(st.integers(1, 8)) if size is None else size for size in (rows, columns))
    random = np.random.default_rng(draw(SEEDS))
    values = draw(
        st.sampled_from((
            random.random(shape), np.full(shape, random.random()), (random.random(shape) < 0.4).astype(float),
            np.zeros(shape), np.ones(shape),
        ))
    )  # fmt: skip
    sides = [np.full(n, 1 / n) if draw(st.booleans()) else random.dirichlet(np.full(n, 2.0)) for n in shape]
    return StepGraphon(values, *sides)


def cut_matrices(rows: int = 6, columns: int = 6) -> SearchStrategy[Any]:
    """Return a strategy for (rows, columns) float64 arrays of positive and negative entries, the values of step functions."""
    return arrays.arrays(np.float64, (rows, columns), elements=st.floats(-4, 4, width=16))


@st.composite
def supports(draw: DrawFn, neurons: int = 6, fan_in: int = 8) -> np.ndarray:
    """Draw the support of a hidden layer, (groups, neurons, fan_in) bool."""
    groups = draw(st.integers(1, 2))
    shape = draw(st.integers(1, neurons)), draw(st.integers(1, fan_in))
    return np.stack([draw(masks(shape)) for _ in range(groups)])
