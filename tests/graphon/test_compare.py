"""Two and more checkpoints side by side, from Python and from the command line."""

import csv
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from graphon.test_estimate import linear_chain
from torch import nn

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.graphon.compare import distances, matched
from boundcalc.report.comparison import Comparison

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "data" / "tickets"
LEVELS = sorted(
    (ROOT.parent / "shared" / "data" / "open_lth_lenet").glob("lottery_*/replicate_*/level_*/main")
)
TEN, TWO = (str(TICKETS / f"lenet300_density{density}.pt") for density in ("10", "02"))


def run(capsys, *words):
    status = main(["compare", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def saved(folder, name, sizes, density, seed=0, keys="fc{}"):
    rng = np.random.default_rng(seed)
    weights = {}
    for index, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        weight = rng.standard_normal((after, before)) * (rng.random((after, before)) < density)
        weights[f"{keys.format(index)}.weight"] = torch.from_numpy(weight).float()
    torch.save(weights, folder / name)
    return str(folder / name)


def test_a_checkpoint_is_at_no_distance_from_itself(capsys):
    status, out, _ = run(capsys, TEN, TEN, "--format", "json")
    tree = json.loads(out)
    assert status == 0 and tree["schema"] == "boundcalc.compare/1"
    assert all(layer["l2"] == 0 and layer["cut"] == [0, 0] for layer in tree["pairs"][0]["layers"])


def test_a_relabelled_network_is_at_no_distance():
    rng = np.random.default_rng(0)
    mask = np.tril(np.ones((30, 30), bool))
    (one,) = distances(linear_chain(mask), linear_chain(mask[rng.permutation(30)][:, rng.permutation(30)]), 8)
    assert (one.l2, one.cut) == (0, (0, 0))


def test_the_dense_network_is_at_the_pruned_share(capsys):
    _, out, _ = run(capsys, str(TICKETS / "lenet300_dense.pt"), TWO, "--format", "json")
    for layer in json.loads(out)["pairs"][0]["layers"]:
        low, high = layer["cut"]
        pruned = 1 - layer["densities"][1]
        assert low <= pruned <= high and high - low < 1e-6
        assert layer["l2"] >= pruned


def test_networks_of_other_widths_and_names_are_matched_by_order(tmp_path, capsys):
    a = saved(tmp_path, "a.pt", (40, 30, 10), 0.3)
    b = saved(tmp_path, "b.pt", (40, 77, 10), 0.3, 1, "layer{}")
    status, out, _ = run(capsys, a, b, "--format", "json", "--cells", "16")
    layers = json.loads(out)["pairs"][0]["layers"]
    assert status == 0
    assert [layer["names"] for layer in layers] == [["fc1", "layer1"], ["fc2", "layer2"]]
    assert layers[0]["shapes"] == [[30, 40], [77, 40]]
    assert all(0 < layer["cut"][0] <= layer["cut"][1] <= 1.2 * layer["cut"][0] for layer in layers)


def test_random_masks_of_one_density_come_close_as_width_grows():
    def apart(width):
        masks = [np.random.default_rng([width, seed]).random((width, 2 * width)) < 0.3 for seed in (0, 1)]
        return distances(linear_chain(masks[0]), linear_chain(masks[1]), 8)[0].cut

    assert apart(400)[1] < apart(25)[0]


def test_matching():
    assert matched(["a", "b"], ["b", "a"]) == ((0, 1), (1, 0))
    assert matched(["a", "a"], ["a", "a"]) == ((0, 0), (1, 1))
    with pytest.raises(ValueError, match=r"2 layers \(a, b\) do not match 4 \(a, b, c, ...\)"):
        matched(["a", "b"], ["a", "b", "c", "d"])


def test_other_numbers_of_layers_are_one_line_and_status_3(tmp_path, capsys):
    status, out, err = run(capsys, TEN, saved(tmp_path, "deep.pt", (9, 8, 7, 6, 5), 0.5))
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert "deep.pt: cannot be compared with" in err and "3 layers (fc1, fc2, fc3) do not match 4" in err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "CHECKPOINT"),
        ([TEN], 2, "at least two"),
        ([TEN, "missing.pt"], 3, "missing.pt"),
        ([TEN, TWO, "--cells", "0"], 2, "--cells"),
        ([TEN, TWO, "--cels", "9"], 2, "did you mean --cells"),
        ([TEN, TWO, "-o", "no/such/folder"], 2, "no such folder"),
    ],
)
def test_wrong_usage_is_one_line(capsys, words, status, message):
    found, out, err = run(capsys, *words)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert message in err


def test_several_checkpoints_against_the_first_or_the_previous(capsys):
    dense = str(TICKETS / "lenet300_dense.pt")
    first = json.loads(run(capsys, dense, TEN, TWO, "--format", "json")[1])
    previous = json.loads(run(capsys, dense, TEN, TWO, "--format", "json", "--against", "previous")[1])
    assert [pair["checkpoints"] for pair in first["pairs"]] == [[0, 1], [0, 2]]
    assert [pair["checkpoints"] for pair in previous["pairs"]] == [[0, 1], [1, 2]]
    assert first["pairs"][0] == previous["pairs"][0]
    assert [one["density"] for one in first["checkpoints"]] == pytest.approx([1, 0.1, 0.02])


def test_every_view(capsys):
    table = run(capsys, TEN, TWO)[1]
    assert (
        "Masks of lenet300_density10.pt and lenet300_density02.pt" in table
        and max(map(len, table.splitlines())) <= 100
    )
    assert "| fc1 | 300x784 |" in run(capsys, TEN, TWO, "--format", "markdown")[1]
    assert r"\label{tab:boundcalc-masks-1-2}" in run(capsys, TEN, TWO, "--format", "latex")[1]
    rows = list(csv.DictReader(io.StringIO(run(capsys, TEN, TWO, "--format", "csv")[1])))
    tree = json.loads(run(capsys, TEN, TWO, "--format", "json")[1])
    cut = {(r["layer"], r["quantity"]): float(r["value"]) for r in rows if r["other"] == TWO}
    for layer in tree["pairs"][0]["layers"]:
        assert [cut[layer["names"][0], f"cut_{end}"] for end in ("low", "high")] == layer["cut"]
        assert cut[layer["names"][0], "l2"] == layer["l2"]


def test_the_result_goes_to_a_file_and_the_seed_decides(tmp_path, capsys):
    for name in ("a.json", "b.json"):
        assert run(capsys, TEN, TWO, "--format", "json", "-o", str(tmp_path / name))[1] == ""
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_from_python():
    found = boundcalc.compare(TEN, TWO, cells=16)
    assert isinstance(found, Comparison) and found.to_dict()["resolution"] == 16
    assert pickle.loads(pickle.dumps(found)) == found
    assert repr(found).startswith("<Comparison of ") and "cut norm" in str(found)
    assert Comparison(json.loads(found.to("json"))) == found
    with pytest.raises(UsageError, match="at least two"):
        boundcalc.compare(TEN)
    with pytest.raises(UsageError, match="--against"):
        boundcalc.compare(TEN, TWO, against="last")
    with pytest.raises(UsageError, match="unknown format"):
        found.to("html5")
    with pytest.raises(CheckpointError, match="do not match"):
        boundcalc.compare(nn.Sequential(nn.Linear(4, 3)), TEN)
    with pytest.raises(ValueError, match="schema"):
        Comparison({"schema": "boundcalc.report/1"})


def test_modules_are_compared():
    wide, narrow = (nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3)) for width in (5, 9))
    layers = boundcalc.compare(wide, narrow).to_dict()["pairs"][0]["layers"]
    assert [(layer["l2"], layer["cut"]) for layer in layers] == [(0, [0, 0])] * 2


@pytest.mark.skipif(len(LEVELS) < 2, reason="no open_lth folder")
def test_levels_of_a_lottery_move_away_from_the_first():
    tree = boundcalc.compare(*LEVELS[:1], *LEVELS[-4:]).to_dict()
    assert len(tree["pairs"]) == min(4, len(LEVELS))
    for pair in tree["pairs"]:
        for layer in pair["layers"]:
            low, high = layer["cut"]
            assert abs(layer["densities"][0] - layer["densities"][1]) <= high * (1 + 1e-12)
            assert low <= high <= max(1.2 * low, 1e-6)
