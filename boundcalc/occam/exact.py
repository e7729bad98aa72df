"""The codeword of a network that is already quantized, such as one written by `--save-quantised`."""

from __future__ import annotations

import numpy as np

from boundcalc.network.network import Network
from boundcalc.network.ops import Affine
from boundcalc.occam.blocks import counts_of, find_groups
from boundcalc.occam.codebooks import assigned, nearest_half
from boundcalc.occam.codeword import MAX_VALUES, BiasWord, CodeLayout, Codeword, LayerLayout, Values, plan_of
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.spelling import Quantized, shared, spell


def describe(network: Network) -> tuple[CodeLayout, Codeword]:
    """Describe a network whose numbers are a few float16 values exactly by a codeword.

    Args:
        network: the network; each layer's weights and nonzero biases take at most 64 values, each of them a float16.

    Returns:
        The arguments of `encode`; `decode` and `dequantize` turn its result into the same network up to the order of hidden
        units.

    Raises:
        NotCovered: when the network has an operation with parameters that the code does not describe.
        ValueError: when a layer has more values, or values that are not float16; the message names it.
    """
    base = flattened(network)
    plan = plan_of(base)
    stored = {layer.name: layer for layer in base.stored()}
    layers = [_exact(layer, stored[layer.name]) for layer in plan.layers]
    groups = find_groups(plan, counts_of([layer.mask for layer in layers]), relative=False)
    return plan, spell(plan, layers, groups)


def _exact(plan: LayerLayout, layer: Affine) -> Quantized:
    weight = layer.weight.reshape(plan.shape).numpy(force=True)
    mask = weight != 0
    own = _codebook(weight[mask], plan.name)
    values = assigned(weight[mask], own)
    if layer.bias is None:
        return Quantized(mask, values, None)
    offsets = layer.bias.numpy(force=True)
    coded = offsets != 0
    apart = _codebook(offsets[coded], plan.name)
    together = np.union1d(own, apart)
    if own.size and together.size <= min(MAX_VALUES, own.size + apart.size - 1):
        return Quantized(mask, *shared(weight[mask], offsets, together))
    if not apart.size:
        return Quantized(mask, values, BiasWord("none", coded, Values(apart, np.zeros(0, dtype=np.int64))))
    return Quantized(mask, values, BiasWord("own", coded, assigned(offsets[coded], apart)))


def _codebook(numbers: np.ndarray, name: str) -> np.ndarray:
    levels = np.unique(numbers)
    halves = nearest_half(levels)
    if not np.array_equal(halves.astype(np.float64), levels):
        raise ValueError(f"{name} holds values that float16 does not: quantize it first")
    if levels.size > MAX_VALUES:
        raise ValueError(f"{name} takes {levels.size} values, more than {MAX_VALUES}: quantize it first")
    return halves
