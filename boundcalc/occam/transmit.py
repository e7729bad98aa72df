"""The code itself: one traversal that measures, writes or reads, depending on the channel (docs/theory/occam.md).

bits = 1 (reference or not) + groups of each axis + for each layer [mask code, codebook, values, biases], where
- an axis costs log2 16 for its number of groups K, log2 C(n + K - 1, K - 1) for their sizes and, unless its units may be
  reordered freely, the log2 multinomial of the memberships;
- a mask costs 1 bit for the choice of code and then log2(n + 1) + log2 C(n, s) once (uniform) or once a block
  (graphon-coded); a block is a group of rows by a group of columns and, if kernels have several positions, by a group of
  positions; groups of positions cost the same as those of an axis;
- s > 0 values cost log2 64 for K, 16 K for the codebook, log2 C(s + K - 1, K - 1) for the histogram and the log2
  multinomial of the sequence, which is at most s times the entropy of the histogram;
- biases cost 2 bits for the mode and then nothing, 16 bits each, or the bits of a mask of their own with values.
"""

from __future__ import annotations

import itertools

import numpy as np

from boundcalc.occam.coder import Channel, Meter, Reader, Writer, composition, subset
from boundcalc.occam.codeword import (
    BIASES,
    MAX_GROUPS,
    MAX_VALUES,
    BiasWord,
    CodeLayout,
    Codeword,
    LayerLayout,
    LayerWord,
    Values,
)

VERSION = 2
"""Version of the code; version 1 had no groups of a kernel's positions."""
_EMPTY = Values(np.zeros(0, dtype=np.float16), np.zeros(0, dtype=np.int64))


def lengths(plan: CodeLayout, word: Codeword) -> dict[str, float]:
    """Return an upper bound on the bits of each section of a codeword; their sum is log2 of the inverse of its prior
    probability.
    """
    meter = Meter()
    _carry(meter, plan, word)
    return meter.bits


def encode(plan: CodeLayout, word: Codeword) -> bytes:
    """Return the codeword as bytes; they are at most one byte longer than its length in bits."""
    writer = Writer()
    _carry(writer, plan, word)
    return writer.finish()


def decode(plan: CodeLayout, data: bytes) -> Codeword:
    """Return the codeword that `encode` wrote.

    Raises:
        ValueError: when the bytes are not a codeword of this plan.
    """
    return _carry(Reader(data), plan, None)


def _carry(channel: Channel, plan: CodeLayout, word: Codeword | None) -> Codeword:
    channel.section("reference")
    relative = bool(channel.uniform(None if word is None else int(word.relative), 2))
    channel.section("axes")
    axes = [
        _axis(channel, axis.size, axis.free and not relative, None if word is None else word.groups[i])
        for i, axis in enumerate(plan.axes.axes)
    ]
    groups = tuple(found for found, _ in axes)
    layers = tuple(
        _layer(channel, layer, groups, None if word is None else word.layers[i])
        for i, layer in enumerate(plan.layers)
    )
    return Codeword(relative, groups, tuple(sizes for _, sizes in axes), layers)


def _axis(channel: Channel, size: int, free: bool, groups: np.ndarray | None) -> tuple[np.ndarray, list[int]]:
    own = None if groups is None else np.bincount(groups).tolist()
    number = 1 + channel.uniform(None if own is None else len(own) - 1, MAX_GROUPS)
    sizes = composition(channel, own, size, number)
    if free:
        return np.repeat(np.arange(number), sizes), sizes
    return channel.sequence(groups, sizes), sizes


def _layer(
    channel: Channel,
    plan: LayerLayout,
    groups: tuple[np.ndarray, ...],
    word: LayerWord | None,
) -> LayerWord:
    channel.section(f"{plan.name} mask")
    blockwise = bool(channel.uniform(None if word is None else int(word.blockwise), 2))
    given, positions = (None, None) if word is None else (word.mask, word.positions)
    if blockwise:
        positions = _positions(channel, plan.shape[2], positions, known=word is not None)
        mask = _blocks(channel, plan.shape, groups[plan.rows], groups[plan.columns], positions, given)
    else:
        flat = None if given is None else given.reshape(-1)
        mask = subset(channel, flat, int(np.prod(plan.shape))).reshape(plan.shape)
    channel.section(f"{plan.name} values")
    values = _values(channel, int(mask.sum()), None if word is None else word.values)
    if not plan.biased:
        return LayerWord(blockwise, mask, values, None, positions)
    channel.section(f"{plan.name} bias")
    rows = groups[plan.rows] if blockwise else np.zeros(plan.shape[0], dtype=np.int64)
    bias = _bias(channel, rows, values.codebook, None if word is None else word.bias)
    return LayerWord(blockwise, mask, values, bias, positions)


def _positions(channel: Channel, entries: int, given: np.ndarray | None, *, known: bool) -> np.ndarray:
    """Carry the group of each of a kernel's positions; nothing is carried if there is only one position."""
    one = np.zeros(entries, dtype=np.int64)
    if entries == 1:
        return one
    return _axis(channel, entries, False, (one if given is None else given) if known else None)[0]


def _blocks(
    channel: Channel,
    shape: tuple[int, int, int],
    rows: np.ndarray,
    columns: np.ndarray,
    positions: np.ndarray,
    given: np.ndarray | None,
) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    members = [
        [np.flatnonzero(of == g) for g in range(int(of.max()) + 1)] for of in (rows, columns, positions)
    ]
    for chosen in itertools.product(*members):
        block = np.ix_(*chosen)
        found = mask[block]
        own = None if given is None else given[block].reshape(-1)
        mask[block] = subset(channel, own, found.size).reshape(found.shape)
    return mask


def _values(channel: Channel, count: int, given: Values | None) -> Values:
    if count == 0:
        return _EMPTY
    number = 1 + channel.uniform(None if given is None else given.codebook.size - 1, MAX_VALUES)
    codebook = _halves(channel, number, None if given is None else given.codebook)
    return Values(codebook, _indices(channel, count, number, None if given is None else given.indices))


def _halves(channel: Channel, number: int, given: np.ndarray | None) -> np.ndarray:
    words = [None] * number if given is None else given.view(np.uint16).tolist()
    carried = [channel.uniform(word, 2**16) for word in words]
    return np.array(carried, dtype=np.uint16).view(np.float16)


def _indices(channel: Channel, count: int, number: int, given: np.ndarray | None) -> np.ndarray:
    own = None if given is None else np.bincount(given, minlength=number).tolist()
    histogram = composition(channel, own, count, number)
    return channel.sequence(given, histogram)


def _bias(channel: Channel, rows: np.ndarray, shared: np.ndarray, given: BiasWord | None) -> BiasWord:
    mode = BIASES[channel.uniform(None if given is None else BIASES.index(given.mode), len(BIASES))]
    values = None if given is None else given.values
    if mode == "none":
        return BiasWord(mode, np.zeros(rows.size, dtype=bool), _EMPTY)
    if mode == "raw":
        codebook = _halves(channel, rows.size, None if values is None else values.codebook)
        return BiasWord(mode, np.ones(rows.size, dtype=bool), Values(codebook, np.arange(rows.size)))
    mask = np.zeros(rows.size, dtype=bool)
    for g in range(int(rows.max()) + 1):
        place = rows == g
        mask[place] = subset(channel, None if given is None else given.mask[place], int(place.sum()))
    count = int(mask.sum())
    if mode == "shared" and count and not shared.size:
        raise ValueError("biases share the codebook of a layer that has none")
    if mode == "own":
        return BiasWord(mode, mask, _values(channel, count, values))
    if count == 0:
        return BiasWord(mode, mask, Values(shared, _EMPTY.indices))
    indices = _indices(channel, count, shared.size, None if values is None else values.indices)
    return BiasWord(mode, mask, Values(shared, indices))
