"""Hypothesis strategies for layers with every geometry that fits a small image."""

from __future__ import annotations

from dense import conv_layer, entries, masked, same_padding
from hypothesis import assume
from hypothesis import strategies as st

from boundcalc.network.ops import Affine


@st.composite
def convolutions(draw, circular: bool = False, most: int = 60_000) -> Affine:
    """A convolution of at most `most` matrix entries."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    out, width = groups * draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    if draw(st.booleans()):
        padding = tuple(same_padding(k, d) for k, d in zip(kernel, dilation, strict=True))
    else:
        padding = tuple((p, p) for p in draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
    for n, k, d, p in zip(size, kernel, dilation, padding, strict=True):
        assume(n + sum(p) >= d * (k - 1) + 1)
        assume(not circular or max(p) <= n)
    density = draw(st.sampled_from([1.0, 0.5, 0.2, 0.0]))
    weight = masked((out, width, *kernel), draw(st.integers(0, 2**20)), density)
    layer = conv_layer(weight, size, stride, padding, dilation, groups, circular)
    assume(entries(layer) <= most)
    return layer
