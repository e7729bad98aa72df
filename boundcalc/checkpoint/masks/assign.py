"""Which weight each mask of a family is for: by names or, if there are none, by the order of the layers."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from boundcalc.checkpoint.conventions.state import listing
from boundcalc.checkpoint.masks.families import MaskFamily
from boundcalc.checkpoint.masks.fit import Ambiguous, Fitted, Misfit, fit
from boundcalc.checkpoint.masks.leaves import Leaf, Path
from boundcalc.checkpoint.masks.order import in_one, in_order
from boundcalc.checkpoint.masks.targets import Targets
from boundcalc.checkpoint.masks.values import same
from boundcalc.checkpoint.masks.words import (
    Says,
    direction,
    is_pure,
    kind_of,
    mentions_inputs,
    mentions_masks,
    says_positions,
    says_units,
    without_words,
)

Fits = dict[str, Fitted]
_ALIKE = {"one a row", "one a column"}
_MOST_CUT = 3


@dataclass(frozen=True)
class Problem(Exception):
    """The reason why a family is not a set of masks of this network.

    Attributes:
        entry: the name of the entry at fault.
        text: what is wrong with it.
        masklike: whether it may still be a mask, so that ignoring it would lose one.
    """

    entry: str
    text: str
    masklike: bool = True

    def forget(self) -> None:
        """Drop the traceback, whose frames would keep this exception and tensors alive until the next garbage collection."""
        for name in ("__traceback__", "__context__"):
            object.__setattr__(self, name, None)


def assign(family: MaskFamily, targets: Targets) -> dict[Path, Fits]:
    """Determine which weights the entries of a family are for.

    Args:
        family: entries that may be masks.
        targets: the tensors that they may be for.

    Returns:
        Pruning round -> name of the weight -> where its mask is 1; without rounds, one with the key ().

    Raises:
        Problem: when an entry is no mask, or it is unclear which weight it is for.
    """
    reading = _Reading(family, targets)
    named = reading.by_name()
    ordered = None if family.inside else reading.by_order()
    if isinstance(named, Problem):
        if ordered is None:
            raise named
        if isinstance(ordered, Problem):
            raise ordered if _numbered(family) or _is_nameless(family) else named
        return ordered
    numbers = any(isinstance(key, int) for leaf in family.leaves for key in leaf.path)
    if numbers and isinstance(ordered, dict) and not _same(named, ordered):
        raise Problem(family.name, "is numbered, and the numbers can be names of layers or their positions")
    return named


def _numbered(family: MaskFamily) -> bool:
    return any(isinstance(key, int) for leaf in family.tensors for key in leaf.path[-1:])


def _is_nameless(family: MaskFamily) -> bool:
    """Return whether a family is a single entry whose name mentions masks and no layer."""
    return len(family.tensors) == 1 and all(is_pure(str(key)) for key in family.tensors[0].path[-1:])


def _same(one: dict[Path, Fits], other: dict[Path, Fits]) -> bool:
    first, second = list(one.values()), list(other.values())
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(same(a[name].ones, b[name].ones) for name in a)
        for a, b in zip(first, second, strict=True)
    )


class _Reading:
    """The ways to read one family: by name and by order."""

    def __init__(self, family: MaskFamily, targets: Targets) -> None:
        self.family, self.targets = family, targets
        speaks = not family.given and direction(family.words) in {Says.KEPT, Says.PRUNED}
        self.positions = True if says_positions(family.words) else None if speaks else False
        self.units = says_units(part for leaf in family.leaves for part in leaf.parts)
        names = {str(leaf.path[-1]).rpartition(".")[0] for leaf in family.tensors if leaf.path}
        self.shared = (
            tuple(os.path.commonprefix([name.split(".") for name in names])) if "" not in names else ()
        )
        self.cut = 0

    def by_name(self) -> dict[Path, Fits] | Problem:
        """Read the family by layer names, or return why that fails."""
        tensors = self.family.tensors
        if not tensors:
            return self._not_tensors(0) or Problem(self.family.name, "holds no tensor", masklike=False)
        depths = range(1 if self.family.inside else max(1, *(len(leaf.path) for leaf in tensors)))
        shifts = [(depth, cut) for cut in range(1 if self.family.inside else _MOST_CUT) for depth in depths]
        found = {
            shift: [self._target(leaf.path[shift[0] :], shift[1]) for leaf in tensors] for shift in shifts
        }
        best = min(
            shifts, key=lambda shift: (sum(name is None for name in found[shift]), shifts.index(shift))
        )
        depth, self.cut = best
        names = found[best]
        if self.family.inside:
            names = [name or self._beside_it(leaf) for leaf, name in zip(tensors, names, strict=True)]
        missing = [leaf for leaf, name in zip(tensors, names, strict=True) if name is None]
        if missing:
            leaf = missing[0]
            there = listing(self.targets.matrices)
            text = f"belongs to no layer (its shape is {_shape(leaf)}; the weights are {there})"
            return Problem(leaf.name, text, masklike=self.family.given or not mentions_inputs(leaf.parts))
        wrong = self._not_tensors(depth)
        if wrong is not None:
            return wrong
        rounds: dict[Path, list[tuple[str, Leaf]]] = {}
        for leaf, name in zip(tensors, names, strict=True):
            assert name is not None
            tables = tuple(key for key in leaf.path[depth:-1] if is_pure(str(key)))
            rounds.setdefault((*leaf.path[:depth], *tables), []).append((name, leaf))
        return self._rounds(rounds)

    def by_order(self) -> dict[Path, Fits] | Problem | None:
        """Read the family by the order of its numbers; return why that fails, or None if it is not numbered."""
        if len(self.family.tensors) == 1 and not _numbered(self.family):
            return self._as_one(self.family.tensors[0])
        rounds = self._numbered_rounds()
        if rounds is None:
            return None
        found: dict[Path, list[tuple[str, Leaf]]] = {}
        for number, kinds in rounds.items():
            names: dict[int, str] = {}
            pairs: list[tuple[str, Leaf]] = []
            for kind in sorted(kinds, key=("weight", "bias").index):
                try:
                    pairs += self._sequence(kind, kinds[kind], names)
                except Misfit as misfit:
                    return Problem(self.family.name, str(misfit))
            found[number] = pairs
        return self._rounds(found)

    def _sequence(self, kind: str, members: dict[int, Leaf], names: dict[int, str]) -> list[tuple[str, Leaf]]:
        places = sorted(members)
        present = {
            place: leaf
            for place, leaf in members.items()
            if leaf.tensor is not None and leaf.tensor.numel() > 0
        }
        if kind == "bias":
            biases = {
                place: f"{names[place].removesuffix('.weight')}.bias" for place in places if place in names
            }
            if any(place not in biases or biases[place] not in self.targets.tensors for place in present):
                raise Misfit("has masks of biases for layers without biases")
            return [(biases[place], leaf) for place, leaf in present.items()]
        empty = self.positions is not False
        sequence = [members[place] if empty or place in present else None for place in places]
        order = in_order(sequence, self.targets, positions=self.positions, units=self.units)
        names |= dict(zip(places, order, strict=True))
        return [(name, members[place]) for place, name in names.items() if empty or place in present]

    def _numbered_rounds(self) -> dict[Path, dict[str, dict[int, Leaf]]] | None:
        """Return round -> kind -> place -> entry, or None where the entries are not numbered."""
        leaves = [leaf for leaf in self.family.leaves if leaf.value is None or leaf.tensor is not None]
        start = _constant([leaf.path for leaf in leaves])
        found: dict[Path, dict[str, dict[int, Leaf]]] = {}
        for leaf in leaves:
            rest = [key for key in leaf.path[start:] if isinstance(key, int) or without_words(str(key)) != ""]
            kind = kind_of(without_words(str(rest[-1]))) if rest and not isinstance(rest[-1], int) else None
            numbers = [int(key) for key in rest if _is_number(key)]
            if len(rest) - len(numbers) != (kind is not None) or not 1 <= len(numbers) <= 2:
                return None
            places = found.setdefault(tuple(numbers[:-1]), {}).setdefault(kind or "weight", {})
            if numbers[-1] in places:
                return None
            places[numbers[-1]] = leaf
        return found or None

    def _as_one(self, leaf: Leaf) -> dict[Path, Fits] | Problem:
        assert leaf.tensor is not None
        self.targets.take(leaf.tensor.numel(), f"the masks in {leaf.name}")
        try:
            return {(): in_one(leaf.tensor, self.targets)}
        except Misfit as misfit:
            return Problem(leaf.name, str(misfit), masklike=_is_masklike(leaf, self.family))

    def _target(self, path: Path, cut: int = 0) -> str | None:
        """Return the tensor that a path names, after removing ``cut`` leading parts that all names of the family share."""
        keys = [part for key in path for part in str(key).split(".")]
        if cut:
            if tuple(keys[:cut]) != self.shared[:cut] or len(keys) <= cut:
                return None
            keys = keys[cut:]
        plain = _plain(keys)
        last = [*keys[:-1], without_words(keys[-1])] if keys and mentions_masks(keys[-1]) else keys
        bare = [without_words(key) if mentions_masks(key) else key for key in plain]
        for parts in (plain, _plain(last), bare):
            name = self.targets.find(".".join(_kind_last([part for part in parts if part])))
            if name is not None:
                return name
        return None

    def _beside_it(self, leaf: Leaf) -> str | None:
        """Return the weight of the entry's own layer if it has the entry's shape; for names that say nothing."""
        name = self.targets.find(".".join(leaf.parts[:-1]))
        return name if name is not None and tuple(self.targets.tensors[name].shape) == _shape(leaf) else None

    def _not_tensors(self, depth: int) -> Problem | None:
        """Return the problem of an entry named after a weight that is not a tensor; None and the number 1 are allowed and
        mean no mask.
        """
        for leaf in self.family.leaves:
            known = leaf in self.family.tensors or leaf.value is None
            name = None if known else self._target(leaf.path[depth:], self.cut)
            if name is None:
                continue
            if leaf.tensor is None and leaf.value != 1:
                return Problem(leaf.name, f"is a {type(leaf.value).__name__}, not a tensor")
            if leaf.tensor is not None and self.targets.tensors[name].dim() > 0:
                return Problem(
                    leaf.name,
                    f"has shape (), but its weight {name} has shape "
                    f"{tuple(self.targets.tensors[name].shape)}",
                )
        return None

    def _rounds(self, rounds: dict[Path, list[tuple[str, Leaf]]]) -> dict[Path, Fits] | Problem:
        try:
            fitted = {number: self._fits(pairs) for number, pairs in rounds.items()}
        except Problem as problem:
            return problem
        names = [name for fits in fitted.values() for name in fits]
        if len(names) == len(set(names)) and len(fitted) > 1:
            return {(): {name: one for fits in fitted.values() for name, one in fits.items()}}
        return {(): next(iter(fitted.values()))} if len(fitted) == 1 else fitted

    def _fits(self, pairs: list[tuple[str, Leaf]]) -> Fits:
        found: Fits = {}
        open_ones: list[tuple[str, Leaf, Ambiguous]] = []
        for name, leaf in pairs:
            if name in found or any(name == other for other, _, _ in open_ones):
                raise Problem(leaf.name, f"is one of two masks for {name}")
            try:
                found[name] = replace(self._fit(leaf, name), entry=str(leaf.path[0]))
            except Ambiguous as misfit:
                open_ones.append((name, leaf, misfit.with_traceback(None)))
            except Misfit as misfit:
                raise Problem(
                    _spoken(leaf, name), str(misfit), masklike=_is_masklike(leaf, self.family)
                ) from None
        ways = {one.how for one in found.values() if one.how in _ALIKE}
        for name, leaf, unsure in open_ones:
            shared = [how for how in unsure.ways if how in ways]
            if len(ways) != 1 or len(shared) != 1:
                raise Problem(_spoken(leaf, name), str(unsure)) from None
            how = f"{shared[0]}, like the other entries beside it"
            found[name] = Fitted(unsure.ways[shared[0]].contiguous(), how, entry=str(leaf.path[0]))
        self._check_positions(pairs, found)
        return found

    def _fit(self, leaf: Leaf, name: str) -> Fitted:
        assert leaf.tensor is not None
        shape = tuple(self.targets.tensors[name].shape)
        if leaf.tensor.dtype is not torch.bool or leaf.tensor.shape != shape:
            self.targets.take(math.prod(shape), f"the mask {_spoken(leaf, name)} of shape {shape}")
        return fit(leaf.tensor, shape, positions=self.positions, units=self.units)

    def _check_positions(self, pairs: list[tuple[str, Leaf]], found: Fits) -> None:
        """Refuse lists of positions that could mean whole rows as well as single weights.

        Raises:
            Problem: when they could mean both.
        """
        lists = [(name, leaf) for name, leaf in pairs if found[name].positions and leaf.tensor is not None]
        if self.units or not lists:
            return
        for name, leaf in lists:
            value, rows = leaf.tensor, self.targets.tensors[name].shape[0]
            assert value is not None
            if value.dim() != 1 or (value.numel() and int(value.max()) >= rows):
                return
        raise Problem(
            lists[0][1].name, "holds positions that can be those of single weights or of whole rows"
        )


def _is_masklike(leaf: Leaf, family: MaskFamily) -> bool:
    """Return whether an entry that does not fit may still be a mask."""
    value = leaf.tensor
    says = any(is_pure(word) or "mask" in word.lower() for word in family.words)
    return family.given or says or (value is not None and not value.is_floating_point())


def _spoken(leaf: Leaf, name: str) -> str:
    return leaf.name if name in leaf.name else f"{leaf.name}, for {name},"


def _shape(leaf: Leaf) -> tuple[int, ...]:
    assert leaf.tensor is not None
    return tuple(leaf.tensor.shape)


def _is_number(key: Any) -> bool:
    return isinstance(key, int) or (isinstance(key, str) and key.isdecimal())


def _constant(paths: Sequence[Path]) -> int:
    """Return the number of leading keys that all paths share; the last key never counts."""
    depth = 0
    while all(len(path) > depth + 1 for path in paths) and len({str(path[depth]) for path in paths}) == 1:
        depth += 1
    return depth


def _plain(keys: list[str]) -> list[str]:
    """Undo the name of a parametrization: ``L.parametrizations.weight.0.mask`` is for ``L.weight``."""
    if "parametrizations" not in keys:
        return keys
    place = keys.index("parametrizations")
    return [*keys[:place], *keys[place + 1 : place + 2]]


def _kind_last(parts: list[str]) -> list[str]:
    """Move a leading ``weight`` or ``bias`` behind the layer's name."""
    kinds = [kind for part in parts[:1] if (kind := kind_of(part)) is not None]
    if kinds and len(parts) > 1:
        rest = parts[1:]
        return rest if kind_of(rest[-1]) is not None else [*rest, *kinds]
    return [*parts[:-1], kind_of(parts[-1]) or parts[-1]] if parts else parts
