"""Small networks of every structure that the peeling bound covers, and the walk over one of them."""

from __future__ import annotations

import math

from twins import Sketch

from boundcalc.bounds.peeling import dense_structure, masked_structure
from boundcalc.bounds.peeling.dynamic_program import PeelingProgram
from boundcalc.bounds.peeling.kernels import Choice, Kernels
from boundcalc.bounds.peeling.norms import NORMS
from boundcalc.bounds.peeling.rules import PublishedRules, Setting
from boundcalc.network.clamps import in_relus
from boundcalc.network.nodes import ExactPositions


def walk(network, energies, split, t=1.0, masked=True, positions=None):
    structure = masked_structure("data") if masked else dense_structure()
    positions = positions or ExactPositions()
    setting = Setting(structure, positions, energies)
    if split is not None:
        norms = {norm.name: norm for norm in NORMS}
        split = {name: Choice(group, norms[norm]) for name, (group, norm) in split.items()}
    return PeelingProgram(network, setting, Kernels(structure, positions), t, PublishedRules()).best(split)


def conv_chain(seed):
    s = Sketch((2, 5, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, bias=True))
    at = s.relu(s.conv(at, 5, (3, 2), stride=2, padding=1))
    s.linear(at, 3, bias=True)
    return s.network()


def three_convs(seed):
    s = Sketch((1, 6, 6), seed, density=0.4)
    at = s.relu(s.conv(0, 3, 3, dilation=2, padding=1, dead=(1,)))
    at = s.relu(s.conv(at, 4, 2, bias=True, dead=(0, 3)))
    at = s.relu(s.conv(at, 2, 3))
    s.linear(at, 2)
    return s.network()


def grouped(seed):
    s = Sketch((2, 4, 4), seed)
    at = s.relu(s.conv(0, 4, 3, padding=1, groups=2, bias=True))
    at = s.relu(s.conv(at, 6, 3, groups=2, stride=2, padding=1))
    at = s.relu(s.conv(at, 6, 1, groups=6))
    s.linear(at, 4)
    return s.network()


def circular(seed):
    s = Sketch((2, 4, 3), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, circular=True))
    at = s.relu(s.conv(at, 3, 3, padding=1, circular=True, stride=2, bias=True))
    s.linear(at, 1)
    return s.network()


def average_pooled(seed):
    s = Sketch((1, 6, 6), seed)
    at = s.avg(s.relu(s.conv(0, 3, 3, padding=1)), 2)
    at = s.avg(s.relu(s.conv(at, 4, 2, bias=True)), 2, stride=1, padding=1)
    s.linear(at, 3)
    return s.network()


def max_pooled(seed):
    s = Sketch((1, 6, 6), seed)
    at = s.max(s.relu(s.conv(0, 3, 3, padding=1, bias=True)), 3, stride=2, padding=1)
    at = s.max(s.relu(s.conv(at, 4, 2)), 2)
    s.linear(at, 3)
    return s.network()


def identity_skips(seed):
    s = Sketch((1, 4, 4), seed)
    stem = s.relu(s.conv(0, 4, 3, padding=1, bias=True))
    inner = s.relu(s.conv(stem, 3, 3, padding=1))
    at = s.relu(s.add(s.conv(inner, 4, 3, padding=1, bias=True), stem))
    again = s.relu(s.add(at, s.conv(at, 4, 1, dead=(2,))))
    s.linear(again, 2)
    return s.network()


def projection_skips(seed):
    s = Sketch((2, 4, 4), seed)
    stem = s.relu(s.conv(0, 3, 3, padding=1))
    inner = s.relu(s.conv(stem, 4, 3, stride=2, padding=1, bias=True))
    joined = s.add(s.conv(inner, 4, 3, padding=1, bias=True), s.conv(stem, 4, 1, stride=2))
    at = s.relu(joined)
    s.linear(at, 3, bias=True)
    return s.network()


def inverted_residual(seed):
    """MobileNetV2's block, with ReLU6 and linear bottlenecks."""
    s = Sketch((2, 3, 3), seed)
    stem = s.clamp(s.conv(0, 3, 3, padding=1, bias=True), 0.0, 6.0)
    bottleneck = s.conv(stem, 2, 1)
    inner = s.clamp(s.conv(bottleneck, 4, 1), 0.0, 6.0)
    inner = s.clamp(s.conv(inner, 4, 3, padding=1, groups=4, bias=True), 0.0, 6.0)
    at = s.add(s.conv(inner, 2, 1), bottleneck)
    s.linear(s.clamp(s.conv(at, 3, 1), 0.0, 6.0), 3, bias=True)
    return s.network()


def hard_tanh(seed):
    s = Sketch((4, 1, 1), seed)
    at = s.clamp(s.linear(0, 5, bias=True), -1.0, 0.5)
    s.linear(s.clamp(s.linear(at, 4), -math.inf, 2.0), 2)
    return s.network()


def input_in_several_places(seed):
    s = Sketch((2, 3, 3), seed)
    at = s.relu(s.conv(0, 3, 2, bias=True))
    at = s.relu(s.add(s.conv(at, 4, 2, bias=True), s.linear(0, 4, bias=True)))
    s.add(s.linear(at, 2), s.linear(0, 2))
    return s.network()


def no_relu_between(seed):
    s = Sketch((1, 4, 4), seed)
    at = s.conv(0, 3, 3, padding=1)
    at = s.avg(at, 2)
    at = s.relu(s.conv(at, 4, 2, bias=True))
    at = s.linear(at, 5)
    s.linear(at, 2)
    return s.network()


def sum_of_sums(seed):
    s = Sketch((3, 1, 1), seed, density=0.8)
    stem = s.relu(s.linear(0, 4))
    first = s.linear(s.relu(s.linear(stem, 3)), 4, bias=True)
    whole = s.add(s.add(first, stem), s.linear(stem, 4))
    at = s.relu(s.add(whole, stem))
    s.linear(s.relu(s.add(at, at)), 2)
    return s.network()


def preactivated(seed):
    """A sum that a ReLU reads is itself added further on, without its ReLU: it is merged into both readers."""
    s = Sketch((1, 4, 4), seed)
    stem = s.conv(0, 3, 3, padding=1, bias=True)
    block = s.add(s.conv(s.relu(stem), 3, 3, padding=1), stem)
    again = s.add(s.conv(s.relu(block), 3, 1, bias=True), block)
    s.linear(s.relu(again), 2)
    return s.network()


def pooled_with_ragged_windows(seed):
    s = Sketch((1, 5, 5), seed)
    at = s.max(s.relu(s.conv(0, 3, 2, padding=1)), 4, stride=3, padding=1, ceil=True)
    s.linear(at, 2)
    return s.network()


def shortcut_without_weights(seed):
    s = Sketch((1, 4, 4), seed)
    stem = s.relu(s.conv(0, 3, 3, padding=1))
    inner = s.conv(s.relu(s.conv(stem, 4, 3, stride=2, padding=1)), 4, 3, padding=1)
    at = s.relu(s.add(inner, s.widened(stem, 4)))
    s.linear(at, 2)
    return s.network()


ONE = (
    conv_chain, three_convs, grouped, circular, average_pooled, max_pooled, projection_skips, no_relu_between,
    preactivated, pooled_with_ragged_windows,
)  # fmt: skip
TIED = (identity_skips, sum_of_sums)


MIXES = (("l2",), ("l1",), ("l2", "l1"), ("l1", "l1", "l2"))


def uniform(network, size, norms=("l2",)):
    """One node size (0 for all channels) for every layer, norms in turn."""
    layers = list(network.layers())
    return {layer.name: (size or layer.shape[0], norms[i % len(norms)]) for i, layer in enumerate(layers)}


def six_as_relus(seed):
    return in_relus(inverted_residual(seed))


def tanh_as_relus(seed):
    return in_relus(hard_tanh(seed))
