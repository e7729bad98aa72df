"""The formulas of the public code of Graf et al. (rkwitt/excess_capacity, bounds/rademacher_bounds.py), written anew for comparison.

For square images and kernels and no bias; a linear layer is a 1x1 convolution on a 1x1 image. Where that code departs from the
papers' constants, so do these functions:

- ours_norms: log n for H_{n-1}, no ceilings.              ours_params: no ceiling, psi not multiplied by 2 W_l.
- bartlett: 9 for 12, and (d'^2 / k) ||K - K_0||_{2,1}, d' the next layer's width, for ||A - A_0||_{2,1}: that is a lower bound.
- ledent_main: rho of the last layer is b_L / gamma, so that b_L counts twice; the maximum leaves i = l out. It overwrites the
  classifier's Lipschitz constant in the list that all bounds share, so that bounds computed after it change.
- golowich_1inf: sqrt(norm / n) for norm / sqrt n.         neyshabur_fro: sqrt(2 n) for sqrt n.
- neyshabur_1inf: 2^L sqrt(log 2d) max |x| for 2^(L-1) sqrt(2 log 2d) times a coordinate's root mean square: above it.
- gouk_1inf: log d for sqrt(log 2d).
- Lipschitz constants come from power iteration, below the truth; here they are arguments.
- gamma is the smallest margin of all: negative as soon as a sample is misclassified, and broken powers of negative numbers are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    lip: float
    width: int
    stride: int
    kernel: int
    inputs: int
    parameters: int
    l22: float
    l1inf: float
    d21: float
    filters: float
    d22: float
    d1inf: float


@dataclass(frozen=True)
class Run:
    """`norm` is ||X||_F, `coordinate` the largest column norm of X, `largest` max |x|."""

    layers: tuple[Layer, ...]
    n: int
    classes: int
    margin: float
    norm: float
    coordinate: float
    largest: float

    @property
    def depth(self):
        return len(self.layers)

    def product(self, field):
        return math.prod(getattr(layer, field) for layer in self.layers)

    def capacity(self, layer, distance):
        return 4 / self.margin * self.norm / math.sqrt(self.n) * self.product("lip") * distance / layer.lip

    def inputs(self):
        return self.layers[0].inputs * self.layers[0].width ** 2


def root(value, power):
    """As torch has it: a broken power of a negative number is NaN."""
    return math.nan if value < 0 else value**power


def ours_norms(run):
    size = root(sum(root(run.capacity(layer, layer.d21), 2 / 3) for layer in run.layers), 3 / 2)
    most = max(layer.parameters for layer in run.layers)
    return 4 / run.n + 12 * math.log(run.n) / math.sqrt(run.n) * math.sqrt(math.log(2 * most)) * size


def ours_params(run):
    total = 0.0
    for layer in run.layers:
        x = run.depth * run.capacity(layer, layer.d21)
        psi = 2 * x * (math.pi / 2 - math.atan(x)) if x < 1000 else 2.0
        total += 2 * layer.parameters * math.log(1 + x**2) + psi
    return 12 / math.sqrt(run.n) * math.sqrt(total)


def bartlett(run):
    widths = [layer.width for layer in run.layers] + [1]
    size, most = 0.0, 0.0
    for layer, here, after in zip(run.layers, widths, widths[1:], strict=False):
        size += root(run.capacity(layer, layer.d21 * after**2 / layer.kernel), 2 / 3)
        most = max(most, layer.parameters * (here * after / layer.kernel) ** 2)
    scale = 9 * math.log(run.n) / math.sqrt(run.n) * math.sqrt(math.log(2 * most))
    return 4 / run.n + scale * root(size, 3 / 2)


def lin(run):
    inside = 0.0
    for layer in run.layers:
        inside += layer.parameters**2 * layer.width / layer.stride * layer.l22 / layer.lip
    inside *= 2 / run.margin * run.norm / math.sqrt(run.n) * run.product("lip") * run.depth**2
    return 16 * root(inside, 1 / 4) / math.sqrt(run.n)


def ledent_main(run, patches, repaired=False):
    depth, lips = run.depth, [layer.lip for layer in run.layers]
    thresholds = [*patches, run.margin]
    widths = [layer.width for layer in run.layers] + [1]
    channels = [layer.inputs for layer in run.layers[1:]] + [run.classes]
    distances = [layer.filters for layer in run.layers[:-1]] + [run.layers[-1].d22]
    reach = []
    for layer in range(depth - 1):
        ends = range(layer if repaired else layer + 1, depth)
        steps = [math.prod(lips[layer + 1 : end + 1]) / thresholds[end + 1] for end in ends]
        reach.append(max(steps) * widths[layer + 1])
    reach.append((1 if repaired else thresholds[-2]) / thresholds[-1])
    r = [b * rho * a for b, rho, a in zip(patches, reach, distances, strict=True)]
    units = [width**2 * count for width, count in zip(widths[1:], channels, strict=True)]
    size = sum(v ** (2 / 3) for v in r) ** 1.5
    top = max(v * u for v, u in zip(r, units, strict=True))
    inner = math.log2(32 * top * run.n**2 + 7 * max(units) * run.n)
    return 4 / run.n + 768 * size * math.sqrt(inner) * math.log(run.n) / math.sqrt(run.n)


def neyshabur_1inf(run):
    scale = 2**run.depth * run.classes * run.product("l1inf") * math.sqrt(math.log(2 * run.inputs()))
    return scale * run.largest / math.sqrt(run.n)


def golowich_1inf(run):
    scale = 2 * run.classes * run.product("l1inf") * math.sqrt(run.depth + 1 + math.log(run.inputs()))
    return scale * math.sqrt(run.coordinate / run.n) / math.sqrt(run.n)


def gouk_1inf(run):
    scale = 2 ** (run.depth + 1) * run.classes * run.product("l1inf") * math.log(run.inputs())
    scale *= sum(layer.d1inf / layer.l1inf for layer in run.layers)
    return scale * run.largest / math.sqrt(run.n)


def matrix_norms(run):
    return math.prod(layer.l22 * layer.width / layer.stride for layer in run.layers)


def neyshabur_fro(run):
    scale = 2 ** (run.depth - 1) * run.classes * run.norm / math.sqrt(2 * run.n)
    return scale * matrix_norms(run) / math.sqrt(run.n)


def golowich_fro(run):
    spread = 1 + math.sqrt(2 * math.log(2) * run.depth)
    return run.classes * run.norm / run.n * matrix_norms(run) * spread
