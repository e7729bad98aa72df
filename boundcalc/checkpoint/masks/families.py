"""Group entries that belong together: the masks under one key, or those with the same spelling beside their weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from boundcalc.checkpoint.masks.leaves import Leaf, path_text
from boundcalc.checkpoint.masks.scores import SCORES
from boundcalc.checkpoint.masks.words import is_pure, mentions_masks, tokens


@dataclass(frozen=True, eq=False)
class MaskFamily:
    """Entries that are either all masks or all not.

    Attributes:
        name: name of the family in messages.
        leaves: the entries.
        words: the parts of their names that mention masks.
        named: whether any name says mask; otherwise only their values do.
        inside: whether they are in the state dict.
        given: whether they were given with --mask.
    """

    name: str
    leaves: tuple[Leaf, ...]
    words: tuple[str, ...]
    named: bool
    inside: bool = False
    given: bool = False

    @property
    def tensors(self) -> list[Leaf]:
        """The entries that are tensors of more than one number."""
        return [leaf for leaf in self.leaves if leaf.tensor is not None and leaf.tensor.dim() > 0]


def gather(leaves: Iterable[Leaf], *, inside: bool = False, given: bool = False) -> list[MaskFamily]:
    """Group entries whose names differ only in layers and numbers.

    Args:
        leaves: entries that may be masks.
        inside: whether they are in the state dict.
        given: whether they were given with --mask.

    Returns:
        The families, in the order of their first entries.
    """
    groups: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(_key(leaf, inside, given), []).append(leaf)
    return [_family(key, members, inside, given) for key, members in groups.items()]


def words_of(leaf: Leaf) -> tuple[str, ...]:
    """Return the parts of an entry's name that mention masks."""
    return tuple(part for part in leaf.parts if mentions_masks(part))


def _key(leaf: Leaf, inside: bool, given: bool) -> tuple[str, ...]:
    keys = [str(key) for key in leaf.path]
    parts = list(leaf.parts) if inside else keys
    container = next((place for place, part in enumerate(parts[:-1]) if is_pure(part)), None)
    later = () if container is None else tuple(part for part in parts[container + 1 : -1] if is_pure(part))
    if given:
        return tuple(_unnumbered(part) for part in parts[:-1] if is_pure(part))
    if container is not None:
        start = () if inside else tuple(_unnumbered(part) for part in parts[: container + 1])
        return (*start, *(() if not inside else (_unnumbered(parts[container]),)), *map(_unnumbered, later))
    root = () if inside or len(keys) == 1 else (keys[0],)
    return (*root, _mask_words(leaf))


def _mask_words(leaf: Leaf) -> str:
    words = [word for part in leaf.parts[-1:] for word in tokens(part)]
    if not mentions_masks(leaf.parts[-1]):
        return ""
    return "_".join(word for word in words if mentions_masks(word) or word in {"non", "mask"}) or "mask"


def _unnumbered(part: str) -> str:
    return "".join("#" if letter.isdecimal() else letter for letter in part)


def _family(key: tuple[str, ...], members: list[Leaf], inside: bool, given: bool) -> MaskFamily:
    telling = [leaf for leaf in members if leaf.tensor is not None and leaf.tensor.dim() > 0] or members
    words = tuple(dict.fromkeys(word for leaf in telling for word in words_of(leaf)))
    first = members[0]
    if len(members) == 1 or inside or given:
        name = first.name
    else:
        depth = len(_common([leaf.path for leaf in members]))
        name = path_text(first.path[:depth]) or first.name
    named = bool(words) or given or (inside and first.parts[-1] in SCORES)
    return MaskFamily(name, tuple(members), words, named, inside, given)


def _common(paths: list[tuple[object, ...]]) -> tuple[object, ...]:
    first, last = (
        min(paths, key=lambda path: list(map(str, path))),
        max(paths, key=lambda path: list(map(str, path))),
    )
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]
