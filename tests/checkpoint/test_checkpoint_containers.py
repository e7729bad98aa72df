"""Files and folders of neighbouring tools: read, or refused for the true reason, with advice that works when it is followed."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from neighbours import LAYERS, assert_read, followed, refusal, saved, state
from safetensors.torch import save_file
from torch import nn

import boundcalc
from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError


def adam():
    module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return optimizer


# state dicts within tables


def wrapped():
    optimizer = adam().state_dict()
    return {
        "composer": {"state": {"model": state(), "optimizers": {"Adam": optimizer}}, "rng": [{"cuda": None}]},
        "composer weights": {"state": {"model": state()}},
        "three deep": {"checkpoint": {"algorithm": {"student": state()}}, "epoch": 3},
        "four deep": {"run": {"trainer": {"module": {"state_dict": state()}}}},
        "deepspeed": {"module": state(), "optimizer": optimizer, "ds_version": "0.15"},
        "by layer": {"epoch": 1, **{n: {p: state()[f"{n}.{p}"] for p in ("weight", "bias")} for n in LAYERS}},
        "by layer below": {
            "params": {n: {p: state()[f"{n}.{p}"] for p in ("weight", "bias")} for n in LAYERS}
        },
        "numpy": {key: tensor.numpy() for key, tensor in state().items()},
        "numpy by columns": {key: np.asfortranarray(tensor.numpy()) for key, tensor in state().items()},
        "numpy big-endian": {key: tensor.numpy().astype(">f4") for key, tensor in state().items()},
        "averages": {"ema_state_dict": state(), "decay": 0.99},
        "trainer": {"optimizer": optimizer, "model": state(), "scaler": {"scale": 1.0, "growth_factor": 2.0}},
    }


@pytest.mark.parametrize("name", wrapped())
def test_state_dicts_within_tables(tmp_path, name):
    assert_read(saved(tmp_path, wrapped()[name]))


def without_weights():
    optimizer = adam()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    named = {"state": {"fc1.weight": {"exp_avg": torch.ones(2, 3)}}, "param_groups": []}
    return {
        "optimizer": (optimizer.state_dict(), "an optimizer's state"),
        "optimizer by names": (named, "an optimizer's state"),
        "optimizer in a table": (
            {"epoch": 3, "optimizer": optimizer.state_dict()},
            "optimizer: an optimizer's state",
        ),
        "scheduler": (scheduler.state_dict(), "a learning-rate scheduler"),
        "scaler": (
            torch.amp.GradScaler("cpu").state_dict() or {"scale": 1.0, "growth_factor": 2.0},
            "gradient scaler",
        ),
        "nothing": ({"epoch": 3, "best": 0.9}, "holds no tensors, so no weights; its keys are epoch, best"),
        "empty": ({}, "holds no tensors"),
        "object array": (
            state() | {"fc1.weight": np.array([[None]])},
            "fc1.weight is an array whose entries are not numbers",
        ),
        "list of numbers": (state() | {"fc1.weight": [[1.0, 2.0]]}, "fc1.weight is a list, not a tensor"),
    }


@pytest.mark.parametrize("name", without_weights())
def test_files_without_weights_are_told_as_what_they_are(tmp_path, name):
    content, words = without_weights()[name]
    assert words in refusal(saved(tmp_path, content))


def cascades():
    return {
        "under state_dict": ({"state_dict": [state(), dense()], "err": 0.1}, "state_dict.0", "state_dict.1"),
        "a list": ([state(), dense()], "0", "1"),
        "below": ({"run": {"nets": (state(), dense())}}, "nets.0", "nets.1"),
    }


def dense():
    return {key: torch.ones_like(tensor) for key, tensor in state().items()}


@pytest.mark.parametrize("name", cascades())
def test_cascades(tmp_path, name):
    content, first, second = cascades()[name]
    path = saved(tmp_path, content)
    with pytest.raises(CheckpointError) as error:
        boundcalc.analyze(path)
    message = str(error.value)
    assert (
        f"several networks (2), under the prefixes {first}, {second}: choose one with --prefix NAME"
        in message
    )
    density = {
        prefix: boundcalc.analyze(path, prefix=prefix, only=()).to_dict()["checkpoint"]["density"]
        for prefix in (first, second)
    }
    weights = torch.cat([tensor.flatten() for key, tensor in state().items() if key.endswith("weight")])
    assert density == {first: float((weights != 0).double().mean()), second: 1.0}


def test_a_list_of_one_state_dict(tmp_path):
    assert_read(saved(tmp_path, [state()]))
    assert_read(saved(tmp_path, {"models": [state()], "epoch": 3}))
    layers = [{"weight": state()[f"{name}.weight"], "bias": state()[f"{name}.bias"]} for name in LAYERS]
    assert list(read(saved(tmp_path, layers)).tensors)[:3] == ["0.weight", "0.bias", "1.weight"]


def test_lists_of_tensors_have_no_names(tmp_path):
    average = {
        "decay": 0.9,
        "num_updates": 5,
        "shadow_params": list(state().values()),
        "collected_params": None,
    }
    assert "shadow_params is a list of 6 tensors without names" in refusal(saved(tmp_path, average))
    assert "a list of 6 tensors without names" in refusal(saved(tmp_path, list(state().values())))


# folders


def test_a_folder_with_one_checkpoint(tmp_path):
    for suffix in (".bin", ".pt", ".pth", ".ckpt", ".pth.tar"):
        folder = tmp_path / suffix
        folder.mkdir()
        torch.save(state(), folder / f"pytorch_model{suffix}")
        for name in ("config.json", "README.md", "vocab.txt"):
            (folder / name).write_text("{}")
        found = assert_read(folder)
        assert any(f"pytorch_model{suffix} in the folder" in line for line in found.evidence)


def test_what_training_goes_on_from_is_no_model(tmp_path):
    save_file(state(), tmp_path / "model.safetensors")
    for name in (
        "optimizer.pt",
        "scheduler.pt",
        "training_args.bin",
        "rng_state.pth",
        "rng_state_0.pth",
        "scaler.pt",
    ):
        torch.save({"state": {}}, tmp_path / name)
    found = assert_read(tmp_path)
    assert any("optimizer.pt" in line and "not read" in line for line in found.evidence)
    (tmp_path / "model.safetensors").unlink()
    assert "a folder without a model in it, but with optimizer.pt" in refusal(tmp_path)


def test_a_folder_of_several(tmp_path):
    for name in ("best.pt", "last.pt"):
        saved(tmp_path, state(), name)
    message = refusal(tmp_path)
    assert "best.pt, last.pt" in message
    assert_read(tmp_path / "best.pt")


def test_a_folder_of_folders(tmp_path):
    (tmp_path / "data").mkdir()
    saved(tmp_path / "data", state(), "model.pth")
    assert "holds the folders data" in refusal(tmp_path)
    assert_read(tmp_path / "data")


def shards(folder, save, suffix):
    keys = list(state())
    homes = {key: f"model-0000{1 + (place > 2)}-of-00002{suffix}" for place, key in enumerate(keys)}
    for shard in set(homes.values()):
        save({key: state()[key] for key in keys if homes[key] == shard}, folder / shard)
    index = {"metadata": {"total_size": 1}, "weight_map": homes}
    path = folder / f"model{suffix}.index.json"
    path.write_text(json.dumps(index))
    return path, homes


@pytest.mark.parametrize(("save", "suffix"), [(torch.save, ".bin"), (save_file, ".safetensors")])
def test_shards(tmp_path, save, suffix):
    index, homes = shards(tmp_path, save, suffix)
    (tmp_path / "config.json").write_text("{}")
    assert_read(index)
    found = assert_read(tmp_path)
    assert any("2 shards" in line for line in found.evidence)
    index.write_text(json.dumps({"weight_map": homes | {"fc9.weight": next(iter(homes.values()))}}))
    assert "fc9.weight is not in" in refusal(index)
    index.write_text(json.dumps({"weight_map": {"fc1.weight": homes["fc1.weight"]}}))
    assert "which the index does not list" in refusal(index)


def test_shards_hold_no_code_and_lie_beside_their_index(tmp_path, touch):
    index, homes = shards(tmp_path, torch.save, ".bin")
    torch.save({"fc1.weight": touch}, tmp_path / homes["fc1.weight"])
    with pytest.raises(CheckpointError, match="to be executed"):
        read(index)
    index.write_text(json.dumps({"weight_map": {"fc1.weight": "../model.bin"}}))
    assert "outside its own folder" in refusal(index)
    torch.save([1], tmp_path / homes["fc1.weight"])
    index.write_text(json.dumps({"weight_map": homes}))
    with pytest.raises(CheckpointError, match="holds a list, not a state dict"):
        read(index)


# distributed training and other frameworks


@pytest.mark.filterwarnings("ignore")
def test_folders_of_torch_distributed_checkpoint(tmp_path):
    import torch.distributed.checkpoint as dcp

    folder = tmp_path / "step_9"
    dcp.save({"model": state()}, checkpoint_id=folder)
    message = refusal(folder)
    command = re.search(r"python (-m \S+ dcp_to_torch) FOLDER model.pt", message)[1].split()
    target = tmp_path / "joined.pt"
    subprocess.run([sys.executable, *command, str(folder), str(target)], check=True, capture_output=True)
    assert_read(target)
    torch.save({"epoch": 3}, folder / "meta.pt")
    assert "dcp_to_torch" in refusal(folder), "as Lightning writes it"


def test_folders_of_deepspeed(tmp_path):
    (tmp_path / "global_step9").mkdir()
    (tmp_path / "latest").write_text("global_step9")
    (tmp_path / "zero_to_fp32.py").write_text("# joins the pieces")
    saved(tmp_path / "global_step9", {"module": {}}, "mp_rank_00_model_states.pt")
    saved(tmp_path / "global_step9", {}, "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt")
    for place in (tmp_path, tmp_path / "global_step9"):
        assert "python zero_to_fp32.py . weights" in refusal(place)
    (tmp_path / "weights").mkdir()
    saved(tmp_path / "weights", state(), "pytorch_model.bin")
    assert_read(tmp_path / "weights")


FOLDERS = {
    "saved model": (("saved_model.pb", "variables/x"), "TensorFlow SavedModel"),
    "tensorflow": (("checkpoint", "ckpt-3.index", "ckpt-3.data-00000-of-00001"), "TensorFlow checkpoint"),
    "orbax": (("_CHECKPOINT_METADATA", "manifest.ocdbt", "d/x"), "Orbax"),
    "core ml": (("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "Core ML"),
    "empty": (("notes.txt",), "a folder without a checkpoint in it"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_other_frameworks(tmp_path, name):
    files, words = FOLDERS[name]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    assert words in refusal(tmp_path)


FILES = {
    "model.mlmodel": (b"\x08\x04\x12\x10" + b"description" + bytes(40), "Core ML"),
    "saved_model.pb": (b"\x08\x01\x12\xff\x02\x0a\x05serve" + bytes(40), "TensorFlow SavedModel"),
    "model.onnx": (b"\x08\x08\x12\x07pytorch" + bytes(40), "ONNX"),
    "flax.msgpack": (b"\x81\xa6params\x82\xa7Dense_0\x82" + bytes(range(128, 168)), "Flax"),
    "large.msgpack": (b"\xde\x00\x14\xa6params\x82" + bytes(range(128, 168)), "Flax"),
    "ckpt-3.index": (bytes(range(200, 250)) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "TensorFlow checkpoint"),
    "net.mat": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100), "MATLAB"),
    "net.h5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_frameworks(tmp_path, name):
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_numpy_archives(tmp_path):
    weights = tmp_path / "weights.npz"
    np.savez(weights, **{key: tensor.numpy() for key, tensor in state().items()})
    message = refusal(weights)
    assert "--mask" in message
    assert_read(followed(message, weights))
    np.savez(tmp_path / "data.npz", x_train=np.ones((2, 3)), y_train=np.ones(2))
    assert "an .npz of data (x_train, y_train), not a checkpoint: pass it with --data" in refusal(
        tmp_path / "data.npz"
    )


@pytest.mark.parametrize("length", [0x120208, 0x41A181])
def test_a_safetensors_file_whose_length_looks_like_another_format(tmp_path, length):
    path = tmp_path / "model.safetensors"
    save_file(state(), path, {"pad": ""})
    short = int.from_bytes(path.read_bytes()[:8], "little")
    save_file(state(), path, {"pad": "x" * (length - short)})
    head = path.read_bytes()[:8]
    assert abs(int.from_bytes(head, "little") - length) < 16
    content = path.read_bytes()[8 + int.from_bytes(head, "little") :]
    header = path.read_bytes()[8 : 8 + int.from_bytes(head, "little")].rstrip().ljust(length)
    path.write_bytes(length.to_bytes(8, "little") + header + content)
    assert_read(path)
