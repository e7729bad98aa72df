"""Slow twins of the bounds by kernel norms and distances: loops over filters, positions and samples, dense matrices."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import matrices
import torch
from twins import Sketch, mlp, toeplitz_matrices

from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, AvgPool


def conv_chain(seed):
    s = Sketch((2, 5, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1))
    at = s.relu(s.conv(at, 4, (3, 2), stride=2, padding=1))
    s.linear(at, 3)
    return s.network()


def pooled(seed):
    s = Sketch((1, 6, 6), seed)
    at = s.avg(s.relu(s.conv(0, 2, 3, padding=1)), 2)
    at = s.avg(s.relu(s.conv(at, 3, 2)), 2)
    s.linear(at, 2)
    return s.network()


def overlapping(seed):
    s = Sketch((2, 6, 5), seed)
    at = s.avg(s.relu(s.conv(0, 2, 2)), 3, stride=1, padding=1)
    s.linear(s.relu(s.conv(at, 3, 2)), 2)
    return s.network()


def pooled_input(seed):
    s = Sketch((2, 4, 4), seed)
    s.linear(s.relu(s.conv(s.avg(0, 2), 3, 2, padding=1)), 2)
    return s.network()


def dilated(seed):
    s = Sketch((2, 6, 6), seed)
    at = s.relu(s.conv(0, 4, (2, 3), dilation=2, padding=1))
    s.linear(s.relu(s.conv(at, 4, 2, groups=2, stride=2)), 3)
    return s.network()


def circular(seed):
    s = Sketch((2, 4, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, circular=True))
    s.linear(s.relu(s.conv(at, 2, 2, dilation=2)), 4)
    return s.network()


def wrapped(seed):
    """Circular padding beyond the kernel: some outputs are computed four times."""
    s = Sketch((2, 3, 3), seed)
    s.linear(s.relu(s.conv(0, 3, 2, padding=2, circular=True)), 2)
    return s.network()


def vectors(seed):
    return mlp((6, 5, 7, 3), seed, 0.6)


def single(seed):
    return mlp((6, 3), seed, 0.6)


def no_relu_between(seed):
    s = Sketch((3, 1, 1), seed, 0.8)
    s.linear(s.linear(s.relu(s.linear(0, 5)), 4), 3)
    return s.network()


CHAINS = (
    conv_chain, pooled, overlapping, pooled_input, dilated, circular, wrapped, vectors, single, no_relu_between,
)  # fmt: skip


def reference_for(network, seed=1):
    random = torch.Generator().manual_seed(seed)
    return {
        f"{layer.name}.weight": 0.3 * torch.randn(layer.weight.shape, generator=random, dtype=torch.float64)
        for layer in network.layers()
    }


def referred(network, reference):
    """The network of the reference's weights; zero where there is none."""
    from dataclasses import replace

    nodes = [
        replace(node, weight=reference.get(f"{node.name}.weight", torch.zeros_like(node.weight)))
        if isinstance(node, Affine)
        else node
        for node in network.nodes
    ]
    return Network(tuple(nodes), "reference", network.input_shape)


def kernel_two_one(kernel):
    out, _, high, wide = kernel.shape
    places = itertools.product(range(out), range(high), range(wide))
    return sum(math.sqrt(sum(float(v) ** 2 for v in kernel[o, :, a, b])) for o, a, b in places)


def filter_norms(kernel):
    return sum(math.sqrt(sum(float(v) ** 2 for v in one.flatten())) for one in kernel)


def entries(kernel):
    return math.sqrt(sum(float(v) ** 2 for v in kernel.flatten()))


def pooling_before(network):
    """Layer's index -> dense matrix of the average pooling in front of it, or None."""
    found, pooling = {}, None
    for index, node in enumerate(network.nodes):
        if isinstance(node, AvgPool):
            step = matrices.of_node(network, node)
            pooling = step if pooling is None else step @ pooling
        if isinstance(node, Affine):
            found[index] = pooling
            pooling = None
    return found


def feeding_norms(network):
    """How much larger than the previous values a tap's reading can be: the pooling's norm, exact repetition of outputs."""
    norms = []
    for index, pooling in pooling_before(network).items():
        norm = 1.0 if pooling is None else float(torch.linalg.matrix_norm(pooling, 2))
        layer = network.nodes[index]
        if layer.circular:
            tap = torch.zeros_like(layer.weight[:1, :1])
            norms_of_taps = []
            for a, b in itertools.product(range(tap.shape[2]), range(tap.shape[3])):
                one = tap.clone()
                one[0, 0, a, b] = 1.0
                seen = matrices.of_layer(replace(layer, groups=1), one)
                norms_of_taps.append(float(torch.linalg.matrix_norm(seen, 2)))
            norm *= max(norms_of_taps)
        norms.append(norm)
    return norms


def spectral_norms(network):
    return [float(torch.linalg.matrix_norm(matrix, 2)) for matrix in toeplitz_matrices(network)]


def graf(kind, spectral, distances, weights, frobenius, m, gamma):
    """Theorem 3.5; `spectral`, `distances` (kernel (2,1) norms) and `weights` by layer."""
    depth = len(spectral)
    capacity = [
        4 / gamma * frobenius / math.sqrt(m) * math.prod(spectral) * d / s
        for d, s in zip(distances, spectral, strict=True)
    ]
    if kind == "norms":
        pieces = sum(math.ceil(c ** (2 / 3)) for c in capacity)
        harmonic = sum(1 / k for k in range(1, m))
        return 4 / m + 12 * harmonic / math.sqrt(m) * math.sqrt(math.log(2 * max(weights))) * pieces**1.5
    total = 0.0
    for c, w in zip(capacity, weights, strict=True):
        whole = math.ceil(depth**2 * c**2)
        total += 2 * w * (math.log(1 + whole) + (2.7 if whole else 0.0))
    return 12 / math.sqrt(m) * math.sqrt(total)


def lin(spectral, norms, weights, steps, frobenius, m, gamma):
    depth = len(spectral)
    inside = 0.0
    for s, n, w, step in zip(spectral, norms, weights, steps, strict=True):
        inside += w**2 * step * n / s
    inside *= 2 / gamma * frobenius / math.sqrt(m) * math.prod(spectral) * depth**2
    return 16 / math.sqrt(m) * inside**0.25


def ledent(spectral, distances, patches, positions, channels, m, gamma, widening=None):
    """Theorem 11 with every maximum written out; `widening` multiplies the width of layer l where i = l or later."""
    depth = len(spectral)
    b = [*patches, gamma]
    r = []
    for layer in range(depth):
        if layer == depth - 1:
            rho = 1 / gamma
        else:
            rho = 0.0
            for i in range(layer, depth):
                product = 1.0
                for k in range(layer + 1, i + 1):
                    product *= spectral[k]
                rho = max(rho, product / b[i + 1])
            rho *= math.sqrt(positions[layer]) * (widening[layer] if widening else 1.0)
        r.append(b[layer] * rho * distances[layer])
    size = sum(v ** (2 / 3) for v in r) ** 1.5
    gamma_term = max(v * o * c for v, o, c in zip(r, positions, channels, strict=True))
    width = max(o * c for o, c in zip(positions, channels, strict=True))
    inner = math.log2(32 * gamma_term * m**2 + 7 * width * m)
    return 4 / m + 768 * size * math.sqrt(inner) * math.log(m) / math.sqrt(m)


def gouk(norm, matrices, starts, x, classes):
    """Sum over layers of distance, trained norms below, l1-inf norms of the reference above."""
    m, inputs = x.shape[0], x[0].numel()
    rows = [float(start.abs().sum(1).max()) for start in starts]
    flat = x.flatten(1)
    if norm == "1inf":
        data = float(flat.square().sum(0).max().sqrt())

        def size(a):
            return float(a.abs().sum(1).max())
    else:
        data = float(flat.square().sum().sqrt())

        def size(a):
            return float(a.square().sum().sqrt())

    total = 0.0
    for j, (matrix, start) in enumerate(zip(matrices, starts, strict=True)):
        term = size(matrix - start)
        for below in matrices[:j]:
            term *= size(below)
        for above in rows[j + 1 :]:
            term *= above
        if norm == "1inf":
            term *= math.sqrt(2 * (j * math.log(2) + math.log(2 * inputs)))
        else:
            term *= 1 + math.sqrt(2 * j * math.log(2))
        total += term
    return classes / m * data * total


def patch_norms(network, x):
    """Largest l2 norm of what one output reads, layer by layer: every patch cut out by itself."""
    all_values = [matrices.values_of(network, one) for one in x]
    return [
        max(patches_of(node, values[node.inputs[0]]) for values in all_values)
        for node in network.nodes
        if isinstance(node, Affine)
    ]


def patches_of(layer, image):
    high, wide = layer.window.height.positions(), layer.window.width.positions()
    per_group = image.shape[0] // layer.groups
    largest = 0.0
    for group, rows, columns in itertools.product(range(layer.groups), high.tolist(), wide.tolist()):
        total = 0.0
        for c, row, column in itertools.product(
            range(group * per_group, (group + 1) * per_group), rows, columns
        ):
            y, x = (row % image.shape[1], column % image.shape[2]) if layer.circular else (row, column)
            if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                total += float(image[c, y, x]) ** 2
        largest = max(largest, math.sqrt(total))
    return largest
