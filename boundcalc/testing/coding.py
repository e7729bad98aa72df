"""Checks of the occam code: the encoded bytes have the claimed length and decode, and enumerated codewords satisfy
Kraft's inequality.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from boundcalc.occam import transmit
from boundcalc.occam.codeword import (
    BIASES,
    MAX_GROUPS,
    MAX_VALUES,
    BiasWord,
    CodeLayout,
    Codeword,
    LayerWord,
    Values,
)


def check_code(plan: CodeLayout, word: Codeword) -> None:
    """Check that the encoding has the claimed length, at most one byte more, and that decoding restores the codeword.

    Args:
        plan: layout of a network's code, from `boundcalc.occam.codeword.plan_of`.
        word: codeword of this layout.

    Raises:
        AssertionError: the length is wrong, or decoding gives another codeword.

    Source: Rissanen & Langdon 1979 for the coder; docs/theory/occam.md for the code.
    """
    bits = math.fsum(transmit.lengths(plan, word).values())
    data = transmit.encode(plan, word)
    assert 8 * len(data) <= bits + 8, f"the codeword of {bits:.3f} bits takes {len(data)} bytes"
    assert 8 * len(data) >= bits - 64 or bits < 64, (
        f"the codeword of {bits:.3f} bits takes only {len(data)} bytes"
    )
    found = transmit.decode(plan, data)
    for name, left, right in zip(_names(word), _contents(word), _contents(found), strict=True):
        assert np.array_equal(left, right), f"decoding changes {name}"


def _contents(word: Codeword) -> list[np.ndarray]:
    found = [np.array([word.relative]), *word.groups]
    for layer in word.layers:
        found += [np.array([layer.blockwise]), layer.mask, _bits_of(layer.values), layer.values.indices]
        if layer.bias is not None:
            found += [np.array([layer.bias.mode]), layer.bias.mask, layer.bias.values.numbers]
    return found


def _names(word: Codeword) -> list[str]:
    found = ["the reference bit", *(f"groups of axis {index}" for index in range(len(word.groups)))]
    for index, layer in enumerate(word.layers):
        found += [
            f"{part} of layer {index}"
            for part in ("the mask's code", "the mask", "the codebook", "the values")
        ]
        if layer.bias is not None:
            found += [f"{part} of layer {index}" for part in ("the bias mode", "the bias mask", "the biases")]
    return found


def _bits_of(values: Values) -> np.ndarray:
    return values.codebook.view(np.uint16)


def check_kraft(
    plan: CodeLayout, words: Iterable[Codeword], fixed: Callable[[CodeLayout, Codeword], float] | None = None
) -> float:
    """Check Kraft's inequality over codewords of a plan: the sum of 2^-bits is at most 1.

    Args:
        plan: layout of a network's code.
        words: distinct codewords.
        fixed: returns the bits of the choices that were not varied; the remaining bits form a code of their own.
            None: no such bits.

    Returns:
        The sum; it is 1 for a complete code.

    Raises:
        AssertionError: the sum is above 1, or two codewords have the same bytes.

    Source: Kraft 1949; McMillan 1956.
    """
    terms, seen = [], set()
    for word in words:
        free = math.fsum(transmit.lengths(plan, word).values()) - (
            0.0 if fixed is None else fixed(plan, word)
        )
        terms.append(2.0**-free)
        data = transmit.encode(plan, word)
        assert data not in seen, f"two codewords have the {len(data)} bytes {data.hex()}"
        seen.add(data)
    total = math.fsum(terms)
    assert total <= 1 + 1e-9, f"Kraft's sum over {len(terms)} codewords is {total:.9g}"
    return total


def fixed_bits(plan: CodeLayout, word: Codeword) -> float:
    """Return the bits of the choices that `small_codewords` does not vary: reference, groups, codebooks, absent biases."""
    halves = sum(
        math.log2(MAX_VALUES) + 16 * layer.values.codebook.size for layer in word.layers if layer.mask.any()
    )
    modes = sum(math.log2(len(BIASES)) for layer in plan.layers if layer.biased)
    return 1 + math.log2(MAX_GROUPS) * len(plan.axes.axes) + halves + modes


def small_codewords(plan: CodeLayout, values: tuple[float, ...] = (-1.0, 0.5)) -> Iterator[Codeword]:
    """Yield every codeword of a layout without groups, reference or biases whose codebooks hold the given values.

    For layouts with a handful of weights: each layer takes every mask, in either mask code, with every sequence of values.

    Args:
        plan: layout of a network's code; biases, if any, are left out.
        values: codebook of every layer with a surviving weight, float16 numbers.
    """
    groups = tuple(np.zeros(axis.size, dtype=np.int64) for axis in plan.axes.axes)
    sizes = tuple([axis.size] for axis in plan.axes.axes)
    layers = [list(_layer_words(layer.shape, layer.biased, values)) for layer in plan.layers]
    for chosen in itertools.product(*layers):
        yield Codeword(False, groups, sizes, chosen)


def _layer_words(shape: tuple[int, int, int], biased: bool, values: tuple[float, ...]) -> Iterator[LayerWord]:
    codebook = np.array(values, dtype=np.float16)
    bias = BiasWord("none", np.zeros(shape[0], dtype=bool), _empty()) if biased else None
    for bits in itertools.product((False, True), repeat=math.prod(shape)):
        mask = np.array(bits).reshape(shape)
        count = int(mask.sum())
        for indices in itertools.product(range(len(values)), repeat=count):
            coded = Values(codebook, np.array(indices, dtype=np.int64)) if count else _empty()
            for blockwise in (False, True):
                yield LayerWord(blockwise, mask, coded, bias)


def _empty() -> Values:
    return Values(np.zeros(0, dtype=np.float16), np.zeros(0, dtype=np.int64))
