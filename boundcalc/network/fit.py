"""Match the tensors of a file to those of a module: names with and without wrapper prefixes, shared and unused tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch.nn.parameter import is_lazy

from boundcalc.checkpoint.conventions.state import listing
from boundcalc.checkpoint.shared import Groups, groups
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError
from boundcalc.network import apart, tied
from boundcalc.network.network import Network
from boundcalc.network.weights import plain_key

_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Names:
    """The mapping from a module's keys to a file's keys, which replaces one prefix by another.

    Attributes:
        file: prefix in the file, with its dot, or "".
        module: prefix in the module, with its dot, or "".
    """

    file: str
    module: str

    def in_file(self, key: str) -> str:
        """Return the file's key for a key of the module."""
        return self.file + key.removeprefix(self.module)

    def module_key(self, key: str) -> str | None:
        """Return the module's key for a key of the file, or None if that lacks the prefix."""
        return self.module + key.removeprefix(self.file) if key.startswith(self.file) else None


@dataclass(frozen=True)
class Fit:
    """A checkpoint, renamed to the keys of a module.

    Attributes:
        checkpoint: the checkpoint, reduced to the module's keys.
        names: mapping from these keys to the keys of the file.
        set_aside: keys of the file that the module does not have, and why.
        notes: assumptions that were made.
    """

    checkpoint: Checkpoint
    names: Names
    set_aside: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def load(module: torch.nn.Module, checkpoint: Checkpoint, named: str) -> Fit:
    """Load a checkpoint's tensors into a module. Tensors that the module lacks are set aside; tensors that the file lacks
    are an error.

    Args:
        module: the module, which is changed in place.
        checkpoint: the checkpoint, with canonical and raw tensors.
        named: name of the module in messages.

    Returns:
        The checkpoint, renamed to the module's keys.

    Raises:
        CheckpointError: when tensors are missing or have other shapes, or several networks in the file fit; the message
            names them.
    """
    wanted = {key: value for key, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    shared = groups(wanted)
    have = {**checkpoint.raw, **checkpoint.tensors}
    names = _names(checkpoint.path, wanted, shared, have)
    renamed = {new: tensor for key, tensor in have.items() if (new := names.module_key(key)) is not None}
    own = _own(checkpoint, names)
    one = tied.plain(shared, own.tensors)
    own = tied.agreed(own, one)
    taken = {key: own.tensors.get(key, renamed.get(key)) for key in wanted}
    for keys in shared:
        given = next((taken[key] for key in keys if taken[key] is not None), None)
        taken |= {key: given for key in keys if taken[key] is None}
    found = {key: tensor for key, tensor in taken.items() if tensor is not None}
    found |= _masks_held(own, wanted, found)
    complete = all(key in found or key.endswith(_COUNTER) for key in wanted)
    _fill(module, found if complete else {**renamed, **found}, checkpoint, named)
    kept, extra = _kept(own, set(wanted))
    outside = [
        (key, f"outside the prefix {names.file}")
        for key in checkpoint.tensors
        if names.module_key(key) is None
    ]
    unwanted = [(names.in_file(key), apart.by_name(key) or "the model has no such tensor") for key in extra]
    cut = (
        (f"the keys of the file begin with {names.file}, and those of the model do not",)
        if names.file
        else ()
    )
    return Fit(kept, names, (*unwanted, *outside), (*cut, *tied.notes(one)))


def _masks_held(
    own: Checkpoint, wanted: Mapping[str, torch.Tensor], found: Container[str]
) -> dict[str, torch.Tensor]:
    """Return values for the mask tensors of the module that the file lacks, from the masks of the checkpoint."""
    held = {}
    for key, tensor in wanted.items():
        layer, _, leaf = key.rpartition(".")
        mask = own.masks.get(f"{layer}.weight" if layer else "weight")
        if key not in found and "mask" in leaf and mask is not None and mask.shape == tensor.shape:
            held[key] = mask.to(tensor.dtype)
    return held


def select_prefix(checkpoint: Checkpoint, prefix: str | None) -> Fit:
    """Return the network of a file whose keys begin with a prefix, with the prefix removed.

    Args:
        checkpoint: checkpoint of one or several networks.
        prefix: the prefix, with or without its dot; None for the whole file.

    Raises:
        CheckpointError: when no key begins with it.
    """
    if not prefix:
        return Fit(checkpoint, Names("", ""), ())
    names = Names(f"{prefix.rstrip('.')}.", "")
    own = _own(checkpoint, names)
    if not own.tensors:
        known = listing(first.rstrip(".") for first in apart.group_by_part(checkpoint.tensors) if first)
        has = f"they begin with {known}" if known else f"they are {listing(checkpoint.tensors)}"
        raise CheckpointError(checkpoint.path, f"--prefix {prefix}: none of its keys begins with it; {has}")
    why = f"outside --prefix {prefix}"
    return Fit(own, names, tuple((key, why) for key in checkpoint.tensors if names.module_key(key) is None))


def with_file_keys(network: Network, fitted: Fit) -> Network:
    """Rename the roles and set-aside tensors of a network as in the file, and add the tensors set aside in fitting.

    Args:
        network: network made from the fitted checkpoint.
        fitted: the result of the fitting.
    """
    names = fitted.names
    return replace(
        network,
        roles=tuple((names.in_file(key), role) for key, role in network.roles),
        set_aside=(*((names.in_file(key), why) for key, why in network.set_aside), *fitted.set_aside),
        assumptions=(*fitted.notes, *network.assumptions),
    )


def strip_prefix_of(checkpoint: Checkpoint, wanted: list[str], prefix: str | None) -> Checkpoint:
    """Remove from a checkpoint the prefix before every wanted key; return it unchanged if there is none or several would
    fit.

    Args:
        checkpoint: another checkpoint of the same network.
        wanted: the wanted keys.
        prefix: prefix to remove if it fits; None for any that does.
    """
    names = [f"{prefix.rstrip('.')}."] if prefix else _prefixes_before(set(wanted), checkpoint.tensors)
    fitting = [name for name in names if all(name + key in checkpoint.tensors for key in wanted)]
    if not wanted or all(key in checkpoint.tensors for key in wanted) or len(fitting) != 1:
        return checkpoint
    return _own(checkpoint, Names(fitting[0], ""))


def _names(
    path: str, wanted: Mapping[str, torch.Tensor], shared: Groups, have: Mapping[str, torch.Tensor]
) -> Names:
    """Return the mapping under which the file has all tensors that the module needs, or else the one that misses the
    fewest.

    Raises:
        CheckpointError: when several networks in the file fit.
    """
    needed = [key for key in wanted if not key.endswith(_COUNTER)]
    others = {key: set(keys) for keys in shared for key in keys}
    candidates: dict[str, tuple[tuple[int, int], Names]] = {}
    for inner in _common_prefixes(needed):
        for outer in _prefixes_before({key.removeprefix(inner) for key in needed}, have):
            names = Names(outer, inner)
            homes = {key: [have.get(names.in_file(k)) for k in (key, *others.get(key, ()))] for key in needed}
            lacking = sum(all(home is None for home in found) for found in homes.values())
            unlike = sum(
                not any(_same_shapes(home, wanted[key]) for home in found) for key, found in homes.items()
            )
            candidates.setdefault(names.in_file(needed[0]) if needed else "", ((lacking, unlike), names))
    if not candidates:
        return Names("", "")
    exact = [names for wrong, names in candidates.values() if wrong == (0, 0)]
    plain = [names for names in exact if names == Names("", "")]
    if len(exact) > 1 and not plain:
        places = ", ".join(names.file.rstrip(".") for names in exact)
        raise CheckpointError(
            path,
            f"several networks in it fit the model, under the prefixes {places}: choose one with --prefix NAME",
        )
    if exact:
        return (plain or exact)[0]
    return min(candidates.values(), key=lambda pair: (pair[0], len(pair[1].file), len(pair[1].module)))[1]


def _same_shapes(home: torch.Tensor | None, wanted: torch.Tensor) -> bool:
    return home is not None and (is_lazy(wanted) or home.shape == wanted.shape)


def _common_prefixes(keys: list[str]) -> list[str]:
    """Return "" and every prefix, with its dot, that all keys share."""
    prefixes, rest = [""], keys
    while rest and all("." in key for key in rest) and len({key.partition(".")[0] for key in rest}) == 1:
        prefixes.append(f"{prefixes[-1]}{rest[0].partition('.')[0]}.")
        rest = [key.partition(".")[2] for key in rest]
    return prefixes


def _prefixes_before(keys: set[str], have: Iterable[str]) -> list[str]:
    """Return the prefixes before a wanted key in the keys of the file, shortest first, always including ""."""
    found = {""}
    for key in have:
        parts = key.split(".")
        for place in range(1, len(parts)):
            if ".".join(parts[place:]) in keys:
                found.add(".".join(parts[:place]) + ".")
    return sorted(found, key=lambda prefix: (len(prefix), prefix))


def _own(checkpoint: Checkpoint, names: Names) -> Checkpoint:
    """Return the part of the checkpoint under a prefix, renamed to the module's keys."""

    def renamed(table: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {new: tensor for key, tensor in table.items() if (new := names.module_key(key)) is not None}

    return replace(
        checkpoint,
        tensors=renamed(checkpoint.tensors),
        masks=renamed(checkpoint.masks),
        raw=renamed(checkpoint.raw),
        shared=tuple(
            keys
            for group in checkpoint.shared
            if len(keys := tuple(filter(None, map(names.module_key, group)))) > 1
        ),
        networks=(),
        owners={
            new: names.module_key(owner) or owner
            for key, owner in checkpoint.owners.items()
            if (new := names.module_key(key)) is not None
        },
    )


def _kept(own: Checkpoint, wanted: set[str]) -> tuple[Checkpoint, list[str]]:
    """Return the checkpoint reduced to tensors that the module has, directly or reparametrized, and the other keys."""
    known = wanted | {plain_key(key) for key in wanted}
    extra = [key for key in own.tensors if key not in known]
    tensors = {key: tensor for key, tensor in own.tensors.items() if key in known}
    masks = {key: mask for key, mask in own.masks.items() if key in known}
    return replace(own, tensors=tensors, masks=masks), extra


def _fill(
    module: torch.nn.Module, found: Mapping[str, torch.Tensor], checkpoint: Checkpoint, named: str
) -> None:
    wanted = module.state_dict()
    state: OrderedDict[str, torch.Tensor] = OrderedDict(found)
    state._metadata = _metadata(wanted, checkpoint.metadata)  # type: ignore[attr-defined]
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except Exception as error:
        problem = _shapes(wanted, found) or f"loading it raised {type(error).__name__}: {error}"
        raise CheckpointError(named, f"does not fit {checkpoint.path}: {problem}") from error
    missing = sorted(key for key in missing if not key.endswith((_COUNTER, "_extra_state")))
    if missing:
        lacks = [
            f"{what} {listing(keys)}"
            for what, keys in (("the checkpoint lacks", missing), ("the model lacks", sorted(unexpected)))
            if keys
        ]
        raise CheckpointError(named, f"does not fit {checkpoint.path}: {'; '.join(lacks)}")


def _shapes(wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> str:
    for key, tensor in found.items():
        if key in wanted and not _same_shapes(tensor, wanted[key]):
            return f"{key} is {tuple(tensor.shape)}, the model has {tuple(wanted[key].shape)}"
    return ""


def _metadata(wanted: object, stored: Mapping[str, object]) -> dict[str, object]:
    """Return the file's module versions if it has them for all modules of this model, under any prefix; else the model's
    own.
    """
    own: dict[str, object] = dict(getattr(wanted, "_metadata", {}))
    for prefix in sorted(stored, key=len):
        places = {name: ".".join(part for part in (prefix, name) if part) for name in own}
        if all(place in stored for place in places.values()):
            return {name: stored[place] for name, place in places.items()}
    return own
