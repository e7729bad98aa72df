"""The certificate-minded mode: certificates of written levels, kept networks, and when it stops."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.bounds.normalization import Normalization
from boundcalc.cli.main import main
from boundcalc.occam.kl import certificate
from boundcalc.tickets import certified, paths
from boundcalc.tickets.plan import RunPlan


def data(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = (np.eye(3)[y] @ rng.normal(size=(3, 12)) + 0.3 * rng.normal(size=(600, 12))).astype(np.float32)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:60], y_test=y[:60])
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make():\n    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))\n"
    )
    return f"npz:{tmp_path / 'd.npz'}"


def words(tmp_path, levels=6):
    given = ["train", "--data", data(tmp_path), "--model", f"{tmp_path / 'net.py'}:make", "--pruner", "imp"]
    return [
        *given,
        *[
            "--levels",
            str(levels),
            "--epochs",
            "2",
            "--lr",
            "0.05",
            "--certify",
            "4",
            "--prune-fraction",
            "0.5",
        ],
        *["--out", str(tmp_path / "run"), "--quiet"],
    ]


def test_imp_stops_two_levels_after_its_best_certificate(tmp_path, capsys):
    assert main(words(tmp_path, levels=9)) == 0
    out = capsys.readouterr().out
    home = paths.replicate(tmp_path / "run", 0)
    found = certified.certificates(home)
    values = [tree["value"] for tree in found.values()]
    assert "certificate" in out
    assert list(found) == list(range(len(values)))
    if len(values) < 10:
        assert min(values[-certified.PATIENCE :]) >= min(values[: -certified.PATIENCE])
        assert not paths.level(home, len(values)).exists()
    for tree in found.values():
        recounted = certificate(round(tree["train_error"] * 600), 600, tree["bits"], tree["delta"])
        assert tree["value"] == pytest.approx(recounted, rel=1e-12)
    files = {file: file.stat().st_mtime_ns for file in home.rglob("*") if file.is_file()}
    assert main(words(tmp_path, levels=9)) == 0
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*") if file.is_file()} == files


def test_the_kept_network_is_the_certified_one(tmp_path):
    assert main(words(tmp_path, levels=1)) == 0
    place = paths.certificate(paths.replicate(tmp_path / "run", 0), 1)
    tree = json.loads(place.read_text())
    report = boundcalc.analyze(
        place.with_suffix(".safetensors"),
        model=f"{tmp_path / 'net.py'}:make",
        data=f"npz:{tmp_path / 'd.npz'}",
        only=("empirical",),
    ).to_dict()
    assert report["empirical"]["train_error"] == tree["train_error"]
    assert report["checkpoint"]["surviving"] == tree["surviving"]


def test_it_goes_on_while_certificates_fall(tmp_path):
    home = tmp_path
    place = paths.certificate(home, 0)
    place.parent.mkdir()
    stops = []
    for level, value in enumerate((0.5, 0.4, 0.41, 0.39, 0.39, 0.4)):
        paths.certificate(home, level).write_text(json.dumps({"level": level, "value": value}))
        stops.append(certified.is_past_best(home))
    assert stops == [False, False, False, False, False, True]


def test_passes_are_counted(capsys, tmp_path):
    given = [word if word != "4" else "-1" for word in words(tmp_path)]
    assert main(given) == 2
    assert "--passes -1" in capsys.readouterr().err
    assert torch.get_default_dtype() == torch.float32


NET = """
from torch import nn

def strided():
    layers = nn.Conv2d(1, 4, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.ReLU()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(392, 10))
"""


def test_a_network_of_ones_own_is_certified(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 300)
    x = np.zeros((300, 28, 28), dtype=np.uint8)
    for image, label in zip(x, y, strict=True):
        image[2 * label : 2 * label + 4] = 200
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    net = tmp_path / "net.py"
    net.write_text(NET)
    given = ["train", "--data", f"npz:{tmp_path / 'd.npz'}", "--model", f"{net}:strided", "--pruner", "imp"]
    effort = ["--levels", "0", "--epochs", "2", "--lr", "0.05", "--certify", "4"]
    assert main([*given, *effort, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    (found,) = certified.certificates(paths.replicate(tmp_path / "run", 0)).values()
    errors = round(found["train_error"] * 300)
    assert found["value"] == pytest.approx(
        certificate(errors, 300, found["bits"], certified.DELTA), rel=1e-12
    )
    assert 0 < found["surviving"] <= 4308


@pytest.mark.parametrize("fixed", [False, True])
def test_a_normalisation_is_paid_for_unless_it_was_fixed(tmp_path, fixed):
    more = ["--normalize", "0.1,2.5", *(["--normalize-fixed"] if fixed else [])]
    assert main([*words(tmp_path, levels=0), *more]) == 0
    tree = json.loads(paths.certificate(paths.replicate(tmp_path / "run", 0), 0).read_text())
    price = 0.0 if fixed else Normalization((0.1, 2.5)).bits
    assert (tree["subject"], tree["normalization_bits"]) == ("compression", price)
    recounted = certificate(round(tree["train_error"] * 600), 600, tree["bits"] + price, tree["delta"])
    assert tree["value"] == pytest.approx(recounted, rel=1e-12)


def test_fixed_without_numbers_is_wrong_usage(tmp_path, capsys):
    assert main([*words(tmp_path), "--normalize-fixed"]) == 2
    assert "--normalize-fixed needs --normalize" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_can_go_on():
    plan = RunPlan("sample", "imp", arch="lenet300", levels=1, normalize=(0.1, 0.3))
    assert "normalize_fixed" not in plan.tree()
    assert replace(plan, normalize_fixed=True).tree()["normalize_fixed"] is True
