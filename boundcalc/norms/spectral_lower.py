"""Lower bounds of layers' spectral norms by a Rayleigh quotient of the map itself, rounded down.

For any vector x other than 0, ||A|| >= ||A x|| / ||x||. The vector is found by Lanczos iteration on A^T A, restarted from its
best vector; the bound does not depend on how it was found. The map is that of the layer itself, with zero padding, stride,
dilation, groups, circular padding, and the average poolings before it. It is not enlarged to a circulant operator, whose norm may
be larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.forward import affine
from boundcalc.network.geometry import Window
from boundcalc.norms.rounding import UNIT

WORK = 5e8
"""Multiplications that the search for a vector may take for one layer: a fraction of a second."""

MOST = 2**24
"""Multiplications of one application of a map above which no vector is looked for."""

BASIS = 10
"""Vectors of a Lanczos iteration before it starts again from its best one."""

RESTARTS = 6
"""Largest number of Lanczos iterations."""

SETTLED = 1e-6
"""Relative gain of a restart below which the vector is settled."""

FLOOR = 1e-290
"""Upper bound on the loss by underflow in the norm of a product whose factors are at most of size 1."""

Apply = Callable[[torch.Tensor], torch.Tensor]


def norm_floor(link: ToeplitzLayer) -> float:
    """Return a lower bound of ||A^l||_2 for a link of the chain.

    The quotient is computed in float64. The error of each entry of A x is at most g |A| |x| with g = 2 (n + 8) u for its n products
    (Higham 2002, Lemma 3.1), and it is subtracted.

    Args:
        link: a layer and the average poolings before it.

    Returns:
        The bound; 0 if the map is 0 or not finite; NaN if it is so large that applying it a few times overflows.
    """
    link = _at_one_position(link)
    if _products(link) > MOST:
        return math.nan
    weight = link.layer.weight
    largest = float(weight.abs().max()) if weight.numel() else 0.0
    if largest == 0.0 or not math.isfinite(largest):
        return 0.0
    exponent = math.frexp(largest)[1]
    half = exponent // 2
    scaled = weight * 2.0**-half * 2.0 ** (half - exponent)
    start = torch.from_numpy(np.random.default_rng(0).standard_normal(_shape(link)))
    best = _found(*_both_ways(link, scaled), start / torch.linalg.vector_norm(start), _steps(link))
    quotient = _quotient(link, scaled, best)
    try:
        return math.nextafter(math.ldexp(quotient, exponent), 0.0) if quotient > 0 else 0.0
    except OverflowError:
        return float(np.finfo(np.float64).max)


def _at_one_position(link: ToeplitzLayer) -> ToeplitzLayer:
    """Return, for a 1x1 convolution, the same layer at a single position: the norms are equal."""
    layer, axes = link.layer, (link.layer.window.height, link.layer.window.width)
    if link.pools or layer.circular or any(axis.kernel > 1 or not bool(axis.taps().any()) for axis in axes):
        return link
    window = Window.whole((1, 1))
    return replace(link, layer=replace(layer, window=window, shape=(layer.shape[0], *window.out)))


def _shape(link: ToeplitzLayer) -> tuple[int, int, int]:
    layer = link.layer
    if link.pools:
        size = link.pools[0].rows_h.shape[1], link.pools[0].rows_w.shape[1]
    else:
        size = layer.window.height.size, layer.window.width.size
    return (layer.weight.shape[1] * layer.groups, *size)


def _map(
    link: ToeplitzLayer, weight: torch.Tensor, size: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Apply:
    """Return x -> A x for x of `_shape`; with `size` torch.abs, x -> |A| x."""

    def applied(x: torch.Tensor) -> torch.Tensor:
        for pool in link.pools:
            rows = (pool.rows_h, pool.rows_w) if size is None else (size(pool.rows_h), size(pool.rows_w))
            x = rows[0] @ x @ rows[1].T
        return affine(link.layer, x[None], weight if size is None else size(weight), None)[0]

    return applied


def _both_ways(link: ToeplitzLayer, weight: torch.Tensor) -> tuple[Apply, Apply]:
    """Return x -> A x, whose result may be flat, and y -> A^T y."""
    shape, window = _shape(link), link.layer.window
    if (
        window.out == (1, 1)
        and not link.pools
        and not any(window.pads)
        and not link.layer.circular
        and (weight[0].numel() == math.prod(shape))
    ):
        rows = weight.flatten(1)
        return (lambda x: rows.mv(x.flatten())), (lambda y: rows.T.mv(y).reshape(shape))
    forward = _map(link, weight)
    point = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    image = forward(point)
    return forward, (lambda y: torch.autograd.grad(image, point, y, retain_graph=True)[0])


def _steps(link: ToeplitzLayer) -> int:
    return max(3, min(BASIS * RESTARTS, int(WORK / (2 * max(1, _products(link))))))


def _products(link: ToeplitzLayer) -> int:
    return link.layer.weight.numel() * math.prod(link.layer.window.out)


def _quotient(link: ToeplitzLayer, weight: torch.Tensor, x: torch.Tensor) -> float:
    """Return ||A x|| / ||x||, rounded down."""
    pooled = sum(pool.rows_h.shape[1] + pool.rows_w.shape[1] for pool in link.pools)
    terms = weight[0].numel() + pooled
    slack = 2.0 * (terms + 8) * UNIT * (1 + 2 * len(link.pools))
    image, magnitude = _map(link, weight)(x), _map(link, weight, torch.abs)(x.abs())
    least = (image.abs() - slack * magnitude - FLOOR).clamp(min=0.0)
    entries = 4.0 * (least.numel() + x.numel() + 16) * UNIT
    length = float(torch.linalg.vector_norm(x))
    return float(torch.linalg.vector_norm(least)) / length * (1 - entries) if length > 0 else 0.0


def _found(forward: Apply, backward: Apply, start: torch.Tensor, steps: int) -> torch.Tensor:
    """Return a vector x for which ||A x|| / ||x|| is nearly the norm of the map; it begins at a unit vector."""
    best, value, left = start, 0.0, steps
    while left > 0:
        vector, found, used = _lanczos(forward, backward, best, min(BASIS, left))
        left -= used
        if found <= value:
            break
        settled = found <= value * (1 + SETTLED) or used < BASIS
        best, value = vector, found
        if settled:
            break
    return best


def _lanczos(
    forward: Apply,
    backward: Apply,
    start: torch.Tensor,
    steps: int,
) -> tuple[torch.Tensor, float, int]:
    """Return the unit vector of the Krylov space with the largest quotient, its square, and the steps taken."""
    basis, images = [start], []
    with torch.no_grad():
        for _ in range(steps):
            images.append(forward(basis[-1]))
            following = backward(images[-1])
            known = torch.stack(basis).flatten(1)
            rest = following.flatten()
            for _ in range(2):
                rest = rest - (known @ rest) @ known
            length = float(torch.linalg.vector_norm(rest))
            if length <= 1e-12 * float(torch.linalg.vector_norm(following)) or len(images) == steps:
                break
            basis.append((rest / length).reshape(start.shape))
    seen = torch.stack(images).flatten(1)
    values, vectors = torch.linalg.eigh(seen @ seen.T)
    vector = (vectors[:, -1] @ torch.stack(basis[: len(images)]).flatten(1)).reshape(start.shape)
    return vector / torch.linalg.vector_norm(vector), float(values[-1]), len(images)
