"""Interpret the names of entries: whether they say mask, and whether 1 means kept or pruned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_MASK = frozenset({"bitmask", "bitmasks", "mask", "masks", "supermask", "supermasks"})
_KEPT = frozenset({
    "active", "alive", "keep", "keeps", "kept", "live", "living", "nnz", "nonzero", "nonzeros", "remaining",
    "retained", "survive", "survived", "surviving", "survivor", "survivors", "unpruned",
})  # fmt: skip
_PRUNED = frozenset({
    "dead", "drop", "dropped", "eliminated", "inactive", "killed", "masked", "prune", "pruned", "prunes", "removed",
    "zero", "zeroed", "zeroes", "zeros",
})  # fmt: skip
_OF_EITHER = frozenset({"binary", "pruning", "sparsity", "subnet", "ticket"})
_UNCLEAR = frozenset({"fixed", "freeze", "frozen", "grad", "gradient", "inverse", "inverted", "trainable"})
_STRONG = _MASK | _KEPT | _PRUNED | _OF_EITHER
_FILLER = frozenset({
    "all", "arrays", "backward", "best", "buffer", "buffers", "by", "current", "data", "dict", "dicts", "elements", "ema", "entries",
    "epoch", "final", "forward", "global", "idx", "ids", "in", "index", "indexes", "indices", "init", "initial", "is", "iter",
    "iteration", "last", "layer", "layers", "level", "list", "locations", "map", "maps", "mma", "of", "old", "param",
    "parameter", "parameters", "params", "per", "positions", "prev", "previous", "round", "rounds", "sparse", "state", "step",
    "table", "tensor", "tensors", "the", "value", "values", "vector", "where", "flat",
})  # fmt: skip
_POSITIONS = frozenset({"idx", "ids", "index", "indexes", "indices", "locations", "positions", "where"})
_UNITS = frozenset({
    "channel", "channels", "column", "columns", "filter", "filters", "neuron", "neurons", "row", "rows", "unit", "units",
})  # fmt: skip
_OTHERS_MASKS = frozenset({
    "attention", "attn", "causal", "label", "labels", "loss", "padding", "pad", "sequence", "src", "tgt", "token", "tokens",
})  # fmt: skip
_HARMLESS = re.compile(r"(?i)zero_?points?|zero_?grad\w*|keep_?prob\w*|num_\w+|n_\w+")
_KINDS = {"weight": "weight", "weights": "weight", "bias": "bias", "biases": "bias"}


class Says(Enum):
    """What a name says about the meaning of 1."""

    KEPT = "kept"
    PRUNED = "pruned"
    NEITHER = "neither"


def tokens(name: str) -> list[str]:
    """Split a name into lower-case words.

    Example:
        >>> tokens("fc1.nonZero_weights2")
        ['fc', '1', 'nonzero', 'weights', '2']
    """
    found = [word.lower() for word in _TOKEN.findall(name)]
    joined: list[str] = []
    for word in found:
        if joined and joined[-1] in {"non", "un"} and word in {"zero", "zeros", "pruned"}:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def mentions_masks(name: str) -> bool:
    """Return whether one part of a name contains mask, prune, sparsity, kept, zero or the like."""
    return _HARMLESS.fullmatch(name) is None and not _STRONG.isdisjoint(tokens(name))


def says_mask(name: str) -> bool:
    """Return whether one part of a name says mask, but not a mask of attention or the like."""
    words = tokens(name)
    return not _MASK.isdisjoint(words) and _OTHERS_MASKS.isdisjoint(words)


def is_input_mask(name: str) -> bool:
    """Return whether one part of a name says a mask of inputs, such as an attention mask."""
    words = tokens(name)
    return not _MASK.isdisjoint(words) and not _OTHERS_MASKS.isdisjoint(words)


def mentions_inputs(names: Iterable[str]) -> bool:
    """Return whether a path of names leads to attention or the like, where masks are for inputs and not for weights."""
    return any(not _OTHERS_MASKS.isdisjoint(tokens(name)) for name in names)


def is_pure(name: str) -> bool:
    """Return whether one part of a name mentions masks and nothing that could be a layer.

    Example:
        >>> is_pure("masks_dict"), is_pure("weight_mask"), is_pure("mask_head"), is_pure("fc1")
        (True, True, False, False)
    """
    return mentions_masks(name) and without_words(name) in {"", "weight"}


def without_words(name: str) -> str:
    """Remove the words that mention masks from one part of a name.

    Example:
        >>> [without_words(name) for name in ("_weight_mask", "mask_fc1", "zero_weights", "masks", "bias_mask", "keep_conv_2")]
        ['weight', 'fc1', 'weight', '', 'bias', 'conv_2']
    """
    pieces = [piece for piece in re.split(r"[_\-\s/]+", name) if piece]
    kept: list[str] = []
    for piece in pieces:
        words = tokens(piece)
        rest = [word for word in words if word not in _STRONG | _FILLER | {"non"} and not word.isdecimal()]
        if rest or (piece.isdecimal() and kept):
            kept.append(
                _KINDS.get(piece.lower(), piece) if rest == words else _without_mask_words(piece, rest)
            )
    return "_".join(kept)


def _without_mask_words(piece: str, rest: list[str]) -> str:
    """Remove the words that mention masks from a piece of a name in camel case or with digits."""
    if _STRONG.isdisjoint(tokens(piece)):
        return piece
    return _KINDS.get("".join(rest), "".join(rest))


def kind_of(name: str) -> str | None:
    """Return ``"weight"`` or ``"bias"`` if a part of a name says that and nothing else."""
    return _KINDS.get(name.lower())


def says_positions(names: Iterable[str]) -> bool:
    """Return whether a name mentions indices."""
    return any(not _POSITIONS.isdisjoint(tokens(name)) for name in names)


def says_units(names: Iterable[str]) -> bool:
    """Return whether a name mentions whole filters, rows, channels or neurons."""
    return any(not _UNITS.isdisjoint(tokens(name)) for name in names)


def direction(names: Iterable[str]) -> Says | None:
    """Return what a path of names says that a 1 means; None if it leaves that open.

    A section called ``prune`` that contains masks says nothing about their direction.

    Args:
        names: the keys that lead to the entry.

    Returns:
        `Says.KEPT` or `Says.PRUNED` if a word says so, `Says.NEITHER` if the name is the usual one for a mask of what is
        kept, None if words contradict each other or make the meaning unclear.
    """
    words: list[str] = []
    parts = [name for name in names if mentions_masks(name) or not _UNCLEAR.isdisjoint(tokens(name))]
    for place, name in enumerate(parts):
        found = tokens(name)
        if found != ["prune"] or place == len(parts) - 1:
            words += found
    kept, pruned = not _KEPT.isdisjoint(words), not _PRUNED.isdisjoint(words)
    if not _UNCLEAR.isdisjoint(words) or (kept and pruned):
        return None
    if kept or pruned:
        return Says.KEPT if kept else Says.PRUNED
    return Says.NEITHER
