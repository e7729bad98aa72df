"""What the conventions hand from one to the next: a state dict on its way to plain weights and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.errors import CheckpointError


@dataclass(frozen=True)
class DecodedTensor:
    """A tensor made from several keys of the file.

    Attributes:
        tensor: the result.
        of: the keys it replaces.
        mask: bool, of its shape, if one was declared.
    """

    tensor: torch.Tensor
    of: tuple[str, ...]
    mask: torch.Tensor | None = None


@dataclass(frozen=True)
class StateDict:
    """A state dict, as far as it has been understood.

    Attributes:
        path: the file, for errors.
        tensors: key -> tensor, in file order.
        masks: key -> bool mask of the tensor of that key, already applied.
        apart: masks that lie outside the state dict or under names of their own in it: name -> bool mask in the
            tensor's shape, not yet applied.
        home: the keys in the file on the way to the state dict.
        beside: what else lies in the file: the keys on the way to it, and the entry.
        evidence: one sentence for each convention recognised.
        formats: the short names of these conventions.
        ignored: entries that carry no weights.
        renamed: key in the file -> key here, where a wrapper's prefix was cut off.
        networks: prefixes of state dicts that lay beside each other, two or more.
        metadata: the state dict's ``_metadata``: module's name in the file -> its version.
        budget: of the file; None for what is in memory.
    """

    path: str
    tensors: Mapping[str, torch.Tensor]
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)
    apart: Mapping[str, torch.Tensor] = field(default_factory=dict)
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
        """Count memory in the file's budget before it is allocated.

        Args:
            size: bytes.
            what: needs them, for the error.

        Raises:
            CheckpointError: the file would take more than its budget.
        """
        if self.budget is not None:
            self.budget.take(size, what)

    def noting(self, sentence: str, name: str | None = None) -> StateDict:
        """Add evidence.

        Args:
            sentence: what was seen.
            name: of the convention, if this makes one.

        Returns:
            The state with it.
        """
        formats = self.formats if name is None or name in self.formats else (*self.formats, name)
        return replace(self, evidence=(*self.evidence, sentence), formats=formats)

    def with_parts(self, parts: Mapping[str, DecodedTensor]) -> StateDict:
        """Put decoded tensors in the place of the keys they were made of.

        Args:
            parts: new key -> its tensor, mask and the keys it replaces.

        Returns:
            The state with them; masks of replaced keys go.

        Raises:
            CheckpointError: when a new key is already taken.
        """
        owner = {key: new for new, part in parts.items() for key in part.of}
        for new in parts:
            if new in self.tensors and owner.get(new) != new:
                raise CheckpointError(
                    self.path, f"{new} is there beside the keys it would be made of: {listing(parts[new].of)}"
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

    def mask_apart(self, key: str) -> torch.Tensor | None:
        """Find the mask outside the state dict that is meant for a tensor.

        Args:
            key: of the tensor, as it will be called.

        Returns:
            The mask under its name or its layer's, not yet checked, or None.
        """
        if key not in self.apart and key.endswith(".weight"):
            return self.apart.get(key.removesuffix(".weight"))
        return self.apart.get(key)


@dataclass(frozen=True)
class Convention:
    """How some tool stores a layer's weight under keys of its own.

    Attributes:
        name: short, in the report's ``checkpoint.format``.
        rank: conventions are undone in this order; one that reads what another leaves has the higher rank.
        decode: turns the keys into plain weights and declared masks; returns the state as it is where it does not show.
        told: for `boundcalc formats`: what it looks like, how weight and mask are obtained, what it was tried with; empty where
            `boundcalc.checkpoint.listing` has them.
    """

    name: str
    rank: int
    decode: Callable[[StateDict], StateDict]
    told: tuple[str, str, str] | tuple[()] = ()


def listing(names: Iterable[str], most: int = 4) -> str:
    """Write names as one would say them.

    Args:
        names: any number of names.
        most: how many to write out.

    Returns:
        ``"a, b and 3 more"``.
    """
    all_names = list(names)
    shown = ", ".join(all_names[:most])
    return shown if len(all_names) <= most else f"{shown} and {len(all_names) - most} more"
