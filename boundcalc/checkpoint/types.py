"""The result of reading a checkpoint, whatever convention it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint.program import Program
from boundcalc.checkpoint.shared import Groups

_BYTES = 10
"""Bytes per weight: its value in float64, whether it is 0, and whether its mask keeps it."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file, or one entry that might have been a mask, and what became of it.

    Attributes:
        key: key in the file; for a nested entry, the keys that lead to it, joined by dots.
        role: ``"weight"``, ``"mask"``, ``"bias"``, ``"buffer"``, ``"unused"`` or ``"not read"``.
        why: the reason, in a few words.
        tensor: key of the tensor in `Checkpoint.raw`; "" for anything outside the state dict.
    """

    key: str
    role: str
    why: str
    tensor: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """The canonical content of a checkpoint.

    Attributes:
        path: path as the user gave it.
        sha256: hexadecimal digest of the file (of all files read, in name order, for a folder).
        format: short name of the convention, as `boundcalc formats` lists it.
        evidence: reasons for this convention, one short sentence each, for the report.
        tensors: plain state dict without reparametrizations and wrappers, in file order; weights are already multiplied by
            their mask (`"fc1.weight"`, `"fc1.bias"`, `"bn1.running_mean"`, ...), original dtypes, on the CPU. Masks are not
            in it.
        masks: declared masks, keys as in `tensors` (`"fc1.weight"`), bool, shape of the tensor; a layer without a declared
            mask is absent (its mask is then inferred from exact zeros).
        raw: the state dict without wrapper prefixes and before reparametrizations were undone, for models that use them.
        ordered: whether the order of `tensors` is the order in which the layers were registered.
        program: the captured forward pass, if the file holds one (.pt2, ONNX).
        reference: path of the initialization found beside the checkpoint, if any.
        ignored: entries that carry no weights.
        entries: every tensor of the file, and of a file of masks, once.
        owners: key in `raw` of a mask, or of scores used as one -> the tensor that it is for.
        renamed: key in the file -> key in `raw`, which differs where a wrapper's prefix was removed.
        alive: key -> number of weights that a mask stored beside them prunes although they are not zero in the file.
        networks: prefixes of `raw` under which there were separate state dicts, if there are two or more.
        shared: groups of keys in `raw` that name the same tensor in the file.
        metadata: versions of the modules that wrote the state dict, by their names in the file (``_metadata``).
        budget: memory that the file may still use; None for objects in memory.
    """

    path: str
    sha256: str
    format: str
    evidence: tuple[str, ...]
    tensors: dict[str, torch.Tensor]
    masks: dict[str, torch.Tensor]
    raw: dict[str, torch.Tensor]
    ordered: bool = True
    program: Program | None = None
    reference: Path | None = None
    ignored: tuple[str, ...] = field(default=())
    entries: tuple[Entry, ...] = field(default=())
    owners: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    alive: dict[str, int] = field(default_factory=dict)
    networks: tuple[str, ...] = field(default=())
    shared: Groups = field(default=())
    metadata: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget | None = field(default=None, compare=False, repr=False)

    def check_memory(self) -> None:
        """Refuse weights for which another copy in float64, with two bool masks, would exceed the memory that the file may
        use.

        Raises:
            CheckpointError: when it would.
        """
        if self.budget is not None:
            entries = sum(tensor.numel() for tensor in self.tensors.values() if tensor.dim() > 1)
            self.budget.check(_BYTES * entries, f"its network of {entries:,} weights in float64")
