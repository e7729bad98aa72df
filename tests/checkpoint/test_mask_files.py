"""Masks as neighbouring tools save them: applied as a whole, or refused in a line that names the entry."""

from __future__ import annotations

import mask_files
import numpy as np
import pytest
import torch
from mask_files import KEPT, RIGHT, SEQUENTIAL, beside, dense, inside, masks, rounds, sequential, zeroed

from boundcalc.checkpoint import from_state_dict, read
from boundcalc.errors import CheckpointError


def saved(tmp_path, content, name="model.pt"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def kept(checkpoint):
    return {key: int(mask.sum()) for key, mask in checkpoint.masks.items() if mask.dim() > 1}


def refusal(tmp_path, content, *words):
    with pytest.raises(CheckpointError) as caught:
        read(saved(tmp_path, content))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("name", mask_files.CHECKPOINTS)
def test_checkpoints(tmp_path, name):
    checkpoint = read(saved(tmp_path, mask_files.CHECKPOINTS[name]()))
    assert kept(checkpoint) == RIGHT
    for layer, mask in masks().items():
        assert torch.equal(checkpoint.masks[f"{layer}.weight"], mask.bool())
        assert torch.equal(checkpoint.tensors[f"{layer}.weight"], zeroed()[f"{layer}.weight"])
    assert set(checkpoint.tensors) == set(dense())


@pytest.mark.parametrize("name", mask_files.MASK_FILES)
@pytest.mark.parametrize("in_python", [False, True])
def test_files_of_masks(tmp_path, name, in_python):
    given = mask_files.MASK_FILES[name]()
    if in_python:
        checkpoint = from_state_dict(dense(), "dense", mask=given)
    else:
        path = saved(
            tmp_path / "elsewhere" if (tmp_path / "elsewhere").mkdir() is None else tmp_path,
            given,
            "given.pt",
        )
        checkpoint = read(saved(tmp_path, dense()), mask=path)
        assert any("given.pt" in sentence for sentence in checkpoint.evidence)
    assert kept(checkpoint) == RIGHT


def test_npz_and_npy(tmp_path):
    model = saved(tmp_path, dense())
    np.savez(tmp_path / "given.npz", **{layer: mask.numpy() for layer, mask in masks().items()})
    np.savez_compressed(
        tmp_path / "short.npz", **{layer: mask.bool().numpy() for layer, mask in masks().items()}
    )
    np.save(tmp_path / "given.npy", mask_files.flat().numpy())
    for name in ("given.npz", "short.npz", "given.npy"):
        assert kept(read(model, mask=tmp_path / name)) == RIGHT
    np.savez(tmp_path / "objects.npz", fc1=np.array([None], dtype=object))
    with pytest.raises(CheckpointError, match=r"objects\.npz: fc1\.npy holds object"):
        read(model, mask=tmp_path / "objects.npz")


def test_regrown_weights_that_are_still_zero(tmp_path):
    content = mask_files._rigl()
    content["model"]["2.weight"][content["pruner"]["backward_masks"][1].nonzero()[0].split(1)] = 0
    checkpoint = read(saved(tmp_path, content))
    assert kept(checkpoint) == {"2.weight": KEPT["fc2"], "4.weight": KEPT["fc3"]}
    assert int((checkpoint.tensors["2.weight"] != 0).sum()) == KEPT["fc2"] - 1
    assert any("pruner.backward_masks" in sentence for sentence in checkpoint.evidence)


def test_numbers_that_are_names_of_layers(tmp_path):
    state, names = sequential(dense()), list(SEQUENTIAL)
    by_name = {int(name): masks()[layer] for name, layer in SEQUENTIAL.items()}
    in_order = dict(enumerate(masks().values()))
    for given in (by_name, in_order, {str(key): mask for key, mask in by_name.items()}):
        checkpoint = read(saved(tmp_path, {"state_dict": state, "mask": given}))
        assert kept(checkpoint) == {f"{name}.weight": KEPT[SEQUENTIAL[name]] for name in names}
    square = {f"{place}.weight": torch.rand(4, 4) + 1 for place in (1, 2, 0)}
    two = {0: torch.eye(4), 1: torch.ones(4, 4), 2: 1 - torch.eye(4)}
    refusal(tmp_path, {"state_dict": square, "mask": two}, "mask", "numbered")


@pytest.mark.parametrize("shape", [(4, 1, 1, 1), (4,), (4, 1)])
def test_a_bool_a_filter(tmp_path, shape):
    state = {"conv.weight": torch.rand(4, 2, 3, 3) + 1, "fc.weight": torch.rand(3, 8) + 1}
    content = {"state_dict": state, "mask": {"conv": torch.tensor([1, 0, 1, 0]).reshape(shape)}}
    checkpoint = read(saved(tmp_path, content))
    assert checkpoint.masks["conv.weight"].flatten(1).sum(1).tolist() == [18, 0, 18, 0]
    assert any("one a row" in sentence for sentence in checkpoint.evidence)


def test_a_bool_a_channel_and_a_kernel(tmp_path):
    state = {"conv.weight": torch.rand(4, 2, 3, 3) + 1}
    for mask in (torch.tensor([1, 0]), torch.tensor([1, 0]).reshape(1, 2, 1, 1)):
        checkpoint = read(saved(tmp_path, {"state_dict": state, "mask": {"conv": mask}}))
        assert checkpoint.masks["conv.weight"].sum((0, 2, 3)).tolist() == [36, 0]
    kernels = torch.tensor([[1, 0], [0, 0], [1, 1], [0, 1]])
    checkpoint = read(saved(tmp_path, {"state_dict": state, "mask": {"conv": kernels}}))
    assert torch.equal(checkpoint.masks["conv.weight"].sum((2, 3)), 9 * kernels)


def test_rows_or_columns_of_a_square(tmp_path):
    state = {"a.weight": torch.rand(4, 4) + 1, "b.weight": torch.rand(3, 4) + 1}
    row = torch.tensor([1, 0, 0, 1])
    refusal(
        tmp_path, {"state_dict": state, "mask": {"a": row}}, "mask.a", "one a row or one a column", "--mask"
    )
    checkpoint = read(
        saved(tmp_path, {"state_dict": state, "mask": {"a": row, "b": torch.tensor([0, 1, 1])}})
    )
    assert checkpoint.masks["a.weight"].sum(1).tolist() == [4, 0, 0, 4]
    assert any("like the other entries beside it" in sentence for sentence in checkpoint.evidence)


REFUSED = {
    "one of three is no tensor": (lambda: beside("mask", masks() | {"fc2": "dense"}), ("mask.fc2", "str")),
    "one of three is soft": (lambda: beside("mask", masks() | {"fc2": masks()["fc2"] * 0.5}), ("mask.fc2", "0 and 1")),
    "one of three has no layer": (
        lambda: beside("mask", {"fc1": masks()["fc1"], "fc9": masks()["fc2"]}), ("mask.fc9", "no layer")),
    "one of three has another shape": (lambda: beside("mask", masks() | {"fc2": masks()["fc2"].T}), ("mask.fc2", "(16, 10)")),
    "a nested one has no layer": (
        lambda: beside("mask", {"blocks": {"fc1": masks()["fc1"], "fc8": masks()["fc2"]}}), ("mask.blocks.fc8", "no layer")),
    "ones pruned, weights dense": (
        lambda: beside("prune_mask", {k: 1 - m for k, m in masks().items()}), ("prune_mask", "kept or pruned")),
    "zeros by name": (lambda: beside("zero_mask", masks()), ("zero_mask", "kept or pruned")),
    "frozen": (lambda: beside("frozen_mask", masks()), ("frozen_mask", "kept or pruned")),
    "packed bits": (lambda: beside("mask", {k: torch.from_numpy(np.packbits(m.bool().numpy())) for k, m in masks().items()}),
                    ("mask.fc1", "eight mask bits")),
    "packed vector": (
        lambda: beside("mask", torch.from_numpy(np.packbits(mask_files.flat().bool().numpy()))), ("mask", "eight mask bits")),
    "contradicting": (lambda: beside("mask", masks(), masks={k: 1 - m for k, m in masks().items()}), ("mask", "masks", "different")),
    "a vector too short": (lambda: beside("mask", mask_files.flat()[:-1]), ("mask", "519")),
    "a list too short for its shapes": (lambda: beside("mask", [masks()["fc2"], masks()["fc1"]]), ("mask", "2 masks")),
    "rounds without numbers": (
        lambda: beside("masks", {"best": rounds()[1], "first": rounds()[0]}), ("masks", "best", "first")),
    "rounds that grow": (lambda: beside("masks", rounds()[::-1]), ("masks", "none of which is the last")),
    "positions beyond": (lambda: beside("kept_indices", {"fc1": torch.tensor([1, 320])}), ("kept_indices.fc1", "outside")),
    "positions twice": (lambda: beside("kept_indices", {"fc1": torch.tensor([1, 99, 1])}), ("kept_indices.fc1", "twice")),
    "positions of rows or weights": (lambda: beside("kept_indices", {"fc1": torch.tensor([0, 3])}), ("kept_indices.fc1", "rows")),
    "positions that say nothing": (
        lambda: beside("mask_indices", {"fc1": torch.tensor([0, 300])}), ("mask_indices.fc1", "kept or pruned")),
    "kept and all zero": (
        lambda: {"state_dict": zeroed(), "kept": {k: 1 - m for k, m in masks().items()}}, ("kept", "that it marks are 0")),
    "inside, soft": (lambda: inside("mask") | {"fc2.mask": torch.rand(10, 16)}, ("fc2.mask", "0 and 1")),
    "inside, without a tensor": (lambda: dense() | {"fc7.weight_mask": torch.ones(3, 3)}, ("fc7.weight_mask", "no layer")),
    "inside, nothing tells": (lambda: inside("indicator", torch.bool), ("fc1.indicator", "kept or pruned")),
    "beside, nothing tells": (lambda: beside("extra", masks()), ("extra", "kept or pruned")),
    "all zeros": (lambda: beside("mask", {k: torch.zeros_like(m) for k, m in masks().items()}), ("mask", "every weight")),
    "a pruned copy": (lambda: {"state_dict": dense(), "pruned_state_dict": zeroed()}, ("pruned_state_dict", "state_dict")),
    "live masks and others": (
        lambda: {"state_dict": {k.replace("weight", "weight_orig"): v for k, v in dense().items()}
                 | {f"{k}.weight_mask": m for k, m in masks().items()}, "mask": {k: 1 - m for k, m in masks().items()}},
        ("mask", "weight_mask", "different")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    build, words = REFUSED[name]
    message = refusal(tmp_path, build(), *words)
    assert "--mask" in message or "save the intended one" in message


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "a pruned copy"])
def test_masks_that_are_given_stand_for_what_would_be_refused(tmp_path, name):
    """The way on that every refusal names: the masks as a table, with --mask, beside the same file."""
    content, given = REFUSED[name][0](), mask_files.by_weight()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = saved(elsewhere, given, "given.pt")
    if "live" in name or name == "contradicting":
        assert kept(read(saved(tmp_path, dense()), mask=path)) == RIGHT
        return
    checkpoint = read(saved(tmp_path, content), mask=path)
    assert kept(checkpoint) == RIGHT
    assert {f"{layer}.weight" for layer in KEPT} <= set(checkpoint.tensors)


NO_MASKS = {
    "sparsity": 0.63, "mask_type": "magnitude", "masked": True, "num_zeros": 330, "sparsity_history": [0.2, 0.36],
    "prune_epochs": [3, 6],
    "mask": None, "pruner": {"amount": 0.2}, "zero_point": torch.tensor(0), "masks": {}, "attention_mask": torch.ones(2, 7),
    "layers_alive": {"fc1": 16, "fc2": 10}, "keep_prob": torch.tensor(0.5), "sparsities": torch.tensor([0.7, 0.6, 0.25]),
    "history": {"loss": torch.rand(5)}, "zero_shot": {"acc": 0.1}, 3: {4: (5, "x")}, "noise": torch.rand(16, 20),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_MASKS, ids=str)
def test_what_is_no_mask(tmp_path, name):
    checkpoint = read(saved(tmp_path, {"state_dict": dense(), name: NO_MASKS[name]}))
    assert not checkpoint.masks
    if isinstance(NO_MASKS[name], torch.Tensor):
        assert {entry.role for entry in checkpoint.entries if entry.key == name} == {"not read"}


def test_copies_of_the_network_are_set_aside_with_their_masks(tmp_path):
    ema = {"fc1.weight_orig": torch.rand(16, 20), "fc1.weight_mask": torch.ones(16, 20)}
    checkpoint = read(saved(tmp_path, {"state_dict": dense(), "shadow": ema, "mask": masks()}))
    assert kept(checkpoint) == RIGHT
    why = {entry.key: entry.why for entry in checkpoint.entries}
    assert "another state dict" in why["shadow.fc1.weight_mask"]


def test_masks_of_a_copy_are_not_lost_with_it(tmp_path):
    copy = dense(2) | {f"{layer}.weight_mask": mask for layer, mask in masks().items()}
    message = refusal(
        tmp_path, {"state_dict": dense(), "ema": copy}, "ema.fc1.weight_mask", "save the intended one"
    )
    assert "--mask" in message
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert kept(read(saved(elsewhere, copy))) == RIGHT
    assert kept(read(tmp_path / "model.pt", mask=masks())) == RIGHT


def test_masks_of_attention_are_no_masks_of_weights(tmp_path):
    state = dense() | {
        "attn.mask": torch.ones(1, 1, 5, 5).tril().bool(),
        "attn.causal_mask": torch.ones(7, 7).tril(),
    }
    checkpoint = read(saved(tmp_path, state))
    assert not checkpoint.masks
    assert "attn.causal_mask" in checkpoint.tensors


def test_sets_and_arrays_of_objects(tmp_path):
    content = beside(
        "kept", {layer: set(mask_files._positions(mask).tolist()) for layer, mask in masks().items()}
    )
    assert kept(read(saved(tmp_path, content))) == RIGHT
    ragged = np.empty(3, dtype=object)
    ragged[:] = [mask.numpy() for mask in masks().values()]
    assert kept(read(saved(tmp_path, beside("masks", ragged)))) == RIGHT


def test_every_tensor_of_a_file_is_told_once(tmp_path):
    content = mask_files._rigl() | {"scheduler": {"last": torch.tensor(0.1)}, "ema": dense()}
    content["model"]["1.num_batches_tracked"] = torch.tensor(4)
    content["model"]["1.running_mean"] = torch.zeros(16)
    checkpoint = read(saved(tmp_path, content))
    keys = [entry.key for entry in checkpoint.entries]
    assert len(keys) == len(set(keys))

    def tensors(value, path=""):
        if isinstance(value, torch.Tensor):
            yield path
        elif isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in items:
                yield from tensors(inner, f"{path}.{key}".lstrip("."))

    assert set(tensors(content)) <= set(keys)
    roles = {entry.key: entry.role for entry in checkpoint.entries}
    assert roles["model.0.weight"] == "weight"
    assert roles["model.0.bias"] == "bias"
    assert roles["model.1.running_mean"] == roles["model.1.num_batches_tracked"] == "buffer"
    assert roles["pruner.backward_masks.1"] == "mask"
    assert roles["optimizer.state.0.momentum_buffer"] == roles["ema.fc1.weight"] == "not read"
    assert all(entry.why for entry in checkpoint.entries)


def test_masks_of_everything_with_a_batch_norm(tmp_path):
    state = {
        "0.weight": torch.rand(16, 20) + 1, "1.weight": torch.rand(16) + 1, "1.bias": torch.rand(16),
        "1.running_mean": torch.zeros(16),
        "1.running_var": torch.ones(16), "1.num_batches_tracked": torch.tensor(7), "3.weight": torch.rand(4, 16) + 1,
    }  # fmt: skip
    given = {key: torch.ones_like(value) for key, value in state.items()}
    given["0.weight"][:, :8] = 0
    for mask in (None, given):
        content = {"state_dict": state} | ({"mask": given} if mask is None else {})
        checkpoint = read(saved(tmp_path, content), mask=mask)
        assert kept(checkpoint) == {"0.weight": 192, "3.weight": 64}


def test_gammas_of_ones_are_no_masks(tmp_path):
    state = dense() | {
        "bn.weight": torch.ones(16),
        "bn.bias": torch.zeros(16),
        "bn.running_var": torch.ones(16),
    }
    checkpoint = read(saved(tmp_path, state))
    assert not checkpoint.masks
    assert set(checkpoint.tensors) == set(state)


def test_layers_whose_names_say_mask(tmp_path):
    state = {
        "mask_head.weight": torch.rand(6, 8) + 1,
        "mask_head.bias": torch.rand(6),
        "keep.weight": torch.rand(3, 6) + 1,
    }
    assert not read(saved(tmp_path, state)).masks
    mask = (torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    checkpoint = read(saved(tmp_path, state | {"mask_head.weight_mask": mask}))
    assert kept(checkpoint) == {"mask_head.weight": int(mask.sum())}
    checkpoint = read(saved(tmp_path, {"state_dict": state, "masks": {"mask_head": mask}}))
    assert kept(checkpoint) == {"mask_head.weight": int(mask.sum())}


def test_a_lightning_file_is_not_called_by_another_name(tmp_path):
    state = {f"net.{key}": value for key, value in inside("weight_mask").items()}
    content = {"epoch": 2, "pytorch-lightning_version": "2.6.6", "state_dict": state}
    checkpoint = read(saved(tmp_path, content))
    assert kept(checkpoint) == RIGHT
    assert not any("ramanujan" in sentence for sentence in checkpoint.evidence)


def test_sorted_keys_give_no_order(tmp_path):
    from safetensors.torch import save_file

    save_file(dense(), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="order of the keys of this file is unknown"):
        read(tmp_path / "model.safetensors", mask=mask_files.flat())
    assert kept(read(tmp_path / "model.safetensors", mask=list(masks().values()))) == RIGHT


def test_tables_without_end_are_refused(tmp_path):
    deep: dict = {}
    inner = deep
    for _ in range(60):
        inner["a"] = inner = {}
    refusal(tmp_path, beside("pruner", deep), "deep")
    loop: dict = {}
    loop["loop"] = loop
    refusal(tmp_path, beside("pruner", loop), "deep")
