"""Conversion of a network to a codeword and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from boundcalc.network.network import Network
from boundcalc.occam.blocks import Groups, group_positions, one_group
from boundcalc.occam.codebooks import assigned, nearest_half, quantized
from boundcalc.occam.codeword import BiasWord, CodeLayout, Codeword, LayerLayout, LayerWord, Values
from boundcalc.occam.skeleton import with_weights
from boundcalc.occam.transmit import lengths

Reference = dict[str, torch.Tensor]
_NONE = Values(np.zeros(0, dtype=np.float16), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Quantized:
    """A layer's numbers after quantization, in the network's own order.

    Attributes:
        mask: the mask, (rows, columns, kernel entries) bool.
        values: values of the surviving weights.
        bias: the biases; None if the layer has none.
    """

    mask: np.ndarray
    values: Values
    bias: BiasWord | None


def masks_of(plan: CodeLayout, network: Network) -> list[np.ndarray]:
    """Return the nonzero positions of each layer's weight, (rows, columns, kernel entries) bool, for the layers of the
    plan.
    """
    stored = {layer.name: layer for layer in network.stored()}
    return [(stored[layer.name].weight != 0).reshape(layer.shape).numpy(force=True) for layer in plan.layers]


def quantize(
    plan: CodeLayout, network: Network, size: int, bias_mode: str, reference: Reference | None = None
) -> list[Quantized]:
    """Quantize every layer by k-means to codebooks of at most `size` values.

    Args:
        plan: the architecture.
        network: the network, with weights in float64.
        size: largest number of values of a codebook.
        bias_mode: ``"raw"``, ``"own"`` or ``"shared"``.
        reference: if given, differences from it are quantized; weights that are 0 still count as pruned.
    """
    stored = {layer.name: layer for layer in network.stored()}
    return [
        _quantized_layer(
            layer, stored[layer.name].weight, stored[layer.name].bias, size, bias_mode, reference
        )
        for layer in plan.layers
    ]


def _quantized_layer(
    plan: LayerLayout,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    size: int,
    bias_mode: str,
    reference: Reference | None,
) -> Quantized:
    mask = (weight != 0).reshape(plan.shape).numpy(force=True)
    start_weight, start_bias = starts(plan, reference)
    numbers = (weight.reshape(plan.shape).numpy(force=True) - start_weight)[mask]
    if bias is None:
        return Quantized(mask, quantized(numbers, size), None)
    offsets = bias.numpy(force=True) - start_bias
    return Quantized(mask, *_with_bias(numbers, offsets, size, bias_mode))


def _with_bias(numbers: np.ndarray, offsets: np.ndarray, size: int, mode: str) -> tuple[Values, BiasWord]:
    coded = offsets != 0
    if mode == "raw":
        halves = nearest_half(offsets)
        everyone = np.ones_like(coded)
        return quantized(numbers, size), BiasWord("raw", everyone, Values(halves, np.arange(halves.size)))
    if mode == "own" or numbers.size == 0:
        return unshared(numbers, offsets, size)
    together = quantized(np.concatenate([numbers, offsets[coded]]), size)
    return shared(numbers, offsets, together.codebook)


def unshared(numbers: np.ndarray, offsets: np.ndarray, size: int) -> tuple[Values, BiasWord]:
    """Quantize weights and nonzero biases, with a codebook for each.

    Args:
        numbers: surviving weights, (s,).
        offsets: biases, (rows,).
        size: largest number of values of each codebook.
    """
    coded = offsets != 0
    if not coded.any():
        return quantized(numbers, size), BiasWord("none", coded, _NONE)
    return quantized(numbers, size), BiasWord("own", coded, quantized(offsets[coded], size))


def shared(numbers: np.ndarray, offsets: np.ndarray, codebook: np.ndarray) -> tuple[Values, BiasWord]:
    """Round weights and nonzero biases to a common codebook.

    Args:
        numbers: surviving weights, (s,), s >= 1.
        offsets: biases, (rows,).
        codebook: the codebook, (K,) float16 in increasing order.
    """
    coded = offsets != 0
    both = assigned(np.concatenate([numbers, offsets[coded]]), codebook)
    weights = Values(both.codebook, both.indices[: numbers.size])
    if not coded.any():
        return weights, BiasWord("none", coded, _NONE)
    return weights, BiasWord("shared", coded, Values(both.codebook, both.indices[numbers.size :]))


def starts(plan: LayerLayout, reference: Reference | None) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's reference weights (rows, columns, kernel entries) and biases (rows,), or zeros if they are unknown."""
    weight, bias = np.zeros(plan.shape), np.zeros(plan.shape[0])
    if reference is not None:
        if f"{plan.name}.weight" in reference:
            weight = reference[f"{plan.name}.weight"].reshape(plan.shape).numpy(force=True)
        if f"{plan.name}.bias" in reference:
            bias = reference[f"{plan.name}.bias"].numpy(force=True)
    return weight, bias


def spell(
    plan: CodeLayout, layers: list[Quantized], groups: Groups | None, *, relative: bool = False
) -> Codeword:
    """Write a quantized network as a codeword, with each mask in the shorter of its two codes.

    Args:
        plan: the architecture.
        layers: the quantized layers, one for each layer of the plan.
        groups: partition of every axis; None for uniform mask codes.
        relative: whether the values are differences from the reference.
    """
    chosen = one_group(plan) if groups is None else groups
    orders = [
        np.argsort(g, kind="stable") if axis.free and not relative else np.arange(g.size)
        for g, axis in zip(chosen, plan.axes.axes, strict=True)
    ]
    arranged = tuple(g[order] for g, order in zip(chosen, orders, strict=True))
    sizes = tuple(np.bincount(g).tolist() for g in arranged)
    words = [
        _arranged(quantized_layer, orders[layer.rows], orders[layer.columns])
        for layer, quantized_layer in zip(plan.layers, layers, strict=True)
    ]
    uniform = Codeword(relative, arranged, sizes, tuple(words))
    if groups is None:
        return uniform
    blockwise = replace(
        uniform,
        layers=tuple(
            _in_blocks(word, arranged[layer.rows], arranged[layer.columns])
            for layer, word in zip(plan.layers, words, strict=True)
        ),
    )
    costs = [_layer_costs(plan, word) for word in (uniform, blockwise)]
    return replace(
        uniform,
        layers=tuple(
            grouped if block < plain else word
            for word, grouped, plain, block in zip(words, blockwise.layers, *costs, strict=True)
        ),
    )


def _in_blocks(word: LayerWord, rows: np.ndarray, columns: np.ndarray) -> LayerWord:
    several = word.mask.shape[2] > 1
    positions = group_positions(word.mask, rows, columns) if several else None
    return replace(word, blockwise=True, positions=positions)


def _arranged(layer: Quantized, rows: np.ndarray, columns: np.ndarray) -> LayerWord:
    place = np.full(layer.mask.shape, -1, dtype=np.int64)
    place[layer.mask] = layer.values.indices
    moved = place[rows][:, columns]
    values = Values(layer.values.codebook, moved[moved >= 0])
    if layer.bias is None:
        return LayerWord(False, moved >= 0, values, None)
    return LayerWord(False, moved >= 0, values, _arranged_bias(layer.bias, rows))


def _arranged_bias(bias: BiasWord, rows: np.ndarray) -> BiasWord:
    if bias.mode == "raw":
        return replace(bias, values=replace(bias.values, codebook=bias.values.codebook[rows]))
    place = np.full(bias.mask.shape, -1, dtype=np.int64)
    place[bias.mask] = bias.values.indices
    moved = place[rows]
    return BiasWord(bias.mode, moved >= 0, Values(bias.values.codebook, moved[moved >= 0]))


def _layer_costs(plan: CodeLayout, word: Codeword) -> list[float]:
    bits = lengths(plan, word)
    return [
        sum(bits.get(f"{layer.name} {section}", 0.0) for section in ("mask", "bias")) for layer in plan.layers
    ]


def dequantize(
    plan: CodeLayout, word: Codeword, network: Network, reference: Reference | None = None
) -> Network:
    """Return the network that a codeword describes.

    Args:
        plan: the architecture.
        word: a codeword of this plan.
        network: any network of this architecture; only its layout is used.
        reference: reference weights, required if the codeword is relative.

    Raises:
        ValueError: when the codeword is relative and there is no reference.
    """
    if word.relative and reference is None:
        raise ValueError("the codeword holds differences from a reference, and no reference was given")
    weights, biases = {}, {}
    for layer, spelt in zip(plan.layers, word.layers, strict=True):
        weight, bias = starts(layer, reference if word.relative else None)
        weight = np.where(spelt.mask, weight, 0.0)
        weight[spelt.mask] += spelt.values.numbers
        weights[layer.name] = torch.from_numpy(weight.astype(np.float32).astype(np.float64))
        if spelt.bias is not None:
            bias = bias.copy()
            bias[spelt.bias.mask] += spelt.bias.values.numbers
            biases[layer.name] = torch.from_numpy(bias.astype(np.float32).astype(np.float64))
    return with_weights(network, weights, biases)
