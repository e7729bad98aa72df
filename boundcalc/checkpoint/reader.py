"""Turn a path into a `Checkpoint`: container, wrappers, conventions, masks and checks, in this order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint import folders, numpy_file, open_lth, pickled, safetensors_file, shards, validate
from boundcalc.checkpoint.container import Container, container
from boundcalc.checkpoint.conventions import bitmask, decode, lightning, nested, plain, quantized, wrappers
from boundcalc.checkpoint.conventions.state import StateDict, listing
from boundcalc.checkpoint.masks import apply as masks_applied
from boundcalc.checkpoint.masks import folder
from boundcalc.checkpoint.masks.given import GivenMasks, is_masks_alone
from boundcalc.checkpoint.masks.resolver import resolve
from boundcalc.checkpoint.program import Program
from boundcalc.checkpoint.shared import groups
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError, only_own_errors
from boundcalc.files import Refuse, check_unchanged, is_folder, open_file, stamp_of, stamps

_CHUNK = 1 << 20
_BY_PRECEDENCE = (
    "pt2",
    "onnx",
    "open_lth",
    "compressed-tensors",
    "prune-live",
    "synaptic-flow",
    "parametrizations",
    "galanti",
    "weight-norm",
    "spectral-norm",
    "edge-popup",
    "mask-buffers",
    "nested",
    "mask-file",
    "lightning",
    "safetensors",
    "dense-zeros",
)


@dataclass(frozen=True)
class _Opened:
    saved: object
    container: Container
    files: tuple[Path, ...]
    budget: Budget
    program: Program | None = None
    ordered: bool = True


def read(
    path: str | Path, mask: Any = None, max_memory: float | None = None, mask_from_scores: float | None = None
) -> Checkpoint:
    """Read a checkpoint in any convention that `formats` lists. Nothing in it is executed.

    Args:
        path: a file, an open_lth folder, or a folder with one checkpoint, which may be sharded.
        mask: masks by which the weights are multiplied: a file, or a table or list of tensors in any form that such a file
            may have.
        max_memory: limit on the memory of one file's tensors, in gigabytes; None for 4 times its size or 2 GB, whichever is
            larger.
        mask_from_scores: the share of each layer that is kept, for the scores of edge-popup.

    Returns:
        The canonical content.

    Raises:
        CheckpointError: when anything about it is unreadable, refused, or not understood, or changes while it is read.
    """
    place = Path(path)
    with only_own_errors(place):
        before = stamps(files_of(place))
        checkpoint = _read(place, mask, max_memory, mask_from_scores)
        check_unchanged(before)
    if checkpoint.budget is not None:
        checkpoint.budget.settle(_stored_bytes(checkpoint))
    return checkpoint


def _stored_bytes(checkpoint: Checkpoint) -> int:
    tensors = (*checkpoint.tensors.values(), *checkpoint.masks.values(), *checkpoint.raw.values())
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def _read(place: Path, mask: Any, max_memory: float | None, density: float | None) -> Checkpoint:
    ticket = open_lth.ticket_at(place)
    file, others = (ticket.model, "") if ticket else _file_at(place)
    opened = _open(file, max_memory)
    if is_masks_alone(opened.saved, str(place), folder.is_mask_file(opened.files[0])):
        raise CheckpointError(
            place,
            "holds masks but no weights: give it with --mask, together with the checkpoint to "
            "which it belongs",
        )
    state = nested.unwrap(opened.saved, str(ticket.model if ticket else place))
    state = _note_container(state, opened, ticket)
    if is_folder(place) and ticket is None:
        state = state.with_note(f"{opened.files[0].name} in the folder" + (f"; {others}" if others else ""))
    given, unused = _given_masks(state, ticket, mask, max_memory), ""
    if ticket is None and mask is None:
        given, unused = _beside(opened.files[0], max_memory)
    files = opened.files if ticket is None or not is_folder(place) else ticket.files
    checkpoint = _decoded(state, given, density, ordered=opened.ordered, budget=opened.budget)
    if unused and not checkpoint.masks:
        checkpoint = replace(checkpoint, evidence=(*checkpoint.evidence, unused))
    return replace(
        checkpoint,
        path=str(place),
        sha256=digest(files),
        program=_with_renamed_state(opened.program, checkpoint.renamed),
        reference=ticket.reference if ticket else None,
    )


def _decoded(
    state: StateDict,
    given: tuple[GivenMasks, ...],
    density: float | None,
    *,
    ordered: bool,
    budget: Budget | None,
) -> Checkpoint:
    """Return the content of a state dict and of the entries beside it, without path and digest."""
    quantized.refuse(state)
    state = lightning.decode(wrappers.strip(validate.usable(replace(state, budget=budget))))
    state, unpacked = bitmask.decode(state)
    raw = state.tensors
    resolved = resolve(state, given, density, ordered=ordered)
    decoded = decode(masks_applied.without_masks(state, resolved))
    state = masks_applied.apply(decoded, resolved)
    validate.network(state)
    state = plain.note_inferred_masks(state)
    return Checkpoint(
        path=state.path,
        sha256="",
        format=next(name for name in _BY_PRECEDENCE if name in state.formats),
        evidence=state.evidence,
        tensors=dict(state.tensors),
        masks=dict(state.masks),
        raw=masks_applied.to_raw(raw, resolved.masks, state),
        ordered=ordered,
        ignored=state.ignored,
        entries=(*masks_applied.entries(state, raw, resolved), *unpacked),
        owners=dict(resolved.owners),
        renamed=dict(state.renamed),
        alive=masks_applied.count_alive(decoded, resolved),
        networks=state.networks,
        shared=groups(raw),
        metadata=state.metadata,
        budget=budget,
    )


def files_of(path: str | Path) -> tuple[Path, ...]:
    """Return, without reading tensors, the files over which `read` computes the ``sha256`` of the checkpoint at a path.

    Args:
        path: a file, an open_lth folder, or a folder with one checkpoint, which may be sharded.

    Raises:
        CheckpointError: when there is no checkpoint, or several.
    """
    place = Path(path)
    ticket = open_lth.ticket_at(place)
    if ticket is not None:
        return ticket.files if is_folder(place) else (ticket.model,)
    file, _ = _file_at(place)
    kind = container(file)
    if kind is Container.ONNX:
        from boundcalc.checkpoint import onnx_file

        return onnx_file.files_of(file)
    return shards.shard_files(file) if kind is Container.SHARD_INDEX else (file,)


def from_state_dict(
    saved: Mapping[str, Any], name: str, mask: Any = None, mask_from_scores: float | None = None
) -> Checkpoint:
    """Read the state dict of a module in memory, with keys in any convention.

    Args:
        saved: the result of `torch.nn.Module.state_dict`, or any table that a file may hold.
        name: name used instead of a path, in messages and in the report.
        mask: masks by which the weights are multiplied, as in `read`.
        mask_from_scores: the share of each layer that is kept, for the scores of edge-popup.

    Returns:
        The canonical content; the digest is computed over the tensors' keys and bytes.

    Raises:
        CheckpointError: when there are no weights, values that are not finite, or keys that contradict each other.
    """
    with only_own_errors(name):
        state = nested.unwrap(_on_cpu(dict(saved)), name).with_note("a module in memory")
        given = _given_masks(state, None, mask, None)
        checkpoint = _decoded(state, given, mask_from_scores, ordered=True, budget=None)
        digest = hashlib.sha256()
        for key, tensor in sorted(state.tensors.items()):
            digest.update(key.encode())
            digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return replace(checkpoint, sha256=digest.hexdigest(), metadata=nested.metadata_of(saved))


def _on_cpu(saved: Any) -> Any:
    """Return nested tables and lists with every tensor moved to the CPU and detached."""
    if isinstance(saved, torch.Tensor):
        return saved.detach().cpu()
    if isinstance(saved, Mapping):
        return {key: _on_cpu(value) for key, value in saved.items()}
    return type(saved)(map(_on_cpu, saved)) if type(saved) in {list, tuple} else saved


def _file_at(place: Path) -> tuple[Path, str]:
    return folders.model_in(place) if is_folder(place) else (place, "")


def _open(path: Path, max_memory: float | None) -> _Opened:
    kind = container(path)
    files = shards.shard_files(path) if kind is Container.SHARD_INDEX else (path,)
    budget = Budget.of(path, sum(stamp_of(file).size for file in files), max_memory)
    if kind is Container.SAFETENSORS:
        tensors, ordered = safetensors_file.load(path)
        return _Opened(tensors, kind, files, budget, ordered=ordered)
    if kind is Container.SHARD_INDEX:
        return _Opened(shards.load_shards(path, budget), kind, files, budget, ordered=False)
    if kind is Container.PT2:
        from boundcalc.checkpoint import pt2

        program, tensors = pt2.load(path, budget)
        return _Opened(tensors, kind, files, budget, program)
    if kind is Container.ONNX:
        from boundcalc.checkpoint import onnx_file

        program, tensors, files = onnx_file.load(path, budget)
        return _Opened(tensors, kind, files, budget, program)
    with open_file(path) as file:
        return _Opened(pickled.load(file, path, budget), kind, files, budget)


def _note_container(state: StateDict, opened: _Opened, ticket: open_lth.OpenLthTicket | None) -> StateDict:
    if ticket is not None:
        state = state.with_note(f"{ticket.model.name} in an open_lth result folder", "open_lth")
    if opened.container is Container.PT2:
        return state.with_note("a torch.export archive, with the forward pass", "pt2")
    if opened.container is Container.ONNX:
        return state.with_note("an ONNX model, with the forward pass", "onnx")
    if opened.container is Container.SAFETENSORS:
        order = "in the order that boundcalc wrote" if opened.ordered else "sorted, not in layer order"
        return state.with_note(f"a safetensors file; its keys are {order}", "safetensors")
    if opened.container is Container.SHARD_INDEX:
        count = len(opened.files) - 1
        return state.with_note(
            f"{count} shards, with an index; the order of the keys is not that of the layers", "safetensors"
        )
    return state


def _given_masks(
    state: StateDict, ticket: open_lth.OpenLthTicket | None, mask: Any, max_memory: float | None
) -> tuple[GivenMasks, ...]:
    """Return the masks that are stored in files of their own or were given in Python.

    Raises:
        CheckpointError: when a ticket that is useless without a mask has none.
    """
    found: list[GivenMasks] = []
    if ticket is not None and ticket.mask is not None:
        found.append(_ticket_masks(ticket, ticket.mask, max_memory))
    if isinstance(mask, str | Path):
        place = Path(mask)
        found.append(
            _masks_in_file(folder.in_folder(place, open_lth.MASK) if is_folder(place) else place, max_memory)
        )
    elif mask is not None:
        found.append(GivenMasks("mask=", _on_cpu(mask), "mask="))
    if ticket is not None and ticket.needs_mask and not found:
        raise CheckpointError(
            state.path,
            "no mask.pth beside it, and open_lth does not set pruned weights to zero: give the mask "
            "with --mask",
        )
    return tuple(found)


def _ticket_masks(ticket: open_lth.OpenLthTicket, file: Path, max_memory: float | None) -> GivenMasks:
    given = _masks_in_file(file, max_memory)
    saved = given.saved if isinstance(given.saved, dict) else {}
    masks = {str(key): mask for key, mask in saved.items() if isinstance(mask, torch.Tensor)}
    agreement = open_lth.check_report(ticket, masks)
    what = f"{file.name} beside it" + (f" ({agreement})" if agreement else "")
    return replace(given, what=what, format="open_lth")


def _masks_in_file(file: Path, max_memory: float | None) -> GivenMasks:
    with only_own_errors(file):
        before = stamps([file])
        if numpy_file.is_numpy(file):
            saved, budget = numpy_file.load(file, max_memory)
        else:
            opened = _open(file, max_memory)
            saved, budget = opened.saved, opened.budget
        check_unchanged(before)
    return GivenMasks(str(file), saved, str(file), budget=budget)


def _beside(file: Path, max_memory: float | None) -> tuple[tuple[GivenMasks, ...], str]:
    """Return the masks stored beside a checkpoint, and a sentence about those that are not used."""
    found, others = folder.mask_files_beside(file)
    if found is not None:
        what = f"{found.path.name} beside it"
        given = replace(_masks_in_file(found.path, max_memory), what=what, certain=found.certain, beside=True)
        return (given,), ""
    return (
        (),
        f"{listing(others)} beside it: not used; if one holds its masks, give it with --mask"
        if others
        else "",
    )


def _with_renamed_state(program: Program | None, renamed: Mapping[str, str]) -> Program | None:
    if program is None:
        return None
    return replace(
        program,
        state={value: renamed.get(key, key) for value, key in program.state.items()},
        buffers=frozenset(renamed.get(key, key) for key in program.buffers),
    )


def digest(files: Iterable[Path], refuse: Refuse = CheckpointError) -> str:
    """Return the sha256 of the concatenated files, in the order of their paths, in hexadecimal.

    Args:
        files: paths of regular files.
        refuse: makes the error for a file that cannot be read.
    """
    found = hashlib.sha256()
    for path in sorted(files):
        with open_file(path, refuse) as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                found.update(chunk)
                left -= len(chunk)
    return found.hexdigest()
