"""Where warnings go: standard error, the report, a batch's reports, a comparison; never the exit status."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.batch.store import opened
from boundcalc.cli.main import main


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.random((200, 12)), random.integers(0, 3, 200)
    np.savez(tmp_path / "data.npz", x_train=x * 255, y_train=y, x_test=x[:50] * 255, y_test=y[:50])
    return f"npz:{tmp_path / 'data.npz'}"


@pytest.fixture
def nets(tmp_path):
    paths = []
    for seed in range(2):
        random = torch.Generator().manual_seed(seed)
        weights = {
            "fc1.weight": torch.randn(6, 12, generator=random),
            "fc2.weight": torch.randn(3, 6, generator=random),
        }
        paths.append(str(tmp_path / f"net{seed}.pt"))
        torch.save(weights, paths[-1])
    return paths


def test_the_report_and_standard_error_say_the_same(nets, data, capsys):
    assert main([nets[0], "--data", data, "--only", "empirical", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    lines = json.loads(out)["verdict"]["warnings"]
    assert any("inputs reach 2" in line for line in lines)
    assert err == "".join(f"boundcalc: warning: {line}\n" for line in lines)
    report = boundcalc.analyze(nets[0], data=data, only=("empirical",)).to_dict()
    assert report["verdict"]["warnings"] == lines


def test_the_table_shows_them(nets, data, capsys):
    assert main([nets[0], "--data", data, "--only", "empirical", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "looks wrong   the inputs reach 2" in out
    assert err == ""


def test_a_batch_and_a_comparison_keep_them_off_standard_error(nets, data, tmp_path, capsys):
    store = str(tmp_path / "store.sqlite")
    words = ["--data", data, "--only", "empirical"]
    assert main(["batch", *nets, "--store", store, *words, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    with opened(store) as held:
        reports = [held.report(row.id) for row in held.rows()]
    assert all(report["verdict"]["warnings"] for report in reports)
    assert main(["compare", *nets, *words, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert {line["checkpoint"] for line in json.loads(out)["warnings"]} == {0, 1}
    assert err == ""


def test_a_normalisation_is_judged_alike_by_all_commands(nets, data, tmp_path, capsys):
    words = ["--data", data, "--normalize", "0.5,0.5", "--only", "empirical", "--format", "json"]
    assert main([nets[0], *words]) == 0
    single = json.loads(capsys.readouterr().out)["verdict"]["warnings"]
    assert any(line.startswith("--normalize 0.5,0.5: ") for line in single)
    assert main(["compare", *nets, *words]) == 0
    both = json.loads(capsys.readouterr().out)["warnings"]
    assert [line["warning"] for line in both if line["checkpoint"] == 0] == single
