"""The one place where masks are decided: every entry is applied, is no mask, or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from boundcalc.checkpoint import validate
from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.checkpoint.conventions.state import StateDict, listing
from boundcalc.checkpoint.masking import as_bool
from boundcalc.checkpoint.masks import scan, scores
from boundcalc.checkpoint.masks import targets as found_targets
from boundcalc.checkpoint.masks.assign import Problem, assign
from boundcalc.checkpoint.masks.combine import MaskSet, combined, last_round
from boundcalc.checkpoint.masks.families import MaskFamily, gather
from boundcalc.checkpoint.masks.given import GivenMasks, HoldsWeights, masks_of
from boundcalc.checkpoint.masks.leaves import Leaf, Path, leaves, path_text
from boundcalc.checkpoint.masks.orient import Masks, orient
from boundcalc.checkpoint.masks.scan import NotAMask
from boundcalc.checkpoint.masks.values import is_binary, ones
from boundcalc.checkpoint.masks.words import mentions_masks, says_mask
from boundcalc.checkpoint.types import Entry
from boundcalc.errors import CheckpointError

MASK_HINT = (
    "save it as {name of the weight: tensor}, 1 where a weight is kept, and give that file with --mask"
)


@dataclass(frozen=True, eq=False)
class Resolved:
    """The decision about all entries.

    Attributes:
        masks: name of the weight -> bool mask of what is kept, in the weight's shape.
        sentences: evidence, each with the short name of its convention.
        entries: what became of everything beside the state dict and in --mask.
        owners: key of a mask in the state dict -> the tensor that it is for.
    """

    masks: Masks
    sentences: tuple[tuple[str, str], ...] = ()
    entries: tuple[Entry, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)


def resolve(
    state: StateDict,
    given: tuple[GivenMasks, ...] = (),
    density: float | None = None,
    *,
    ordered: bool = True,
) -> Resolved:
    """Decide about every entry of a file and of --mask.

    Args:
        state: the state dict, without wrapper prefixes, and the entries stored beside it.
        given: further masks.
        density: the share of each layer's scores that is kept, for edge-popup.
        ordered: whether the keys of the state dict are in the order of the layers.

    Returns:
        The masks, where they come from, and what became of every other entry.

    Raises:
        CheckpointError: when an entry may be a mask but cannot be applied; the message names it and a way to save it.
    """
    return _Resolver(state, density, ordered, any(not one.beside for one in given)).resolve(given)


class _Resolver:
    """Collects the decisions, one entry after the other."""

    def __init__(self, state: StateDict, density: float | None, ordered: bool, given: bool) -> None:
        self.state = state
        self.ranked = scores.keys(state)
        self.live = _live_masks(state)
        skipped = {*self.ranked, *self.live}
        self.inside = scan.masks_inside(state, skipped)
        skipped |= {leaf.path[0] for leaf in self.inside}
        self.targets = found_targets.of(state, skipped, ordered)
        self.popup = {} if given and density is None else scores.masks(state, density)
        self.entries: list[Entry] = []
        self.owners: dict[str, str] = dict(self.ranked)
        self.refused: list[tuple[MaskFamily, Problem]] = []
        self.sentences: list[tuple[str, str]] = []
        self.elsewhere: list[Leaf] = []

    def resolve(self, given: tuple[GivenMasks, ...]) -> Resolved:
        live = self._live_sets()
        own = self._score_masks()
        families = gather(self.inside, inside=True)
        beside, answers = self._beside()
        families += gather(beside)
        self.entries += [Entry(answer.leaf.name, "not read", answer.why) for answer in answers]
        for family in families:
            own += self._masks_of_family(family)
        sets = [*own, *self._further(given, [*live, *own])]
        self._refuse(any(one.given for one in sets))
        covered = {name for one in sets for name in one.masks}
        if any(owner not in covered for owner in self.ranked.values()):
            scores.masks(self.state, None)
        try:
            masks, products = combined([*live, *sets], self.state.take)
        except Problem as problem:
            raise self._error(problem, self.state.path) from None
        if not masks:
            self._refuse_masks_of_copies()
        self.sentences += [(sentence, "") for sentence in products]
        applied = {name: keep for name, keep in masks.items() if name in covered}
        return Resolved(applied, tuple(self.sentences), tuple(self.entries), self.owners)

    def _live_sets(self) -> list[MaskSet]:
        found = []
        for key, owner in self.live.items():
            mask, target = self.state.tensors[key], self.targets.tensors.get(owner)
            if target is not None and mask.shape == target.shape and is_binary(mask):
                found.append(MaskSet(key, {owner: as_bool(self.state, key, mask)}))
        return found

    def _score_masks(self) -> list[MaskSet]:
        if not self.popup:
            return []
        first = next(iter(self.ranked))
        self.sentences.append(
            (
                f"{first} and the like: the largest scores of each layer are kept, by --mask-from-scores",
                scores.NAME,
            )
        )
        return [MaskSet("the scores", self.popup)]

    def _beside(self) -> tuple[list[Leaf], list[NotAMask]]:
        found: list[Leaf] = []
        answers: list[NotAMask] = []
        for path, value in self.state.beside:
            others = list(scan.other_networks(value, path, self.targets))
            self._refuse_pruned_copies(others)
            for leaf in leaves(value, self.state.path, path):
                home = next((other for other in others if leaf.path[: len(other)] == other), None)
                if home is None:
                    found.append(self._checked(leaf))
                elif leaf.tensor is not None:
                    if scan.prunes(leaf) and any(says_mask(part) for part in leaf.parts):
                        self.elsewhere.append(leaf)
                    answers.append(
                        NotAMask(leaf, f"of {path_text(home)}, another state dict, which is not read")
                    )
        candidates, others_answers = scan.masks_beside(found, self.targets)
        return candidates, answers + others_answers

    def _refuse_pruned_copies(self, others: list[Path]) -> None:
        for path in others:
            if any(mentions_masks(part) for key in path for part in str(key).split(".")):
                home = path_text(self.state.home) or "the state dict"
                raise CheckpointError(
                    self.state.path,
                    f"holds {home} and {path_text(path)}, whose name says that it is pruned: save the "
                    "intended one by itself",
                )

    def _refuse_masks_of_copies(self) -> None:
        """Refuse a network without zeros stored beside a masked copy of it: it is unknown which of the two is meant.

        Raises:
            CheckpointError: when there is such a copy; the message names its mask.
        """
        weights = (self.targets.tensors[name] for name in self.targets.matrices)
        if self.elsewhere and all(count_nonzero(weight) == weight.numel() for weight in weights):
            home = path_text(self.state.home) or "the state dict"
            text = f"{self.elsewhere[0].name} is a mask in another state dict, and {home} has none"
            raise CheckpointError(
                self.state.path,
                f"{text}: save the intended one by itself, or give its masks with --mask",
            )

    def _checked(self, leaf: Leaf) -> Leaf:
        """Return an entry with its tensor checked and made dense if its name says mask; other tensors are only detached."""
        if leaf.tensor is None or leaf.is_list or not any(mentions_masks(part) for part in leaf.parts):
            return leaf if leaf.tensor is None else Leaf(leaf.path, leaf.tensor.detach(), leaf.is_list)
        return Leaf(leaf.path, _plain(self.state, leaf))

    def _masks_of_family(self, family: MaskFamily) -> list[MaskSet]:
        """Return the masks of a family; an empty list if it holds none or will be refused later."""
        try:
            one = self._read(family)
        except Problem as problem:
            problem.forget()
            if problem.masklike and not _prunes_nothing(family):
                self.refused.append((family, problem))
            else:
                self._no_masks(family, f"{problem.entry} {problem.text}: no mask")
            return []
        if one is None:
            self._no_masks(family, "no tensor of zeros and ones")
            return []
        self._note(family, one)
        return [one]

    def _read(self, family: MaskFamily) -> MaskSet | None:
        if not family.tensors and not (family.inside and family.named):
            return None
        rounds = assign(family, self.targets)
        oriented: dict[Path, Masks] = {}
        notes: dict[Path, dict[str, None]] = {}
        for number, fits in rounds.items():
            masks, note = orient(family, fits, self.targets)
            oriented[number] = masks
            hows = [one.how for one in fits.values() if one.how]
            notes[number] = dict.fromkeys(text for text in (note, *hows) if text)
        last, which = last_round(family.name, oriented)
        owners = (
            {fit.entry: name for fits in rounds.values() for name, fit in fits.items()}
            if family.inside
            else {}
        )
        note = "; ".join(text for text in (which, *notes[last]) if text)
        return MaskSet(family.name, oriented[last], note, family.given, owners)

    def _note(self, family: MaskFamily, one: MaskSet) -> None:
        what = f"{len(one.masks)} masks" if len(one.masks) > 1 else "the mask"
        note = f" ({one.note})" if one.note else ""
        if family.inside:
            first = family.leaves[0]
            beside = ", ".join(list(one.masks)[:1])
            sentence = (
                f"{first.name} beside {beside}: {what} in the state dict, of {listing(one.masks)}{note}"
            )
            self.sentences.append((sentence, "synaptic-flow" if _is_usual(first) else "mask-buffers"))
        else:
            self.sentences.append(
                (f"weights multiplied by {what} under {family.name}, of {listing(one.masks)}{note}", "nested")
            )
        why = f"applied to the weights{note}"
        self.entries += [
            Entry(leaf.name, "mask", why)
            for leaf in family.leaves
            if leaf.tensor is not None and not family.inside
        ]
        if family.inside:
            self.owners |= one.owners

    def _no_masks(self, family: MaskFamily, why: str) -> None:
        self.entries += [
            Entry(leaf.name, "not read", why) for leaf in family.leaves if leaf.value is not None
        ]

    def _further(self, given: tuple[GivenMasks, ...], own: list[MaskSet]) -> list[MaskSet]:
        """Return the masks that were given, and those of a file beside the checkpoint if it fits.

        Raises:
            CheckpointError: when given masks do not fit this network, or a file beside it that can be for no other does not
                fit.
        """
        sets: list[MaskSet] = []
        for one in given:
            try:
                found = masks_of(one, self._read)
                if one.beside:
                    combined([*own, found.masks])
            except Problem as problem:
                problem.forget()
                self._does_not_fit(one, f"{problem.entry} {problem.text}")
            except HoldsWeights as error:
                self.sentences.append((f"{one.what} is not used: {error.problem}", ""))
            except CheckpointError as error:
                if not one.beside:
                    raise
                self._does_not_fit(one, error.problem)
            else:
                sets.append(found.masks)
                self.sentences.append((found.sentence, one.format))
                self.entries += found.entries
        return sets

    def _does_not_fit(self, given: GivenMasks, text: str) -> None:
        if given.certain:
            way_on = (
                f"it is in the folder of {self.state.path}: say with --mask which masks are right, or "
                "move it to another folder"
            )
            raise CheckpointError(given.path, f"{text}; {way_on}")
        self.sentences.append((f"{given.what} is not used: {text}", ""))

    def _refuse(self, given: bool) -> None:
        """Refuse entries that may be masks and could not be applied, unless masks were given in their place.

        Raises:
            CheckpointError: when there is such an entry; the message names it and a way to save it.
        """
        if not given:
            for _, problem in self.refused:
                raise self._error(problem, self.state.path)
        for family, problem in self.refused:
            self._no_masks(family, f"{problem.entry} {problem.text}; the masks given are used instead")
            self.sentences.append(
                (
                    f"{family.name} is not applied: {problem.entry} {problem.text}; the masks given are used instead",
                    "",
                )
            )
            if family.inside:
                self.owners |= {str(leaf.path[0]): "" for leaf in family.leaves}

    def _error(self, problem: Problem, path: str) -> CheckpointError:
        return CheckpointError(
            path, f"{problem.entry} {problem.text}; {MASK_HINT}, or save the file without it if it is no mask"
        )


def _prunes_nothing(family: MaskFamily) -> bool:
    """Return whether the entries are all ones and their names do not mention masks."""
    values = [leaf.tensor for leaf in family.tensors if leaf.tensor is not None]
    return not family.named and all(is_binary(value) and bool(ones(value).all()) for value in values)


def _plain(state: StateDict, leaf: Leaf) -> torch.Tensor:
    assert leaf.tensor is not None
    alone = StateDict(state.path, {leaf.name: leaf.tensor}, budget=state.budget)
    return validate.usable(alone).tensors[leaf.name]


def _live_masks(state: StateDict) -> dict[str, str]:
    """Return the masks of live pruning and of parametrizations, which are applied where these are undone."""
    found: dict[str, str] = {}
    for key in state.tensors:
        if key.endswith("_mask") and f"{key[:-5]}_orig" in state.tensors:
            found[key] = key[:-5]
        elif ".parametrizations." in f".{key}" and key.endswith(".mask"):
            layer, _, rest = key.rpartition("parametrizations.")
            found[key] = f"{layer}{rest.partition('.')[0]}"
    return found


def _is_usual(leaf: Leaf) -> bool:
    return str(leaf.path[0]).rpartition(".")[2] in {"weight_mask", "bias_mask", "mask"}
