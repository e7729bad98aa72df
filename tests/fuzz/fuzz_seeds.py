"""Sound files of every kind that boundcalc reads: what the attacks start from."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import warnings
from pathlib import Path

import conventions
import image_files
import numpy as np
import torch

KINDS = (
    "zip", "legacy", "tar", "pt2", "safetensors", "index", "open_lth", "onnx",
    "npz", "idx", "cifar10", "folder", "parquet", "objects",
)  # fmt: skip
"""What a case is made of; ``objects`` are tables of odd tensors made afresh and saved in a container."""

FOLDERS = ("index", "open_lth", "idx", "cifar10", "folder")
"""Kinds of which a checkpoint or data set is a folder."""

DATA = {"npz": "npz", "idx": "mnist", "cifar10": "cifar10", "folder": "folder", "parquet": "parquet"}
"""Kinds of data sets -> how ``--data`` calls their form."""


def build(home: Path) -> None:
    """Write the sound files, a folder a kind.

    Args:
        home: an empty folder.
    """
    written: dict[str, Path] = {}
    for make, shape in ((conventions.MLP, (2, 12)), (conventions.CNN, (2, 1, 8, 8))):
        network = conventions.seeded(make)
        folder = home / "written" / make.__name__
        folder.mkdir(parents=True)
        masks = conventions.random_masks(network)
        found = conventions.write_all(network, folder, masks, torch.ones(shape))
        written |= {f"{make.__name__}-{name}": path for name, path in found.items()}
    for name, path in written.items():
        kind = _kind(name)
        target = home / kind / name
        target.parent.mkdir(exist_ok=True)
        (path.parents[3] if kind == "open_lth" else path).rename(target)
    _save_legacy(home)
    _save_tar(home)
    _save_data(home)
    _save_images(home)
    _save_onnx(home)


def _kind(name: str) -> str:
    if "open_lth" in name:
        return "open_lth"
    if "shards" in name:
        return "index"
    if "safetensors" in name:
        return "safetensors"
    if "pt2" in name:
        return "pt2"
    return "legacy" if "legacy" in name else "zip"


def _save_legacy(home: Path) -> None:
    network = conventions.seeded(conventions.MLP)
    state = {"epoch": 3, "state_dict": network.state_dict(), "best": 0.5, "args": {"lr": [0.1, None]}}
    torch.save(state, home / "legacy" / "nested", _use_new_zipfile_serialization=False)
    (home / "legacy" / "plain").write_bytes(pickle.dumps({"a.weight": [1.0, 2.0]}, protocol=2))


def _save_tar(home: Path) -> None:
    """Write what torch.save wrote before 0.2, as far as it matters here: a tar with a pickle, storages and tensors."""
    (home / "tar").mkdir()
    with tarfile.open(home / "tar" / "ancient", "w") as archive:
        for name, content in (
            ("storages", pickle.dumps(1, 2) + pickle.dumps(("0", "cpu", "FloatStorage"), 2) + bytes(8)),
            ("tensors", pickle.dumps(1, 2) + struct.pack("<iqqqq", 1, 0, 1, 1, 0)),
            ("pickle", pickle.dumps({"fc.weight": [1.0]}, 2)),
            ("sys_info", pickle.dumps({"little_endian": True}, 2)),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _save_data(home: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "x_train": generator.integers(0, 255, (12, 3, 4), np.uint8),
        "y_train": generator.integers(0, 4, 12),
        "x_test": generator.integers(0, 255, (5, 3, 4), np.uint8),
        "y_test": generator.integers(0, 4, 5),
    }
    (home / "npz").mkdir()
    np.savez(home / "npz" / "stored.npz", **arrays)
    np.savez_compressed(
        home / "npz" / "compressed.npz",
        **arrays | {"x_train": arrays["x_train"] / 255, "x_test": arrays["x_test"] / 255},
    )
    for name, squeeze in (("plain", lambda content: content), ("gz", gzip.compress)):
        folder = home / "idx" / name
        folder.mkdir(parents=True)
        for key, stem in (("train", "train"), ("test", "t10k")):
            x, y = arrays[f"x_{key}"], arrays[f"y_{key}"].astype(np.uint8)
            ending = ".gz" if name == "gz" else ""
            images = struct.pack(">4I", 0x803, *x.shape) + x.tobytes()
            labels = struct.pack(">2I", 0x801, len(y)) + y.tobytes()
            (folder / f"{stem}-images-idx3-ubyte{ending}").write_bytes(squeeze(images))
            (folder / f"{stem}-labels-idx1-ubyte{ending}").write_bytes(squeeze(labels))


def _save_images(home: Path) -> None:
    for name, form in (
        ("python2", image_files.python_2),
        ("python3", image_files.python_3),
        ("binary", None),
    ):
        image_files.save_cifar10(home / "cifar10" / name, form, count=2)
    for form, shape in (("PNG", (3, 5, 4)), ("JPEG", (1, 5, 4)), ("TIFF", (3, 5, 4)), ("WEBP", (3, 5, 4))):
        image_files.save_folder(home / "folder" / form / "train", 6, shape, form)
        image_files.save_folder(home / "folder" / form / "test", 3, shape, form)
    image_files.save_parquet(home / "parquet" / "struct.parquet")
    image_files.save_parquet(home / "parquet" / "plain.parquet", plain=True)


def _save_onnx(home: Path) -> None:
    (home / "onnx").mkdir()
    for make, shape in ((conventions.MLP, (2, 12)), (conventions.CNN, (2, 1, 8, 8))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = str(home / "onnx" / f"{make.__name__}.onnx")
            torch.onnx.export(conventions.seeded(make), (torch.zeros(shape),), path, dynamo=False)


ODD_STEMS = ("weight", "\u202efc", "f\x1b[31mc", "x" * 300, "", "\u3164", "__class__", "f" * 499)


def odd_state(draw) -> dict:
    """Return a table of odd tensors under odd names.

    Args:
        draw: a `random.Random`.
    """
    if draw.random() < 0.6:
        return _spoiled_chain(draw)
    state: dict = {}
    width = draw.choice((1, 2, 3, 12))
    shared = torch.rand(draw.choice((4, 64, 4096)))
    for number in range(draw.randint(1, 5)):
        stem = (
            draw.choice(ODD_STEMS)
            if draw.random() < 0.05
            else draw.choice(("fc", "fc", "conv", "module.fc", "a.b"))
        )
        ending = draw.choice((
            ".weight", ".weight", ".weight", ".bias", ".weight_mask", ".weight_orig", ".weight_g", ".weight_v",
            ".mask", ".running_mean", "", ".scores", ".parametrizations.weight.original", ".mask_weight",
        ))  # fmt: skip
        out = draw.choice((1, 2, 3, 5))
        state[f"{stem}{number}{ending}"] = _odd_tensor(draw, out, width, shared)
        width = draw.choice((out, width, 7))
    if draw.random() < 0.3:
        state[draw.choice(("epoch", "state_dict", "masks", "model"))] = draw.choice(
            (
                3,
                None,
                "text",
                [1, 2],
                {},
                {"fc0.weight": torch.ones(2, width)},
                [torch.ones(2, width)],
                float("nan"),
            )
        )
    if draw.random() < 0.2:
        state = {draw.choice(("state_dict", "model", "masks", "net")): state}
    return state


def _spoiled_chain(draw) -> dict:
    """Return a sound perceptron in which one tensor is odd, or beside which one lies."""
    state = dict(conventions.seeded(conventions.MLP, draw.randrange(100)).state_dict())
    key = draw.choice((*state, "fc1.weight_mask", "fc2.mask", "masks", "fc4.weight", "scale"))
    shape = state[key].shape if key in state and state[key].dim() == 2 else (8, 12)
    state[key] = _odd_tensor(draw, shape[0], shape[1], torch.rand(4096))
    return draw.choice(
        (state, state, {"state_dict": state, "epoch": 1}, {"state_dict": state, "masks": {"fc1": state[key]}})
    )


def _odd_tensor(draw, out: int, width: int, shared: torch.Tensor):
    shape = draw.choice(
        ((out, width), (out, width), (out,), (out, width, 3, 3), (), (0, width), (out, 1, 1), (1, 0, 5))
    )
    count = int(np.prod(shape, dtype=int))
    values = torch.tensor([draw.gauss(0, 1) for _ in range(count)]).reshape(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _ODD[draw.choice(tuple(_ODD))](values, shared, out, width, draw)


_ODD = {
    "plain": lambda v, s, o, w, d: v,
    "plain again": lambda v, s, o, w, d: v,
    "mask": lambda v, s, o, w, d: (v > 0).to(d.choice((torch.bool, torch.float32, torch.int32, torch.uint8))),
    "type": lambda v, s, o, w, d: v.to(
        d.choice(
            (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.complex64, torch.float8_e5m2)
        )
    ),
    "huge": lambda v, s, o, w, d: (
        v.double() * d.choice((1e300, 1e-300, 1e-320, float("inf"), float("nan"), 0.0))
    ),
    "shared": lambda v, s, o, w, d: s[: o * w].reshape(-1, w) if o * w <= len(s) else s,
    "expanded": lambda v, s, o, w, d: s[:1].expand(d.choice((2, 1 << 20, 1 << 34)), d.choice((2, 1 << 20))),
    "sparse": lambda v, s, o, w, d: torch.sparse_coo_tensor(
        torch.tensor([[0], [0]]), torch.ones(1), (d.choice((o, 1 << 14, 1 << 31)), d.choice((w, 1 << 14)))
    ),
    "csr": lambda v, s, o, w, d: torch.eye(o + 1).to_sparse_csr(),
    "strided": lambda v, s, o, w, d: v.t() if v.dim() == 2 else v,
    "empty": lambda v, s, o, w, d: torch.empty(0, d.choice((0, 3, 1 << 40))),
    "meta": lambda v, s, o, w, d: torch.empty(o, w, device="meta"),
    "quantized": lambda v, s, o, w, d: torch.quantize_per_tensor(v.float(), 0.1, 0, torch.qint8),
    "parameter": lambda v, s, o, w, d: torch.nn.Parameter(v),
}
"""Kinds of tensors: of values, a shared storage, outputs, inputs and the draw."""


def save_objects(draw, path: Path) -> None:
    """Save an odd table in one of the containers of torch.save and safetensors.

    Args:
        draw: a `random.Random`.
        path: of the file.
    """
    state = odd_state(draw)
    way = draw.choice(("zip", "zip", "legacy", "safetensors"))
    if way == "safetensors":
        from safetensors.torch import save

        flat = {k: v.contiguous() for k, v in state.items() if isinstance(v, torch.Tensor) and _is_plain(v)}
        path.write_bytes(save({key: value.clone() for key, value in flat.items()}))
        return
    torch.save(state, path, _use_new_zipfile_serialization=way == "zip")


def _is_plain(tensor: torch.Tensor) -> bool:
    small = tensor.numel() < 1 << 16
    return tensor.layout is torch.strided and small and not tensor.is_meta and not tensor.is_quantized


def index_of(folder: Path) -> dict:
    """Return the index of a folder of shards."""
    return json.loads(next(folder.glob("*.index.json")).read_text())
