import hashlib
import importlib.util
import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from boundcalc.empirical.datasets import open_data
from boundcalc.tickets import architectures

DATA = Path(__file__).parents[2] / "data"
TICKETS = DATA / "tickets"
README = (DATA / "README.md").read_text()
RESULTS = {record["file"]: record for record in json.loads((TICKETS / "results.json").read_text())}
ROWS = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", README, re.M)]
DIGESTS = {row[0]: row[1] for row in ROWS if len(row) == 2 and re.fullmatch(r"[0-9a-f]{64}", row[1])}
TABLE = {row[0]: row[1:] for row in ROWS if len(row) == 8 and row[0].endswith(".pt")}


def path_of(name):
    return DATA / name if name.endswith(".npz") else TICKETS / name


@pytest.mark.parametrize("name", ["mnist_sample.npz", *RESULTS])
def test_digest(name):
    digest = hashlib.sha256(path_of(name).read_bytes()).hexdigest()
    assert digest == DIGESTS[name]
    assert name == "mnist_sample.npz" or digest == RESULTS[name]["sha256"]


def test_nothing_else_is_shipped():
    ours = {path.name for path in DATA.rglob("*") if path.suffix in {".pt", ".npz"}}
    assert ours == {"mnist_sample.npz", *RESULTS} == {*TABLE, "mnist_sample.npz"}
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 11e6


def test_sample():
    with np.load(DATA / "mnist_sample.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x_test", "x_train", "y_test", "y_train"]
        for split, m in (("train", 10_000), ("test", 2_000)):
            x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
            assert x.shape == (m, 28, 28) and x.dtype == y.dtype == np.uint8
            assert len(np.unique(x.reshape(m, -1), axis=0)) == m
            counts = np.bincount(y, minlength=10)
            assert len(counts) == 10 and np.all(np.abs(counts / m - 0.1) < 0.025)
            assert x.max() == 255 and 30 < x.mean() < 36


def state(name):
    """The weights as the network uses them."""
    raw = torch.load(TICKETS / name, weights_only=True)
    masks = {key.removesuffix("_mask"): value for key, value in raw.items() if key.endswith("_mask")}
    return {
        key.removesuffix("_orig"): value * masks.get(key.removesuffix("_orig"), 1)
        for key, value in raw.items()
        if not key.endswith("_mask")
    }


@pytest.fixture(scope="module")
def images():
    data = open_data("sample")
    return [next(data.train.batches(10_000)), next(data.test.batches(2_000))]


@pytest.mark.parametrize("name", RESULTS)
def test_ticket(name, images):
    record, (network_name, total, surviving, density, *errors, _) = RESULTS[name], TABLE[name]
    network = getattr(architectures, network_name)()
    weights = state(name)
    network.load_state_dict(weights)
    matrices = [value for key, value in weights.items() if key.endswith("weight")]
    assert sum(w.numel() for w in matrices) == record["parameters"] == int(total)
    assert sum(int((w != 0).sum()) for w in matrices) == record["surviving"] == int(surviving)
    assert abs(int(surviving) - float(density) * int(total)) < 0.5
    for (x, y), key, written in zip(images, ("train_error", "test_error"), errors, strict=True):
        with torch.no_grad():
            wrong = network(torch.from_numpy(x).float()).argmax(1).numpy() != y
        assert wrong.mean() == pytest.approx(record[key], abs=0.001) == float(written)
    if name.startswith("lenet300_d"):
        assert record["test_error"] < 0.05
    assert (weights["fc3.bias"] != 0).all() if "fc3.bias" in weights else True


@pytest.mark.parametrize("name", ["lenet300_density10.pt", "conv_density10.pt"])
def test_live_form(name):
    raw = torch.load(TICKETS / name, weights_only=True)
    start = state(name.partition("_")[0] + "_init.pt")
    for key in start:
        if key.endswith("weight"):
            mask, orig = raw[f"{key}_mask"], raw[f"{key}_orig"]
            assert mask.shape == orig.shape and set(mask.unique().tolist()) == {0.0, 1.0}
            assert torch.equal(orig[mask == 0], start[key][mask == 0])  # rewound, and never trained again
            assert (orig[mask == 1] != start[key][mask == 1]).any()


def test_masks_are_nested():
    """Each level prunes what the one before kept."""
    wide, narrow = state("lenet300_density10.pt"), state("lenet300_density02.pt")
    for key in ("fc1.weight", "fc2.weight", "fc3.weight"):
        assert not ((narrow[key] != 0) & (wide[key] == 0)).any()


def test_conv_can_be_inferred():
    shapes = {key: tuple(value.shape) for key, value in state("conv_init.pt").items()}
    kernels = [shape[-1] for shape in shapes.values() if len(shape) == 4]
    channels = shapes["conv3.weight"][0]
    readings = []
    for stride, padding in itertools.product((1, 2, 3, 4), (0, 1)):
        for pools in itertools.product((False, True), repeat=len(kernels)):
            size = 28
            for kernel, pool in zip(kernels, pools, strict=True):
                size = (size + 2 * padding - kernel) // stride + 1 if size + 2 * padding >= kernel else 0
                size = size // 2 if pool else size
            if channels * size * size == shapes["fc.weight"][1]:
                readings.append((stride, padding, pools))
    assert readings == [(1, 0, (False, False, False))]


def load_script(path):
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_make_sample(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    arrays = {}
    for stem, m in (("train", 50), ("t10k", 20)):
        arrays[stem] = x, y = (
            random.integers(0, 256, (m, 28, 28), np.uint8),
            random.integers(0, 10, m, np.uint8),
        )
        for name, array in (("images-idx3", x), ("labels-idx1", y)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (tmp_path / f"{stem}-{name}-ubyte").write_bytes(head + array.tobytes())
    script = load_script(DATA / "make_sample.py")
    monkeypatch.setattr(script, "TRAIN", 30)
    monkeypatch.setattr(script, "TEST", 10)
    made = []
    for name in ("a.npz", "b.npz"):
        script.main(["--mnist", str(tmp_path), "--out", str(tmp_path / name)])
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    with np.load(tmp_path / "a.npz") as got:
        rows = np.random.RandomState(0).permutation(50)[:30]
        assert np.array_equal(got["x_train"], arrays["train"][0][rows])
        assert np.array_equal(got["y_train"], arrays["train"][1][rows])
        assert got["x_test"].shape == (10, 28, 28)


def test_make_tickets_tiny(tmp_path, capsys):
    script = load_script(DATA.parent / "experiments" / "demo_tickets" / "make.py")
    made = []
    for name in ("a", "b"):
        script.main(["--tiny", "--out", str(tmp_path / name)])
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {*RESULTS, "results.json"}
    for record in json.loads(made[0]["results.json"]):
        assert record["surviving"] == RESULTS[record["file"]]["surviving"]
    assert "density 0.0200" in capsys.readouterr().out
    assert made[0]["lenet300_init.pt"] == (TICKETS / "lenet300_init.pt").read_bytes()
