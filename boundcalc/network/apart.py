"""Tensors whose names say that they are not part of a forward pass (losses, metrics, copies of weights), and names of
networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

OTHER_NETWORK = "another network's weights"
_WHY = {
    "a loss's own tensor": {"criterion", "criterions", "loss", "losses"},
    "a metric's state": {
        "acc", "accuracy", "auc", "auroc", "confmat", "f1", "metric", "metrics", "precision", "recall", "tracker",
    },
    OTHER_NETWORK: {"ema", "shadow", "swa", "target", "teacher"},
}  # fmt: skip
_NETWORKS = frozenset({
    "actor", "critic", "d", "discriminator", "ema", "g", "generator", "neta", "netb", "netd", "netg", "online", "shadow",
    "student", "swa", "target", "teacher",
})  # fmt: skip
WEIGHT_COPY = "a copy of the layer's weights or biases"
_COPY = re.compile(r"(?:^|_)(?:init|initial|orig|original|prev|previous|rewind|saved|backup|best|old)(?:_|$)")
_PARAMETERS = ("weight", "weights", "bias", "biases")


def by_name(key: str) -> str | None:
    """Return why a tensor is not part of a forward pass if its name says so, else None.

    Example:
        >>> by_name("criterion.weight"), by_name("fc1._init_weights"), by_name("fc1.weight")
        ("a loss's own tensor", "a copy of the layer's weights or biases", None)
    """
    *modules, leaf = key.split(".")
    for module in modules:
        words = set(module.lower().split("_"))
        for why, names in _WHY.items():
            if words & names:
                return why
    if modules and _COPY.search(leaf) and leaf.endswith(_PARAMETERS) and leaf not in _PARAMETERS:
        return WEIGHT_COPY
    return None


def set_aside_choices(keys: Iterable[str]) -> list[dict[str, str]]:
    """Return the sets of tensors that may be set aside by name, with reasons; the likeliest set first, the empty set last.

    A loss or a metric is never part of a forward pass; a tensor named like another network's may be.

    Args:
        keys: keys of a state dict.

    Example:
        >>> [list(one) for one in set_aside_choices(["target.weight", "loss.weight", "fc.weight"])]
        [['loss.weight'], ['target.weight', 'loss.weight'], []]
        >>> set_aside_choices(["fc.weight"])
        [{}]
    """
    every = {key: why for key in keys if (why := by_name(key)) is not None}
    certain = {key: why for key, why in every.items() if why != OTHER_NETWORK}
    return [one for index, one in enumerate((certain, every, {})) if one not in (certain, every, {})[:index]]


def role_of(why: str) -> str:
    """Return the role of a tensor set aside for a reason: ``"unused"`` if its name says that it is in no forward pass, else
    ``"not read"``.
    """
    return "unused" if why in {*_WHY, WEIGHT_COPY} else "not read"


def is_network(prefix: str) -> bool:
    """Return whether a prefix is a usual name for one of several networks in a file.

    Example:
        >>> is_network("teacher."), is_network("netD."), is_network("encoder.")
        (True, True, False)
    """
    return bool(set(re.split(r"[_.]", prefix.lower())) & _NETWORKS)


def group_by_part(keys: Iterable[str]) -> dict[str, list[str]]:
    """Group the keys by the first part, with its dot, after the prefix common to all; keys without such a part are left
    out.

    Example:
        >>> group_by_part(["net.a.w", "net.b.0.w", "net.b.1.w", "net.c"])
        {'net.a.': ['net.a.w'], 'net.b.': ['net.b.0.w', 'net.b.1.w']}
    """
    every = list(keys)
    common = ""
    while every and len({key[len(common) :].partition(".")[:2] for key in every}) == 1:
        first, dot, _ = every[0][len(common) :].partition(".")
        if not dot:
            break
        common += first + dot
    found: dict[str, list[str]] = {}
    for key in every:
        first, dot, _ = key[len(common) :].partition(".")
        if dot:
            found.setdefault(f"{common}{first}.", []).append(key)
    return found
