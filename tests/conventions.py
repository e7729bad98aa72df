"""The same network with the same mask, written in every convention by the tools that write it."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import ZipFile

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

Masks = Mapping[str, torch.Tensor]


class MLP(nn.Module):
    """12-8-6-4, ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(12, 8), nn.Linear(8, 6), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class CNN(nn.Module):
    """Two convolutions with BatchNorm and a linear layer, for 1 x 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6)
        self.fc = nn.Linear(6 * 9, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.fc(torch.relu(self.bn2(self.conv2(x))).flatten(1))


class Masking(nn.Module):
    """A parametrization that multiplies by its buffer ``mask``."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.mask


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Make a network in eval mode, without disturbing the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
    return network.eval()


def random_masks(network: nn.Module, density: float = 0.5, seed: int = 1) -> dict[str, torch.Tensor]:
    """Masks for all weights of two or more dimensions; no filter is pruned as a whole."""
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            mask = torch.rand(parameter.shape, generator=generator) < density
            mask.flatten(1)[:, 0] = True
            masks[name] = mask
    return masks


def truth(network: nn.Module, masks: Masks) -> dict[str, torch.Tensor]:
    """The canonical tensors: masked weights, biases, BatchNorm; no counters."""
    state = {key: value.clone() for key, value in network.state_dict().items() if value.dim()}
    return {key: torch.where(masks[key], value, 0) if key in masks else value for key, value in state.items()}


def layers(network: nn.Module, masks: Masks) -> list[tuple[str, nn.Module, torch.Tensor]]:
    """Name, module and mask of the masked layers."""
    return [
        (key.removesuffix(".weight"), network.get_submodule(key.removesuffix(".weight")), mask)
        for key, mask in masks.items()
    ]


def write_all(
    network: nn.Module, folder: Path, masks: Masks | None = None, example: torch.Tensor | None = None
) -> dict[str, Path]:
    """Write a network in every convention.

    Args:
        network: a plain module, its weights not yet multiplied by the masks; it is not changed.
        folder: an existing folder.
        masks: ``"fc1.weight"`` -> mask; None takes where its weights are not zero.
        example: an input; with it the .pt2 files are written too.

    Returns:
        Name of the convention -> file or folder that `boundcalc.checkpoint.read` takes. Names that start with
        ``approx-`` give the same weights to rounding only; without a declared mask they end in ``-inferred``.
    """
    if masks is None:
        masks = {k: v.detach() != 0 for k, v in network.named_parameters() if v.dim() > 1}
    masks = {key: mask.bool() for key, mask in masks.items()}
    written: dict[str, Path] = {}
    for name, save in _SAVERS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written[name] = save(copy.deepcopy(network), masks, folder / name)
    if example is not None:
        written.update(write_exported(network, folder, masks, example))
    return written


def write_exported(network: nn.Module, folder: Path, masks: Masks, example: torch.Tensor) -> dict[str, Path]:
    """Write the .pt2 files: live pruning, zeros, and the layout of before PyTorch 2.8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(pruned(copy.deepcopy(network), masks), (example,))
        torch.export.save(exported, folder / "live.pt2")
        torch.export.save(
            torch.export.export(zeroed(copy.deepcopy(network), masks), (example,)), folder / "zeros.pt2"
        )
    old = folder / "old.pt2"
    torch.save(exported.state_dict, folder / "state.pt")
    with ZipFile(folder / "live.pt2") as new, ZipFile(old, "w") as archive:
        model = next(name for name in new.namelist() if name.endswith("models/model.json"))
        archive.writestr("serialized_exported_program.json", new.read(model))
        archive.write(folder / "state.pt", "serialized_state_dict.pt")
        archive.writestr("version", "8.0")
    return {"pt2": folder / "live.pt2", "pt2-inferred": folder / "zeros.pt2", "pt2-old": old}


def pruned(network: nn.Module, masks: Masks) -> nn.Module:
    """Prune live, as torch.nn.utils.prune does."""
    for _, module, mask in layers(network, masks):
        prune.custom_from_mask(module, "weight", mask)
    return network


def zeroed(network: nn.Module, masks: Masks) -> nn.Module:
    """Prune for good."""
    for _, module, mask in layers(network, masks):
        module.weight.data = torch.where(mask, module.weight.data, 0)
    return network


def _saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def _live(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(pruned(network, masks).state_dict(), path)


def _legacy(network: nn.Module, masks: Masks, path: Path) -> Path:
    torch.save(pruned(network, masks).state_dict(), path, _use_new_zipfile_serialization=False)
    return path


def _zeros(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(zeroed(network, masks).state_dict(), path)


def synaptic_state(network: nn.Module, masks: Masks) -> dict[str, torch.Tensor]:
    """Every layer with weight_mask and bias_mask beside the unmasked tensors."""
    state: dict[str, torch.Tensor] = {}
    for key, value in network.state_dict().items():
        state[key] = value
        if key in masks:
            state[f"{key}_mask"] = masks[key].float()
        elif key.endswith(".bias") and f"{key[:-4]}weight" in masks:
            state[f"{key}_mask"] = torch.ones_like(value)
    return state


def _synaptic(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(synaptic_state(network, masks), path)


def _ramanujan(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved({"epoch": 3, "best_prec1": 91.5, "state_dict": pruned(network, masks).state_dict()}, path)


def _nested(network: nn.Module, masks: Masks, path: Path) -> Path:
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    content = {
        "model": network.state_dict(),
        "mask": dict(masks),
        "optimizer": optimizer.state_dict(),
        "epoch": 1,
    }
    return _saved(content, path)


def _parallel(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(nn.DataParallel(pruned(network, masks)).state_dict(), path)


def _averaged(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(torch.optim.swa_utils.AveragedModel(zeroed(network, masks)).state_dict(), path)


def _compiled(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(nn.DataParallel(torch.compile(pruned(network, masks))).state_dict(), path)


def _lightning(network: nn.Module, masks: Masks, path: Path) -> Path:
    state = {f"model.{key}": value for key, value in zeroed(network, masks).state_dict().items()}
    state |= {
        "train_acc.correct": torch.tensor(7),
        "val_acc.tp": torch.tensor([1, 2, 3]),
        "loss.mean": torch.tensor(0.3),
    }
    content = {"epoch": 2, "global_step": 9, "pytorch-lightning_version": "2.2.0", "state_dict": state}
    return _saved(content | {"hyper_parameters": {"lr": 0.1}, "callbacks": {}, "loops": {}}, path)


def _galanti(network: nn.Module, masks: Masks, path: Path) -> Path:
    network = _old_weight_norm(zeroed(network, masks), masks)
    content = {"model_state_dict": network.state_dict(), "graphs": {"train_loss": [0.5]}, "epoch": 4}
    return _saved(content | {"optimizer_state_dict": {"state": {}, "param_groups": []}}, path)


def _old_weight_norm(network: nn.Module, masks: Masks) -> nn.Module:
    for _, module, _ in layers(network, masks):
        nn.utils.weight_norm(module)
    return network


def _weight_norm_old(network: nn.Module, masks: Masks, path: Path) -> Path:
    return _saved(_old_weight_norm(zeroed(network, masks), masks).state_dict(), path)


def _weight_norm_pruned(network: nn.Module, masks: Masks, path: Path) -> Path:
    network = _old_weight_norm(zeroed(network, masks), masks)
    for _, module, mask in layers(network, masks):
        prune.custom_from_mask(module, "weight_v", mask)
    return _saved(network.state_dict(), path)


def _weight_norm_new(network: nn.Module, masks: Masks, path: Path) -> Path:
    for _, module, mask in layers(zeroed(network, masks), masks):
        parametrizations.weight_norm(module)
        parametrize.register_parametrization(module, "weight", Masking(mask))
    return _saved(network.state_dict(), path)


def _parametrized(network: nn.Module, masks: Masks, path: Path) -> Path:
    for _, module, mask in layers(network, masks):
        parametrize.register_parametrization(module, "weight", Masking(mask))
    return _saved(network.state_dict(), path)


def _spectral_old(network: nn.Module, masks: Masks, path: Path) -> Path:
    for _, module, _ in layers(zeroed(network, masks), masks):
        nn.utils.spectral_norm(module)
    return _saved(_of_norm_one(network.state_dict(), "weight_orig", "weight_u", "weight_v"), path)


def _spectral_new(network: nn.Module, masks: Masks, path: Path) -> Path:
    for _, module, _ in layers(zeroed(network, masks), masks):
        parametrizations.spectral_norm(module)
    inner = "parametrizations.weight"
    return _saved(
        _of_norm_one(network.state_dict(), f"{inner}.original", f"{inner}.0._u", f"{inner}.0._v"), path
    )


def _of_norm_one(state: dict[str, torch.Tensor], weight: str, u: str, v: str) -> dict[str, torch.Tensor]:
    for key in [key for key in state if key.endswith(f".{weight}")]:
        layer = key.removesuffix(weight)
        state[layer + u] = state[layer + u] / (state[layer + u] @ state[key].flatten(1) @ state[layer + v])
    return state


def _safetensors(network: nn.Module, masks: Masks, path: Path) -> Path:
    from safetensors.torch import save_file

    save_file(pruned(network, masks).state_dict(), path, metadata={"format": "pt"})
    return path


def _shards(network: nn.Module, masks: Masks, path: Path) -> Path:
    from safetensors.torch import save_file

    path.mkdir()
    state = pruned(network, masks).state_dict()
    homes = {key: f"model-{1 + number % 2:05d}-of-00002.safetensors" for number, key in enumerate(state)}
    for home in set(homes.values()):
        save_file({key: state[key] for key in homes if homes[key] == home}, path / home)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return path


def _open_lth(network: nn.Module, masks: Masks, path: Path) -> Path:
    return write_open_lth(network, masks, path) / "level_1" / "main"


def write_open_lth(network: nn.Module, masks: Masks, root: Path, levels: int = 2) -> Path:
    """Write levels, the first with masks of ones; no model is masked. Returns the folder of the replicate."""
    replicate = root / f"lottery_{'0' * 32}" / "replicate_1"
    for level in range(levels):
        home = replicate / f"level_{level}" / "main"
        home.mkdir(parents=True)
        used = {key: mask if level else torch.ones_like(mask) for key, mask in masks.items()}
        torch.save({key: mask.int() for key, mask in used.items()}, home / "mask.pth")
        total = sum(mask.numel() for mask in used.values())
        unpruned = sum(int(mask.sum()) for mask in used.values())
        (home / "sparsity_report.json").write_text(
            json.dumps({"total": float(total), "unpruned": float(unpruned)})
        )
        for name, scale in (("ep0_it0", 3.0), ("ep9_it0", 2.0), ("ep10_it0", 1.0)):
            state = {key: value * scale for key, value in network.state_dict().items()}
            torch.save(network.state_dict() if scale == 1.0 else state, home / f"model_{name}.pth")
    return replicate


_SAVERS: dict[str, Callable[[nn.Module, Masks, Path], Path]] = {
    "prune-live": _live,
    "prune-live-legacy": _legacy,
    "dense-zeros-inferred": _zeros,
    "synaptic-flow": _synaptic,
    "ramanujan-on-pai": _ramanujan,
    "nested": _nested,
    "data-parallel": _parallel,
    "averaged-inferred": _averaged,
    "compiled": _compiled,
    "lightning-inferred": _lightning,
    "approx-galanti-inferred": _galanti,
    "approx-weight-norm-inferred": _weight_norm_old,
    "approx-weight-norm-pruned": _weight_norm_pruned,
    "approx-parametrized-weight-norm": _weight_norm_new,
    "parametrizations": _parametrized,
    "approx-spectral-norm-inferred": _spectral_old,
    "approx-parametrized-spectral-inferred": _spectral_new,
    "safetensors": _safetensors,
    "safetensors-shards": _shards,
    "open_lth": _open_lth,
}
