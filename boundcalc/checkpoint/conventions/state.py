"""The data that the conventions pass on to each other: a state dict on its way to plain weights and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.errors import CheckpointError


@dataclass(frozen=True)
class DecodedTensor:
    """A tensor computed from several entries of the file.

    Attributes:
        tensor: the computed tensor.
        of: the keys that it replaces.
        mask: bool mask of the same shape, if one was declared.
    """

    tensor: torch.Tensor
    of: tuple[str, ...]
    mask: torch.Tensor | None = None


@dataclass(frozen=True)
class StateDict:
    """A state dict, decoded so far.

    Attributes:
        path: path of the file, for errors.
        tensors: key -> tensor, in file order.
        masks: key -> bool mask of the tensor of that key, already applied.
        unapplied_masks: name -> bool mask in the tensor's shape, not yet applied, for masks stored outside the state dict or under
            names of their own in it.
        home: keys that lead to the state dict in the file.
        beside: the other entries of the file, each with the keys that lead to it.
        evidence: one sentence for each convention recognized.
        formats: short names of these conventions.
        ignored: entries that carry no weights.
        renamed: key in the file -> key here, which differs where a wrapper's prefix was removed.
        networks: prefixes of state dicts stored beside each other, if there are two or more.
        metadata: the state dict's ``_metadata``: module's name in the file -> its version.
        budget: memory budget of the file; None for objects in memory.
    """

    path: str
    tensors: Mapping[str, torch.Tensor]
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)
    unapplied_masks: Mapping[str, torch.Tensor] = field(default_factory=dict)
    home: tuple[Any, ...] = ()
    beside: tuple[tuple[tuple[Any, ...], Any], ...] = ()
    evidence: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    budget: Budget | None = field(default=None, compare=False, repr=False)

    def take(self, size: int, what: str) -> None:
        """Reserve memory in the file's budget before it is allocated.

        Args:
            size: number of bytes.
            what: what needs them, for the error.

        Raises:
            CheckpointError: when the file would exceed its budget.
        """
        if self.budget is not None:
            self.budget.take(size, what)

    def with_note(self, sentence: str, name: str | None = None) -> StateDict:
        """Add a sentence of evidence.

        Args:
            sentence: what was found.
            name: short name of the convention, if the sentence is about one.

        Returns:
            The state with the sentence.
        """
        formats = self.formats if name is None or name in self.formats else (*self.formats, name)
        return replace(self, evidence=(*self.evidence, sentence), formats=formats)

    def with_parts(self, parts: Mapping[str, DecodedTensor]) -> StateDict:
        """Replace keys by the tensors that were decoded from them.

        Args:
            parts: new key -> its tensor, mask and the keys that it replaces.

        Returns:
            The state with the new tensors and their masks; the masks of replaced keys are dropped.

        Raises:
            CheckpointError: when a new key already exists.
        """
        owner = {key: new for new, part in parts.items() for key in part.of}
        for new in parts:
            if new in self.tensors and owner.get(new) != new:
                raise CheckpointError(
                    self.path,
                    f"{new} is in the file, and so are the keys from which it would be computed: "
                    f"{listing(parts[new].of)}",
                )
        tensors: dict[str, torch.Tensor] = {}
        for key, tensor in self.tensors.items():
            if key not in owner:
                tensors[key] = tensor
            elif owner[key] not in tensors:
                tensors[owner[key]] = parts[owner[key]].tensor
        masks = {key: mask for key, mask in self.masks.items() if key not in owner}
        masks.update({new: part.mask for new, part in parts.items() if part.mask is not None})
        return replace(self, tensors=tensors, masks=masks)

    def unapplied_mask(self, key: str) -> torch.Tensor | None:
        """Find the not yet applied mask that is meant for a tensor.

        Args:
            key: final name of the tensor.

        Returns:
            The mask stored under the tensor's or its layer's name, not yet checked, or None.
        """
        if key not in self.unapplied_masks and key.endswith(".weight"):
            return self.unapplied_masks.get(key.removesuffix(".weight"))
        return self.unapplied_masks.get(key)


@dataclass(frozen=True)
class Convention:
    """How a tool stores a layer's weight under keys of its own.

    Attributes:
        name: short name, shown as the report's ``checkpoint.format``.
        rank: conventions are undone in increasing rank; one that reads the result of another has the higher rank.
        decode: turns the keys into plain weights and declared masks; returns the state unchanged if it does not use the
            convention.
        formats_row: texts for `boundcalc formats`: what the convention looks like, how weight and mask are obtained, what it was
            tested with; empty if `boundcalc.checkpoint.listing` has them.
    """

    name: str
    rank: int
    decode: Callable[[StateDict], StateDict]
    formats_row: tuple[str, str, str] | tuple[()] = ()


def listing(names: Iterable[str], most: int = 4) -> str:
    """Join names in one phrase, shortened if there are many.

    Args:
        names: any number of names.
        most: number of names to write out.

    Returns:
        A text such as ``"a, b and 3 more"``.
    """
    all_names = list(names)
    shown = ", ".join(all_names[:most])
    return shown if len(all_names) <= most else f"{shown} and {len(all_names) - most} more"
