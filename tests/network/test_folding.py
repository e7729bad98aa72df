"""Rewrites keep the function, the stored support, and everything that other nodes read."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.network.folding import fold_batchnorm, relu_before_max_pool
from boundcalc.network.forward import run
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, AvgPool, ChannelAffine, Input, MaxPool, Node, ReLU

SHAPE = (3, 4, 5)


def network(nodes: list[Node]) -> Network:
    return Network(tuple(nodes), "test", SHAPE)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def affine(source: int, seed: int, bias: bool = True) -> Affine:
    weight = random(3, 3, 1, 1, seed=seed) * (random(3, 3, 1, 1, seed=seed + 1) > 0)
    window = Window.of(SHAPE[1:], (1, 1))
    return Affine(
        f"layer{seed}", (source,), SHAPE, "conv2d", weight, random(3, seed=seed + 2) if bias else None,
        weight != 0, None, tuple(weight.shape), window,
    )  # fmt: skip


def pool(source: int) -> MaxPool:
    return MaxPool("pool", (source,), SHAPE, Window.of(SHAPE[1:], (3, 3), (1, 1), (1, 1)))


@st.composite
def graphs(draw) -> list[Node]:
    """Random graphs in which every value is an image of one shape."""
    nodes: list[Node] = [Input("x", (), SHAPE), affine(0, 1)]
    for step in range(draw(st.integers(1, 9))):
        source = draw(st.sampled_from([len(nodes) - 1] * 4 + list(range(len(nodes)))))
        seed = 10 * step + 2
        kind = draw(
            st.sampled_from(["affine", "norm", "norm", "relu", "relu", "pool", "pool", "add", "average"])
        )
        if kind == "affine":
            nodes.append(affine(source, seed, draw(st.booleans())))
        elif kind == "norm":
            scale = random(3, seed=seed) * (random(3, seed=seed + 5) > -1)
            nodes.append(ChannelAffine("bn", (source,), SHAPE, scale, random(3, seed=seed + 6)))
        elif kind == "relu":
            nodes.append(ReLU("relu", (source,), SHAPE))
        elif kind == "pool":
            nodes.append(pool(source))
        elif kind == "average":
            rows = [random(n, n, seed=seed).abs() for n in SHAPE[1:]]
            nodes.append(AvgPool("average", (source,), SHAPE, rows[0], rows[1]))
        else:
            nodes.append(Add("add", (source, len(nodes) - 1), SHAPE))
    return reachable(nodes)


def reachable(nodes: list[Node]) -> list[Node]:
    """Only what the last node depends on, as the builder leaves it; the first layer always stays."""
    needed = {0, len(nodes) - 1}
    for index in reversed(range(len(nodes))):
        if index in needed:
            needed |= set(nodes[index].inputs)
    if not any(isinstance(nodes[index], Affine) for index in needed):
        return nodes[:2]
    order = sorted(needed)
    place = {old: new for new, old in enumerate(order)}
    return [replace(nodes[old], inputs=tuple(place[i] for i in nodes[old].inputs)) for old in order]


@given(graphs())
@settings(max_examples=150)
def test_both_rewrites_keep_the_function(nodes):
    x = random(2, *SHAPE, seed=3)
    expected = run(network(nodes), x)
    folded = fold_batchnorm(nodes)
    swapped = relu_before_max_pool(folded)
    for rewritten in (folded, swapped):
        assert torch.allclose(
            run(network(rewritten), x), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())
        )
        assert all(source < index for index, node in enumerate(rewritten) for source in node.inputs)


@given(graphs())
@settings(max_examples=150)
def test_what_can_be_rewritten_is(nodes):
    done = relu_before_max_pool(fold_batchnorm(nodes))
    readers = [[j for j, node in enumerate(done) if i in node.inputs] for i in range(len(done))]
    for index, node in enumerate(done):
        alone = bool(node.inputs) and readers[node.inputs[0]] == [index]
        if isinstance(node, ChannelAffine) and alone:
            assert not isinstance(done[node.inputs[0]], Affine)
        if isinstance(node, ReLU) and alone:
            assert not isinstance(done[node.inputs[0]], MaxPool)


def test_the_nodes_given_are_left_as_they_are():
    nodes = [
        Input("x", (), SHAPE),
        affine(0, 1),
        ChannelAffine("bn", (1,), SHAPE, torch.ones(3).double(), torch.ones(3).double()),
        pool(2),
        ReLU("relu", (3,), SHAPE),
    ]
    before = list(nodes)
    relu_before_max_pool(fold_batchnorm(nodes))
    assert all(a is b for a, b in zip(nodes, before, strict=True))


def test_support_is_that_of_the_file_even_where_gamma_is_zero():
    layer = affine(0, 1)
    zero = ChannelAffine("bn", (1,), SHAPE, torch.zeros(3).double(), torch.ones(3).double())
    folded = fold_batchnorm([Input("x", (), SHAPE), layer, zero])
    assert len(folded) == 2
    assert torch.equal(folded[1].support, layer.support)
    assert folded[1].folded and not bool(folded[1].weight.any())


def test_two_poolings_before_one_relu_are_both_passed():
    nodes = [Input("x", (), SHAPE), affine(0, 1), pool(1), pool(2), ReLU("relu", (3,), SHAPE)]
    kinds = [type(node) for node in relu_before_max_pool(nodes)]
    assert kinds == [Input, Affine, ReLU, MaxPool, MaxPool]
