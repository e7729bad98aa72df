"""The l1 path norm against the sum over all paths, enumerated one by one."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from dense import adaptive_pool, average_pool, conv_layer, linear_layer, masked
from drawn import convolutions
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.errors import NotCovered
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Activation, Add, Affine, AvgPool, Input, MaxPool, Node, Rearrange, ReLU
from boundcalc.norms.path import log_path_norm

Unit = tuple[int, int, int, int]


def edges(network: Network) -> dict[Unit, list[tuple[Unit | None, float]]]:
    """Every unit's incoming edges (source or None for a bias, weight), tap by tap."""
    found: dict[Unit, list[tuple[Unit | None, float]]] = {}
    for index, node in enumerate(network.nodes):
        for c, y, x in itertools.product(*map(range, node.shape)):
            found[index, c, y, x] = list(incoming(node, c, y, x))
    return found


def incoming(node: Node, c: int, y: int, x: int):  # noqa: C901
    match node:
        case Input():
            return
        case Affine():
            yield from affine_edges(node, c, y, x)
        case ReLU():
            yield (node.inputs[0], c, y, x), 1.0
        case Add():
            for source in node.inputs:
                yield (source, c, y, x), 1.0
        case AvgPool():
            for i, j in itertools.product(range(node.rows_h.shape[1]), range(node.rows_w.shape[1])):
                yield (node.inputs[0], c, i, j), float(node.rows_h[y, i] * node.rows_w[x, j])
        case MaxPool():
            for i, j in window_places(node.window, y, x):
                yield (node.inputs[0], c, i, j), 1.0
        case Rearrange():
            place = int(node.source[c, y, x])
            if place >= 0:
                high, wide = REARRANGED
                yield (node.inputs[0], place // (high * wide), place // wide % high, place % wide), 1.0


REARRANGED = (4, 3)


def window_places(window: Window, y: int, x: int):
    for a, b in itertools.product(*map(range, window.kernel)):
        i = y * window.stride[0] + a * window.dilation[0] - window.height.before
        j = x * window.stride[1] + b * window.dilation[1] - window.width.before
        if 0 <= i < window.height.size and 0 <= j < window.width.size:
            yield i, j


def affine_edges(node: Affine, c: int, y: int, x: int):
    width, per_group = node.weight.shape[1], node.weight.shape[0] // node.groups
    first = c // per_group * width
    for a, b, d in itertools.product(*map(range, (*node.window.kernel, width))):
        i = y * node.window.stride[0] + a * node.window.dilation[0] - node.window.height.before
        j = x * node.window.stride[1] + b * node.window.dilation[1] - node.window.width.before
        if 0 <= i < node.window.height.size and 0 <= j < node.window.width.size:
            yield (node.inputs[0], first + d, i, j), abs(float(node.weight[c, d, a, b]))
    if node.bias is not None:
        yield None, abs(float(node.bias[c]))


def paths(graph, unit: Unit):
    """The absolute weight of each path that ends in a unit."""
    if unit[0] == 0:
        yield 1.0
    for source, weight in graph[unit]:
        if weight:
            if source is None:
                yield weight
            else:
                yield from (weight * rest for rest in paths(graph, source))


def enumerated(network: Network) -> float:
    graph = edges(network)
    last = len(network.nodes) - 1
    outputs = itertools.product(*map(range, network.nodes[-1].shape))
    return math.fsum(value for place in outputs for value in paths(graph, (last, *place)))


def network(*nodes: Node) -> Network:
    return Network(nodes, "test", nodes[0].shape)


def at(node: Node, *inputs: int, **changes) -> Node:
    return replace(node, inputs=inputs, **changes)


def with_bias(layer: Affine, seed: int = 7) -> Affine:
    return replace(layer, bias=masked((layer.shape[0],), seed, 0.8))


def relu(source: int, like: Node) -> ReLU:
    return ReLU("relu", (source,), like.shape)


def mlp(widths: tuple[int, ...], seed: int = 0, scale: float = 1.0, bias: bool = True) -> Network:
    nodes: list[Node] = [Input("x", (), (widths[0], 1, 1))]
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        layer = linear_layer(masked((b, a), seed + i, 0.7) * scale, (a, 1, 1), f"fc{i}")
        layer = at(layer, len(nodes) - 1, bias=masked((b,), seed + 50 + i, 0.8) if bias else None)
        nodes.append(layer)
        if i < len(widths) - 2:
            nodes.append(relu(len(nodes) - 1, layer))
    return network(*nodes)


def image_network(kind: str) -> Network:
    shape = (2, 4, 3)
    conv = with_bias(conv_layer(masked((2, 2, 2, 2), 1, 0.6), (4, 3), padding=((1, 1), (0, 1))))
    nodes: list[Node] = [Input("x", (), shape)]
    if kind == "conv":
        nodes += [at(conv, 0), relu(1, conv)]
    elif kind == "grouped":
        layer = conv_layer(masked((2, 1, 2, 2), 3, 0.8), (4, 3), stride=(2, 1), dilation=(2, 1), groups=2)
        nodes += [at(layer, 0), relu(1, layer)]
    elif kind == "average":
        pool = average_pool(shape, 2, 1)
        nodes += [at(pool, 0)]
    elif kind == "adaptive":
        nodes += [relu(0, nodes[0]), at(adaptive_pool(shape, (3, 2)), 1)]
    elif kind == "max":
        window = Window.of((4, 3), (2, 2), (2, 2), (1, 0), (1, 1), ceil=True)
        nodes += [relu(0, nodes[0]), MaxPool("max", (1,), (2, *window.out), window)]
    elif kind == "max with dilation":
        window = Window.of((4, 3), (2, 2), (1, 1), (1, 1), (2, 1))
        nodes += [MaxPool("max", (0,), (2, *window.out), window)]
    elif kind == "residual":
        inner = with_bias(conv_layer(masked((2, 2, 3, 1), 2, 0.6), (4, 3), padding=((1, 1), (0, 0))))
        nodes += [at(inner, 0), relu(1, inner), Add("add", (2, 0), shape), relu(3, nodes[0])]
    elif kind == "added to itself":
        nodes += [Add("add", (0, 0), shape)]
    else:
        source = torch.arange(24).reshape(shape)[:, ::2].flip(0).contiguous()
        source[0, 0, 0] = -1
        nodes += [Rearrange("slice", (0,), tuple(source.shape), source)]
    top = nodes[-1]
    count = math.prod(top.shape)
    layer = with_bias(linear_layer(masked((2, count), 9, 0.5), top.shape))
    return network(*nodes, at(layer, len(nodes) - 1))


KINDS = (
    "conv", "grouped", "average", "adaptive", "max", "max with dilation", "residual", "added to itself",
    "rearranged",
)  # fmt: skip


def assert_path_norm(net: Network) -> None:
    value, exact = math.exp(log_path_norm(net)), enumerated(net)
    assert exact * (1 - 1e-15) <= value <= exact * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_images(kind):
    assert_path_norm(image_network(kind))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(0, 10**6), st.booleans())
@settings(max_examples=60)
def test_mlps(widths, seed, bias):
    net = mlp(tuple(widths), seed, bias=bias)
    if enumerated(net) == 0:
        assert log_path_norm(net) == -math.inf
    else:
        assert_path_norm(net)


@given(convolutions(most=800))
@settings(max_examples=60)
def test_single_convolutions(layer):
    channels = layer.weight.shape[1] * layer.groups
    net = network(Input("x", (), (channels, layer.window.height.size, layer.window.width.size)), layer)
    if bool((layer.weight == 0).all()):
        assert log_path_norm(net) == -math.inf
    elif enumerated(net):
        assert_path_norm(net)


@given(st.integers(0, 10**6), st.floats(1e-6, 1e6))
@settings(max_examples=40)
def test_rescaling_a_hidden_unit_changes_nothing(seed, factor):
    net = mlp((3, 4, 2), seed)
    first, second = (n for n in net.nodes if isinstance(n, Affine))
    up = torch.tensor([1, factor, 1, 1], dtype=torch.float64)
    nodes = list(net.nodes)
    nodes[1] = replace(first, weight=first.weight * up[:, None, None, None], bias=first.bias * up)
    nodes[3] = replace(second, weight=second.weight / up[None, :, None, None])
    assert log_path_norm(network(*nodes)) == pytest.approx(log_path_norm(net), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("scale", [1e40, 1e-40, 1e-150, 1e150])
def test_deep_products_neither_overflow_nor_vanish(scale):
    widths = (3,) * 21
    plain, scaled = mlp(widths, bias=False), mlp(widths, scale=scale, bias=False)
    expected = log_path_norm(plain) + 20 * math.log(scale)
    assert log_path_norm(scaled) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e40, 1e-40])
def test_biases_keep_their_share_in_deep_products(scale):
    """A bias of 1 in the last layer, far above or below everything else."""
    net = mlp((2,) * 12, scale=scale, bias=False)
    nodes = list(net.nodes)
    nodes[-1] = replace(nodes[-1], bias=torch.ones(2, dtype=torch.float64))
    expected = max(log_path_norm(net), math.log(2))
    assert log_path_norm(network(*nodes)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("huge", [1e38, 1e300])
def test_a_huge_channel_that_is_dropped_leaves_the_small_one_intact(huge):
    """Channel 0 grows by `huge` each layer and is not read in the end; channel 1 shrinks as fast."""
    width = torch.diag(torch.tensor([huge, 1 / huge], dtype=torch.float64))
    nodes: list[Node] = [Input("x", (), (2, 1, 1))]
    for i in range(10):
        nodes.append(at(linear_layer(width, (2, 1, 1), f"fc{i}"), len(nodes) - 1))
        nodes.append(relu(len(nodes) - 1, nodes[-1]))
    last = linear_layer(torch.tensor([[0.0, 1.0]], dtype=torch.float64), (2, 1, 1), "last")
    nodes.append(at(last, len(nodes) - 1))
    assert log_path_norm(network(*nodes)) == pytest.approx(-10 * math.log(huge), rel=1e-12)


def test_zero_network():
    net = mlp((3, 4, 2), scale=0.0, bias=False)
    assert log_path_norm(net) == -math.inf


def test_what_it_cannot_read_is_named():
    net = mlp((3, 2))
    nodes = (*net.nodes, Activation("act", (1,), (2, 1, 1), "gelu", {}, 1.13))
    with pytest.raises(NotCovered, match="gelu .not positively homogeneous. at act after fc0"):
        log_path_norm(network(*nodes))
