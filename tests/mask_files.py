"""Files of pruned networks as neighbouring tools write them: a perceptron 20-16-10-4 of which 190 of 520 weights are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

LAYERS = {"fc1": (16, 20), "fc2": (10, 16), "fc3": (4, 10)}
KEPT = {"fc1": 96, "fc2": 64, "fc3": 30}
RIGHT = {f"{layer}.weight": kept for layer, kept in KEPT.items()}
SEQUENTIAL = {"0": "fc1", "2": "fc2", "4": "fc3"}


class Plain(nn.Module):
    """The perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(20, 16), nn.Linear(16, 10), nn.Linear(10, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def masks() -> dict[str, torch.Tensor]:
    """Layer -> float mask of what is kept."""
    generator = torch.Generator().manual_seed(1)
    found = {}
    for layer, shape in LAYERS.items():
        mask = torch.zeros(shape).flatten()
        mask[torch.randperm(mask.numel(), generator=generator)[: KEPT[layer]]] = 1
        found[layer] = mask.reshape(shape)
    return found


def dense(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict without zeros."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for layer, shape in LAYERS.items():
        state[f"{layer}.weight"] = torch.rand(shape, generator=generator) + 0.1
        state[f"{layer}.bias"] = torch.rand(shape[0], generator=generator) - 0.5
    return state


def zeroed() -> dict[str, torch.Tensor]:
    """The state dict multiplied by the masks."""
    state = dense()
    return state | {f"{layer}.weight": state[f"{layer}.weight"] * mask for layer, mask in masks().items()}


def by_weight() -> dict[str, torch.Tensor]:
    """``L.weight`` -> mask."""
    return {f"{layer}.weight": mask for layer, mask in masks().items()}


def sequential(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same under the names of an nn.Sequential."""
    names = {layer: name for name, layer in SEQUENTIAL.items()}
    return {f"{names[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in state.items()}


def beside(name: str, value: Any, **more: Any) -> dict[str, Any]:
    """A checkpoint with an entry beside its state dict."""
    return {"state_dict": dense(), name: value, **more}


def inside(spelling: str, dtype: torch.dtype = torch.float32, state: Any = None) -> dict[str, torch.Tensor]:
    """A state dict with a mask for each layer in it."""
    state = dense() if state is None else state
    return state | {f"{layer}.{spelling}": mask.to(dtype) for layer, mask in masks().items()}


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return mask.flatten().nonzero()[:, 0]


def _distiller() -> Any:
    names = {f"{layer}.{kind}": None for layer in LAYERS for kind in ("weight", "bias")}
    return {
        "epoch": 9,
        "arch": "mlp",
        "state_dict": dense(),
        "compression_sched": {"masks_dict": names | by_weight()},
        "extras": {"best_top1": 91.4},
    }


def _rigl() -> Any:
    state, kept = sequential(dense()), masks()
    for name, layer in list(SEQUENTIAL.items())[1:]:
        state[f"{name}.weight"] = state[f"{name}.weight"] * kept[layer]
    backward = [None, kept["fc2"].bool(), kept["fc3"].bool()]
    pruner = {"dense_allocation": 0.4, "S": [0, 0.6, 0.25], "N": [320, 160, 40], "backward_masks": backward}
    pruner |= {"hyperparams": {"delta_T": 10, "alpha": 0.3}, "step": 12, "_linear_layers_mask": [1, 1, 1]}
    momentum = {
        place: {"momentum_buffer": torch.zeros_like(value)} for place, value in enumerate(state.values())
    }
    return {
        "step": 12,
        "model": state,
        "optimizer": {"state": momentum, "param_groups": []},
        "pruner": pruner,
    }


def _zero_weights() -> Any:
    found = {f"{layer}.zero_weights": (mask == 0).nonzero().T.contiguous() for layer, mask in masks().items()}
    return dense() | found


def _sparsifier() -> Any:
    state: defaultdict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, mask in by_weight().items():
        state[name]["mask"] = mask
    groups = [
        {"sparsity_level": 0.5, "zeros_per_block": 1, "sparse_block_shape": (1, 1), "tensor_fqn": name}
        for name in state
    ]
    return {"state": state, "groups": groups}


def rounds() -> list[dict[str, torch.Tensor]]:
    """A table a round: all ones, then the masks."""
    return [{layer: torch.ones_like(mask) for layer, mask in masks().items()}, masks()]


def flat() -> torch.Tensor:
    """One vector over all weight matrices."""
    return torch.cat([mask.flatten() for mask in masks().values()])


CHECKPOINTS: dict[str, Callable[[], Any]] = {
    "distiller without optimizer": _distiller,
    "pruner with masks": lambda: {"epoch": 1, "model": dense(), "pruner": {"masks": by_weight(), "sparsity": 0.63}},
    "numbered in layer order (GraSP, SNIP)": lambda: {"net": dense(), "acc": 90.0, "mask": dict(enumerate(masks().values()))},
    "PackNet": lambda: {
        "model_state_dict": dense(),
        "previous_masks": {2 * place + 1: mask.byte() for place, mask in enumerate(masks().values())},
        "dataset2idx": {"mnist": 1},
    },
    "a table a round, numbered": lambda: beside("masks", dict(enumerate(rounds()))),
    "a table a round, listed": lambda: beside("masks", rounds()),
    "a list a round": lambda: beside("masks", [list(table.values()) for table in rounds()]),
    "rounds by name": lambda: beside("masks", {f"round_{place}": table for place, table in enumerate(rounds())}),
    "an entry a round": lambda: beside("mask_round_1", masks(), mask_round_0=rounds()[0]),
    "rounds with masks in them": lambda: beside("rounds", [{"mask": table, "acc": 0.9} for table in rounds()]),
    "one vector": lambda: beside("mask", flat()),
    "one vector of bytes": lambda: beside("pruning_mask", flat().byte()),
    "positions that are kept": lambda: beside("kept_indices", {k: _positions(m) for k, m in masks().items()}),
    "positions that are pruned": lambda: beside("pruned_idx", {k: (m == 0).nonzero() for k, m in masks().items()}),
    "positions in lists": lambda: beside("kept", {k: _positions(m).tolist() for k, m in masks().items()}),
    "nupic's zero weights": _zero_weights,
    "lists": lambda: beside("mask", {layer: mask.int().tolist() for layer, mask in masks().items()}),
    "one list among tensors": lambda: beside("mask", masks() | {"fc2": masks()["fc2"].tolist()}),
    "numpy arrays": lambda: beside("mask", {layer: mask.numpy() for layer, mask in masks().items()}),
    "mask and masks of ones": lambda: beside("mask", masks(), masks=rounds()[0], mask_ema=masks()),
    "ones pruned, weights zeroed": lambda: {"state_dict": zeroed(), "prune_mask": {k: 1 - m for k, m in masks().items()}},
    "ModelOpt": lambda: {"modelopt_state": {"version": "0.47"}, "model_state_dict": inside("_weight_mask", torch.bool)},
    "fasterai": lambda: inside("_mask", state=zeroed()),
    "bool under another name": lambda: inside("mask_weight", torch.bool),
    "float under another name": lambda: inside("pruning_mask"),
    "apex": lambda: dense() | {f"{layer}.__weight_mma_mask": mask.bool() for layer, mask in masks().items()},
    "synaptic flow": lambda: inside("weight_mask"),
    "layer.mask": lambda: inside("mask", torch.int64),
    "masks in a module of their own": lambda: dense() | {f"masks.{layer}_weight": m for layer, m in masks().items()},
    "bytes with no telling name": lambda: inside("indicator", torch.uint8, state=zeroed()),
    "a list in layer order": lambda: {"masks": [mask.bool() for mask in masks().values()], "state_dict": dense()},
    "layers with weights": lambda: beside("masks", {layer: {"weight": mask} for layer, mask in masks().items()}),
    "weights with layers": lambda: beside("masks", {"weight": masks(), "bias": {}}),
    "tuples": lambda: beside("mask", {(layer, "weight"): mask for layer, mask in masks().items()}),
    "a layer a number, with weight": lambda: beside("mask", [{"weight": mask} for mask in masks().values()]),
    "deep": lambda: beside("a", {"b": {"c": [{"d": {"masks": by_weight()}}]}}),
    "with prefixes": lambda: beside("mask", {f"module.{name}": mask for name, mask in by_weight().items()}),
    "underscores for dots": lambda: beside("mask", {f"{layer}_weight": mask for layer, mask in masks().items()}),
    "fixed scores of a subnetwork": lambda: inside("scores"),
}  # fmt: skip
"""Checkpoints whose right answer is `RIGHT`."""

MASK_FILES: dict[str, Callable[[], Any]] = {
    "by layer": masks,
    "by weight": by_weight,
    "mixed names": lambda: {"fc1.weight": masks()["fc1"], "fc2.weight": masks()["fc2"], "fc3.weight_mask": masks()["fc3"]},
    "numbered": lambda: {"net": dense(), "epoch": 3, "mask": dict(enumerate(masks().values()))},
    "with an epoch": lambda: {"mask": masks(), "epoch": 4},
    "NNI": lambda: {layer: {"weight": mask, "bias": torch.ones(len(mask))} for layer, mask in masks().items()},
    "torch.ao's sparsifier": _sparsifier,
    "list": lambda: list(masks().values()),
    "tuple of lists": lambda: tuple(mask.tolist() for mask in masks().values()),
    "vector": flat,
    "whole checkpoint": lambda: {"state_dict": inside("weight_mask"), "optimizer": {"state": {0: torch.zeros(16, 20)}}},
    "numpy": lambda: {layer: mask.numpy() for layer, mask in masks().items()},
    "rounds": rounds,
    "kept positions": lambda: {"kept_indices": {k: _positions(m) for k, m in masks().items()}},
}  # fmt: skip
"""Files for --mask beside `dense`, with the same right answer."""
