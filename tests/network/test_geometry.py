"""Sizes and taps of windows against PyTorch's own convolutions and poolings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from boundcalc.network.geometry import Axis, Window


@st.composite
def axes(draw, pooling: bool = False) -> Axis:
    size, kernel = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    padding = draw(st.integers(0, kernel // 2 if pooling else 4))
    dilation, stride = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    assume(size + 2 * padding >= dilation * (kernel - 1) + 1)
    ceil = pooling and draw(st.booleans())
    return Axis(size, kernel, stride, padding, padding, dilation, ceil)


def convolved(axis: Axis, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return F.conv1d(x, kernel, None, axis.stride, axis.before, axis.dilation)


@given(axes())
@settings(max_examples=200)
def test_convolution_sizes_and_taps(axis):
    x = torch.eye(axis.size)[:, None]
    kernel = torch.eye(axis.kernel)[:, None]
    reads = convolved(axis, x, kernel)
    assert reads.shape[2] == axis.out
    expected = reads.permute(2, 1, 0)
    own = torch.zeros(axis.out, axis.kernel, axis.size)
    for (o, k), inside in zip(
        torch.cartesian_prod(*map(torch.arange, (axis.out, axis.kernel))).tolist(),
        axis.taps().flatten().tolist(),
        strict=True,
    ):
        if inside:
            own[o, k, axis.positions()[o, k]] = 1
    assert torch.equal(own, expected)


@given(axes(pooling=True))
@settings(max_examples=300)
def test_pooling_sizes(axis):
    x = torch.arange(axis.size, dtype=torch.float64)[None, None]
    pooled = F.max_pool1d(x, axis.kernel, axis.stride, axis.before, axis.dilation, axis.ceil)
    assert pooled.shape[2] == axis.out
    seen = torch.where(axis.taps(), axis.positions(), -1).amax(1)
    if bool(axis.taps().any(1).all()):
        assert torch.equal(pooled[0, 0].long(), seen)
    if axis.dilation == 1:
        assert F.avg_pool1d(x, axis.kernel, axis.stride, axis.before, axis.ceil).shape[2] == axis.out


@given(axes(), axes())
@settings(max_examples=50)
def test_windows_are_two_axes(high, wide):
    pairs = [(getattr(high, n), getattr(wide, n)) for n in ("size", "kernel", "stride", "before", "dilation")]
    window = Window.of(*pairs)
    x = torch.zeros(1, 1, *pairs[0])
    out = F.conv2d(x, torch.zeros(1, 1, *window.kernel), None, window.stride, pairs[3], window.dilation)
    assert tuple(out.shape[2:]) == window.out
    assert window.pads == [wide.before, wide.before, high.before, high.before]


def test_a_whole_window_covers_the_image_once():
    window = Window.whole((4, 7))
    assert (window.kernel, window.out) == ((4, 7), (1, 1))
    assert window.height.taps().all() and window.width.taps().all()
