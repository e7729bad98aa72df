"""Files that must be refused: one line, naming the file and what is wrong, executing nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
from argparse import Namespace
from collections import OrderedDict
from zipfile import ZIP_DEFLATED, ZipFile

import conventions
import numpy as np
import pytest
import torch
from torch import nn

from boundcalc.checkpoint import program_from_bytes, read
from boundcalc.errors import CheckpointError

WEIGHT = {"fc.weight": torch.ones(2, 3)}


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert str(path) in message or path.name in message
    assert "\n" not in message
    assert len(message) <= 500
    return message


def saved(tmp_path, content, **options):
    torch.save(content, tmp_path / "model.pt", **options)
    return tmp_path / "model.pt"


def written(tmp_path, content, name="model.pt"):
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_with_code(tmp_path, touch, zipped):
    path = saved(tmp_path, WEIGHT | {"extra": touch}, _use_new_zipfile_serialization=zipped)
    message = refusal(path)
    assert "Path.touch" in message or "pathlib" in message or "getattr" in message
    assert "torch.save(model.state_dict()" in message


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_plain_pickle_with_code(tmp_path, touch, protocol):
    message = refusal(written(tmp_path, pickle.dumps({"a": touch}, protocol=protocol)))
    assert "plain pickle" in message
    assert "touch" in message or "getattr" in message


def test_plain_pickle_of_tensors(tmp_path):
    message = refusal(written(tmp_path, pickle.dumps(WEIGHT, protocol=2)))
    assert "plain pickle" in message
    assert "torch.save" in message


@pytest.mark.parametrize("zipped", [True, False])
def test_whole_module(tmp_path, zipped):
    message = refusal(saved(tmp_path, nn.Sequential(nn.Linear(3, 2)), _use_new_zipfile_serialization=zipped))
    assert "whole module" in message
    assert "torch.nn.modules.container.Sequential" in message


def test_galanti_graphs(tmp_path, touch):
    message = refusal(saved(tmp_path, {"model_state_dict": WEIGHT, "graphs": touch, "epoch": 1}))
    assert "Galanti" in message
    assert "`graphs`" in message


def test_torchscript(tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(3, 2)), tmp_path / "model.pt")
    assert "TorchScript" in refusal(tmp_path / "model.pt")


def test_tar_even_behind_the_first_bytes_of_a_pickle(tmp_path, touch):
    for name in ("pickle", "\x80\x02payload"):
        path = tmp_path / "model.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
            content = pickle.dumps(touch)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        assert "tar archive" in refusal(path)
    block = bytearray(path.read_bytes())
    block[257:265] = b"\0" * 8
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:512]))
    path.write_bytes(bytes(block))
    assert "tar archive" in refusal(path)


def test_pickle_protocol_4_of_torch_save(tmp_path):
    path = saved(tmp_path, WEIGHT, pickle_protocol=4)
    try:
        read(path)
    except CheckpointError as refused:
        assert "protocol 4" in str(refused)


def test_numpy_scalars_and_namespaces_are_inert(tmp_path):
    content = {"state_dict": WEIGHT, "args": Namespace(lr=0.1), "best": np.float64(0.9), "when": np.int64(3)}
    before = set(torch.serialization.get_safe_globals())
    checkpoint = read(saved(tmp_path, content))
    assert torch.equal(checkpoint.tensors["fc.weight"], torch.ones(2, 3))
    assert {"args", "best", "when"} == set(checkpoint.ignored)
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", ">f8", "uint16"])
def test_numpy_arrays_are_tensors(tmp_path, dtype):
    array = np.asfortranarray(np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype))
    content = {"state_dict": {"fc.weight": torch.ones(2, 3)}, "mask": {"fc": array}}
    checkpoint = read(saved(tmp_path, content))
    assert torch.equal(checkpoint.masks["fc.weight"], torch.from_numpy(array.astype(bool)))


def test_numpy_arrays_of_objects_keep_nothing(tmp_path, touch):
    inert = np.array([{"a": 1}, None], dtype=object)
    assert read(saved(tmp_path, {"state_dict": WEIGHT, "history": inert})).tensors.keys() == WEIGHT.keys()
    assert "to be executed" in refusal(saved(tmp_path, WEIGHT | {"history": np.array([touch], dtype=object)}))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["prune-live", "prune-live-legacy", "safetensors", "pt2", "pt2-old"])
def test_truncated(tmp_path, written_mlp, name, fraction):
    content = written_mlp[name].read_bytes()
    message = refusal(written(tmp_path, content[: int(fraction * len(content))]))
    assert any(word in message for word in ("truncated", "damaged"))


def test_any_flipped_byte_is_read_or_refused(tmp_path, written_mlp):
    generator = np.random.default_rng(0)
    for name in ("prune-live", "prune-live-legacy", "safetensors", "pt2", "pt2-old"):
        content = bytearray(written_mlp[name].read_bytes())
        for position in generator.integers(0, len(content), 40):
            spoiled = bytearray(content)
            spoiled[position] ^= int(generator.integers(1, 256))
            path = written(tmp_path, bytes(spoiled))
            try:
                read(path)
            except CheckpointError as refused:
                assert "\n" not in str(refused)


SMALL = {
    "empty": (b"", "empty file"),
    "text": (b"hello, this is no checkpoint\n", "text file"),
    "html": ("<!doctype html><p>caf\u00e9 not found".encode(), "text file"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
    "json": (b'{"a": 1}', "text file"),
    "noise": (bytes(range(200, 256)) * 4, "no known format"),
    "one byte": (b"\x80", "no known format"),
    "pickle head": (b"\x80\x02", "truncated"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
    "npy": (b"\x93NUMPY\x01\x00" + bytes(64), "NumPy"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x032.1:\x80\x01" + bytes(40), "ONNX"),
    "gzip": (gzip.compress(b"x" * 50), "gzip"),
    "zip head": (b"PK\x03\x04" + bytes(40), "truncated or damaged zip"),
    "zip end": (b"PK\x05\x06" + bytes(18), "not a checkpoint"),
    "huge header": (struct.pack("<Q", 1 << 60) + b'{"a":{}}', "header of"),
    "header past end": (struct.pack("<Q", 100) + b'{"a":{}}', "truncated"),
    "header no json": (struct.pack("<Q", 8) + b'{"a":{}!', "damaged safetensors"),
    "no tensors": (struct.pack("<Q", 2) + b"{}", "no tensors"),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_files(tmp_path, name):
    content, word = SMALL[name]
    assert word in refusal(written(tmp_path, content))


SAFETENSORS_HEADERS = {
    "past the end": {"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}},
    "huge shape": {"w": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 16]}},
    "backwards": {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 0]}},
    "overlap": {
        "v": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    },
    "unknown type": {"w": {"dtype": "Q9", "shape": [2, 2], "data_offsets": [0, 16]}},
}


@pytest.mark.parametrize("name", SAFETENSORS_HEADERS)
def test_absurd_safetensors_headers(tmp_path, name):
    header = json.dumps(SAFETENSORS_HEADERS[name]).encode()
    assert "safetensors" in refusal(written(tmp_path, struct.pack("<Q", len(header)) + header + bytes(16)))


def test_zips_that_are_no_checkpoint(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.ones(3))
    assert "--data npz:FILE" in refusal(tmp_path / "data.npz")
    for member, word in (("model.weights.h5", "Keras"), ("notes.txt", "not a checkpoint")):
        with ZipFile(tmp_path / "model.zip", "w") as archive:
            archive.writestr(member, "x")
        assert word in refusal(tmp_path / "model.zip")


def test_zip_bomb(tmp_path):
    with ZipFile(tmp_path / "model.pt", "w", ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 25))
    assert "would unpack to" in refusal(tmp_path / "model.pt")


def test_paths(tmp_path):
    assert "no such file" in refusal(tmp_path / "missing.pt")
    (tmp_path / "empty").mkdir()
    assert "without a checkpoint" in refusal(tmp_path / "empty")
    written(tmp_path / "empty", b"hello", "notes.txt")
    assert "without a checkpoint" in refusal(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be opened" in refusal(tmp_path / "loop")
    assert "File name too long" in refusal(tmp_path / ("n" * 300))


def test_unreadable(tmp_path, monkeypatch):
    path = saved(tmp_path, WEIGHT)

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("boundcalc.files.os.open", forbidden)
    assert "Permission denied" in refusal(path)


def test_objects_that_are_no_state_dict(tmp_path):
    assert "list" in refusal(saved(tmp_path, [torch.ones(2, 2)]))
    assert "one tensor" in refusal(saved(tmp_path, torch.ones(2, 2)))
    assert "no tensors" in refusal(saved(tmp_path, {"epoch": 3}))
    assert "no tensors" in refusal(saved(tmp_path, OrderedDict()))
    assert "not a name" in refusal(saved(tmp_path, {3: torch.ones(2, 2)}))
    assert "not a name" in refusal(saved(tmp_path, {"a\x1b[31m\n": torch.ones(2, 2)}))
    deep = WEIGHT
    for _ in range(9):
        deep = {"model": deep}
    assert refusal(saved(tmp_path, deep))


def test_program_from_bytes_refuses_what_is_no_archive(tmp_path):
    for content in (b"", b"hello", saved(tmp_path, WEIGHT).read_bytes()):
        with pytest.raises(CheckpointError, match=r"live model: .*(archive|zip)"):
            program_from_bytes(content, "live model")


def test_hostile_names_of_shards(tmp_path):
    for home in ("../evil.safetensors", "/etc/passwd", ""):
        (tmp_path / "m.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": home}}))
        assert "outside" in refusal(tmp_path / "m.safetensors.index.json")
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": "gone.safetensors"}}))
    assert "no such file" in str(refusal_of_any(tmp_path))


def refusal_of_any(path):
    with pytest.raises(CheckpointError) as caught:
        read(path)
    return caught.value


def test_shards_that_disagree_with_their_index(mlp, tmp_path):
    folder = conventions._shards(mlp[0], {}, tmp_path / "shards")
    index = folder / "model.safetensors.index.json"
    table = json.loads(index.read_text())
    moved = table["weight_map"] | {"fc9.weight": "model-00001-of-00002.safetensors"}
    index.write_text(json.dumps({"weight_map": moved}))
    assert "fc9.weight" in str(refusal_of_any(folder))
    index.write_text(
        json.dumps({"weight_map": {k: v for k, v in table["weight_map"].items() if k != "fc1.bias"}})
    )
    assert "fc1.bias" in str(refusal_of_any(folder))
    index.write_text(json.dumps({"weight_map": []}))
    assert "weight_map" in str(refusal_of_any(folder))
