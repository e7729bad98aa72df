"""From a path to a `Checkpoint`: container, wrappers, conventions, masks, checks, in this order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint import masks_apart, open_lth, pickled, safetensors_file, validate
from boundcalc.checkpoint.conventions import decode, lightning, nested, plain, wrappers
from boundcalc.checkpoint.conventions.state import State, listing
from boundcalc.checkpoint.masks_apart import Source
from boundcalc.checkpoint.program import Program
from boundcalc.checkpoint.sniff import Container, container
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError, only_own_errors
from boundcalc.files import Refuse, check_unchanged, entries, is_folder, look, open_file, stamps

_CHUNK = 1 << 20
_SUFFIXES = frozenset({".bin", ".ckpt", ".pt", ".pt2", ".pth", ".safetensors"})
_BY_PRECEDENCE = (
    "pt2",
    "open_lth",
    "prune-live",
    "synaptic-flow",
    "parametrizations",
    "galanti",
    "weight-norm",
    "spectral-norm",
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


def read(path: str | Path, mask: str | Path | None = None, max_memory: float | None = None) -> Checkpoint:
    """Read a checkpoint of any convention that `formats` lists. Nothing in it is executed.

    Args:
        path: a file, or a folder of open_lth or of safetensors shards.
        mask: a further file with masks, by which the weights are multiplied.
        max_memory: gigabytes that the tensors of one file may take; None for 4 times its size or 2 GB, whichever is larger.

    Returns:
        The canonical content.

    Raises:
        CheckpointError: when anything about it is unreadable, refused, or not understood, or changes while it is read.
    """
    place = Path(path)
    with only_own_errors(place):
        before = stamps(files_of(place))
        checkpoint = _read(place, None if mask is None else Path(mask), max_memory)
        check_unchanged(before)
    return checkpoint


def _read(place: Path, mask: Path | None, max_memory: float | None) -> Checkpoint:
    ticket = open_lth.ticket_at(place)
    opened = _open(ticket.model if ticket else _file_at(place), max_memory)
    state = nested.unwrap(opened.saved, str(ticket.model if ticket else place))
    state = validate.usable(_note_container(state, opened, ticket), opened.budget)
    if is_folder(place) and ticket is None:
        state = state.noting(f"{opened.files[0].name} in the folder")
    state = lightning.decode(wrappers.strip(state))
    raw = state.tensors
    sources = _mask_sources(state, ticket, mask, max_memory)
    state = replace(state, apart={name: kept for source in sources for name, kept in source.masks.items()})
    state = decode(state)
    for source in sources:
        state = masks_apart.apply(state, source)
    validate.network(state)
    state = plain.note_inferred_masks(state)
    files = opened.files if ticket is None or not is_folder(place) else ticket.files
    return Checkpoint(
        path=str(place),
        sha256=digest(files),
        format=next(name for name in _BY_PRECEDENCE if name in state.formats),
        evidence=state.evidence,
        tensors=dict(state.tensors),
        masks=dict(state.masks),
        raw=masks_apart.apply_to_raw(raw, state.masks) if sources else dict(raw),
        ordered=opened.container not in {Container.SAFETENSORS, Container.SHARD_INDEX},
        program=_renamed(opened.program, state),
        reference=ticket.reference if ticket else None,
        ignored=state.ignored,
    )


def files_of(path: str | Path) -> tuple[Path, ...]:
    """Return the files whose `digest` is the ``sha256`` of the checkpoint that `read` finds at a path, without reading tensors.

    Args:
        path: a file, or a folder of open_lth or of safetensors shards.

    Raises:
        CheckpointError: no checkpoint is there, or several.
    """
    place = Path(path)
    ticket = open_lth.ticket_at(place)
    if ticket is not None:
        return ticket.files if is_folder(place) else (ticket.model,)
    file = _file_at(place)
    return safetensors_file.shard_files(file) if container(file) is Container.SHARD_INDEX else (file,)


def from_state_dict(tensors: Mapping[str, torch.Tensor], name: str) -> Checkpoint:
    """Read the state dict of a module in memory, in whatever convention its keys are.

    Args:
        tensors: as `torch.nn.Module.state_dict` returns it.
        name: stands for the path, in messages and in the report.

    Returns:
        The canonical content; the digest is that of the tensors' keys and bytes.

    Raises:
        CheckpointError: no weights, values that are not finite, or keys of two minds.
    """
    saved = {key: tensor.detach().cpu() for key, tensor in tensors.items()}
    state = validate.usable(nested.unwrap(saved, name), None)
    raw = dict(state.tensors)
    state = decode(state)
    validate.network(state)
    state = plain.note_inferred_masks(state)
    digest = hashlib.sha256()
    for key in sorted(saved):
        digest.update(key.encode())
        digest.update(saved[key].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return Checkpoint(
        path=name,
        sha256=digest.hexdigest(),
        format=next(found for found in _BY_PRECEDENCE if found in state.formats),
        evidence=("a module in memory", *state.evidence),
        tensors=dict(state.tensors),
        masks=dict(state.masks),
        raw=raw,
        ignored=state.ignored,
    )


def _file_at(place: Path) -> Path:
    if not is_folder(place):
        return place
    files = [path.name for path in entries(place) if path.suffix in _SUFFIXES]
    found = safetensors_file.index_in(place)
    others = [name for name in files if not name.endswith(".safetensors")]
    if others:
        raise CheckpointError(place, f"a folder of several files, pass one: {listing(files)}")
    return found or place


def _open(path: Path, max_memory: float | None) -> _Opened:
    kind = container(path)
    files = safetensors_file.shard_files(path) if kind is Container.SHARD_INDEX else (path,)
    budget = Budget.of(path, sum(look(file).size for file in files), max_memory)
    if kind is Container.SAFETENSORS:
        return _Opened(safetensors_file.load(path), kind, files, budget)
    if kind is Container.SHARD_INDEX:
        return _Opened(safetensors_file.load_shards(path), kind, files, budget)
    if kind is Container.PT2:
        from boundcalc.checkpoint import pt2

        program, tensors = pt2.load(path, budget)
        return _Opened(tensors, kind, files, budget, program)
    with open_file(path) as file:
        return _Opened(pickled.load(file, path, budget), kind, files, budget)


def _note_container(state: State, opened: _Opened, ticket: open_lth.Ticket | None) -> State:
    if ticket is not None:
        state = state.noting(f"{ticket.model.name} in an open_lth result folder", "open_lth")
    if opened.container is Container.PT2:
        return state.noting("a torch.export archive, with the forward pass", "pt2")
    if opened.container is Container.SAFETENSORS:
        return state.noting("a safetensors file; its keys are sorted, not in layer order", "safetensors")
    if opened.container is Container.SHARD_INDEX:
        count = len(opened.files) - 1
        return state.noting(f"{count} safetensors shards; keys are not in layer order", "safetensors")
    return state


def _mask_sources(
    state: State, ticket: open_lth.Ticket | None, mask: Path | None, max_memory: float | None
) -> list[Source]:
    sources = []
    if state.apart:
        beside = masks_apart.by_owner(state.apart, state.path)
        sources.append(Source(Path(state.path), "the entry beside the state dict", "nested", beside))
    if ticket is not None and ticket.mask is not None:
        masks = _masks_in(ticket.mask, max_memory)
        agreement = open_lth.check_report(ticket, masks)
        what = f"{ticket.mask.name} beside it" + (f" ({agreement})" if agreement else "")
        sources.append(Source(ticket.mask, what, "open_lth", masks))
    if mask is not None:
        file = mask / open_lth.MASK if is_folder(mask) else mask
        sources.append(Source(file, str(file), "mask-file", _masks_in(file, max_memory)))
    if ticket is not None and ticket.needs_mask and not sources:
        raise CheckpointError(
            state.path,
            "no mask.pth beside it, and open_lth's models are not zeroed: give the mask with --mask",
        )
    return sources


def _masks_in(file: Path, max_memory: float | None) -> dict[str, torch.Tensor]:
    with only_own_errors(file):
        before = stamps([file])
        opened = _open(file, max_memory)
        masks = masks_apart.from_object(opened.saved, str(file), opened.budget)
        check_unchanged(before)
    return masks


def _renamed(program: Program | None, state: State) -> Program | None:
    if program is None:
        return None
    return replace(
        program, state={value: state.renamed.get(key, key) for value, key in program.state.items()}
    )


def digest(files: Iterable[Path], refuse: Refuse = CheckpointError) -> str:
    """Return the sha256 of files, one after the other in the order of their paths, in hexadecimal.

    Args:
        files: regular files.
        refuse: makes the error for one that cannot be read.
    """
    found = hashlib.sha256()
    for path in sorted(files):
        with open_file(path, refuse) as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                found.update(chunk)
                left -= len(chunk)
    return found.hexdigest()
