"""The tensors that masks can be for, by their plain names, before reparametrizations are undone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from boundcalc.checkpoint.conventions.state import StateDict

_PARAMETRIZED = re.compile(r"(?P<layer>.*?)parametrizations\.(?P<tensor>[^.]+)\.(?P<rest>.+)")
_WEIGHT = "weight"
_WRAPPERS = re.compile(
    r"(?:(?:^|(?<=\.))(?:module|_orig_mod|_forward_module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+"
)
_PARTS = re.compile(r"(?P<name>(?:.*\.)?(?:weight|bias))_(?P<part>v_orig|orig|g_orig|v|g|u)(?P<mask>_mask)?")


@dataclass(frozen=True, eq=False)
class Targets:
    """Tensors that a mask may be for.

    Attributes:
        tensors: plain name (``fc1.weight``) -> values, in file order; a reparametrized tensor is represented by its
            original or its direction, which has the same shape and the same zeros.
        ordered: whether that order is the order of the layers.
        renamed: key in the file -> key without prefixes.
        take: reserves bytes in the file's budget before a mask is made; takes their number and a description of the mask.
    """

    tensors: Mapping[str, torch.Tensor]
    ordered: bool
    renamed: Mapping[str, str] = field(default_factory=dict)
    take: Callable[[int, str], None] = lambda size, what: None

    @cached_property
    def matrices(self) -> list[str]:
        """Names of the tensors of two or more dimensions."""
        return [name for name, tensor in self.tensors.items() if tensor.dim() > 1]

    @cached_property
    def shapes(self) -> frozenset[tuple[int, ...]]:
        """Shapes of the matrices."""
        return frozenset(tuple(self.tensors[name].shape) for name in self.matrices)

    @cached_property
    def rows(self) -> frozenset[int]:
        """The numbers of rows that the matrices have."""
        return frozenset(shape[0] for shape in self.shapes)

    @cached_property
    def total(self) -> int:
        """Number of entries of all matrices."""
        return sum(self.tensors[name].numel() for name in self.matrices)

    @cached_property
    def _prefix(self) -> str:
        """The common first part of all names: the attribute that holds the network, which names of masks may lack."""
        firsts = {name.partition(".")[0] for name in self.tensors if "." in name}
        return f"{firsts.pop()}." if len(firsts) == 1 and all("." in name for name in self.tensors) else ""

    @cached_property
    def _flat(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in self.tensors:
            keys = {_flattened(name)}
            if name.endswith(f".{_WEIGHT}"):
                keys.add(_flattened(name.removesuffix(f".{_WEIGHT}")))
            for key in keys:
                found[key] = None if key in found else name
        return found

    def find(self, name: str) -> str | None:
        """Return the name of the tensor that a name refers to.

        Args:
            name: name of a tensor, or of a layer (for its weight); with or without the prefixes of the file; other signs
                may replace the dots.
        """
        bare = _WRAPPERS.sub("", name)
        for key in (name, f"{name}.{_WEIGHT}", bare, f"{bare}.{_WEIGHT}"):
            for own in (key, self.renamed.get(key), f"{self._prefix}{key}"):
                if own in self.tensors:
                    return str(own)
        if not name and list(self.tensors)[:1] == [_WEIGHT]:
            return _WEIGHT
        return self._flat.get(_flattened(name))

    def classes(self) -> Iterable[list[str]]:
        """Yield the lists of tensors that a list of masks may be for: matrices, all weights, weights and biases, all
        tensors.
        """
        named = [name for name in self.tensors if name.rpartition(".")[2] == _WEIGHT]
        learnt = [name for name in self.tensors if name.rpartition(".")[2] in {_WEIGHT, "bias"}]
        seen: list[list[str]] = []
        for names in (self.matrices, named, learnt, list(self.tensors)):
            if names and names not in seen:
                seen.append(names)
                yield names


def _flattened(name: str) -> str:
    return re.sub(r"[.\-/\s]", "_", name)


def of(state: StateDict, skip: Iterable[str], ordered: bool) -> Targets:
    """Return the tensors of a state dict that masks can be for.

    Args:
        state: the state dict, without wrapper prefixes.
        skip: keys of masks and the like.
        ordered: whether the keys are in the order of the layers.
    """
    skipped = set(skip)
    found: dict[str, torch.Tensor] = {}
    for key, tensor in state.tensors.items():
        name = None if key in skipped else _plain(key, state.tensors)
        if name is not None and tensor.is_floating_point():
            found.setdefault(name, tensor)
    return Targets(found, ordered, state.renamed, state.take)


def _plain(key: str, keys: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name that a key will have once decoded, or None for parts of a reparametrization that cannot have a mask."""
    match = _PARAMETRIZED.fullmatch(key)
    if match is not None:
        inner = match["rest"] in {"original", "original1"}
        return f"{match['layer']}{match['tensor']}" if inner else None
    match = _PARTS.fullmatch(key)
    if match is None:
        layer, _, last = key.rpartition(".")
        alone = f"{layer}.parametrizations.weight.original" if layer else "parametrizations.weight.original"
        return f"{layer}.bias".lstrip(".") if last == "_bias" and alone in keys else key
    name, part = match["name"], match["part"]
    pruned = {"v": f"{name}_g", "v_orig": f"{name}_g"}.get(part, "")
    direction = pruned in keys or f"{pruned}_orig" in keys
    return name if match["mask"] is None and (part == "orig" or direction) else None
