"""`boundcalc compare` of levels and folders, from files and from a store; distances are in tests/graphon/test_compare.py."""

from __future__ import annotations

import csv
import io
import json
import re
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch

from boundcalc.batch import runner, worker
from boundcalc.cli.main import main

DATA = ("--data", "npz:data.npz", "--only", "samples,empirical")


class Inline:
    threads, free = 1, 1
    tasks: list[str] = []

    def __init__(self, workers):
        """One task at a time, at once."""

    def submit(self, task):
        self.tasks.append(task.path)
        future = Future()
        future.set_result(worker.work(task))
        return future

    def check(self):
        """It runs."""

    def close(self):
        """Nothing runs."""


@pytest.fixture
def levels(tmp_path, monkeypatch):
    """Twelve levels of one lottery, the sparser the higher, in the working directory, and a sample."""
    monkeypatch.setattr(Inline, "tasks", [])
    monkeypatch.setattr(runner, "LocalWorkers", Inline)
    monkeypatch.setattr(worker, "limit_threads", lambda threads: None)
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(6, 12, generator=generator)
    for number in range(12):
        main_folder = tmp_path / "replicate_1" / f"level_{number}" / "main"
        main_folder.mkdir(parents=True)
        masks = {"0.weight": (order >= number / 13).float(), "2.weight": torch.ones(3, 6)}
        weights = {name: torch.randn(mask.shape, generator=generator) * mask for name, mask in masks.items()}
        torch.save(weights, main_folder / "model_ep1_it0.pth")
        torch.save(masks, main_folder / "mask.pth")
    draw = np.random.default_rng(0)
    x, y = draw.random((90, 12)), draw.integers(0, 3, 90)
    np.savez(tmp_path / "data.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "replicate_1"


def compare(capsys, *words):
    status = main(["compare", *words])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert status == 0
    return captured.out


def tree_of(capsys, *words):
    return json.loads(compare(capsys, *words, "--format", "json"))


def test_a_folder_is_its_levels_in_the_order_of_their_numbers(capsys, levels):
    tree = tree_of(capsys, "replicate_1", *DATA)
    assert [one["path"] for one in tree["checkpoints"]] == [
        str(levels / f"level_{i}" / "main") for i in range(12)
    ]
    assert [one["checkpoint"] for one in tree["tickets"]] == list(range(12))
    assert {one["lottery"] for one in tree["tickets"]} == {str(levels)}
    densities = [one["density"] for one in tree["tickets"]]
    assert densities == sorted(densities, reverse=True)
    assert {one["with"] for one in tree["correlations"]} == {"gap", "accuracy"}
    assert all(one["n"] + one["left_out"] == 12 for one in tree["correlations"])


def without_times(tree):
    """Leave out the times, and of which file a measurement's source speaks: a store knows it by its absolute path."""
    for one in tree["quantities"].values():
        one["source"] = one["source"].replace(f"npz:{Path.cwd()}/", "npz:")
    return json.loads(re.sub(r'"seconds": \{[^}]*\}', '"seconds": {}', json.dumps(tree)))


def test_a_store_gives_what_the_files_give_in_the_order_that_was_given(capsys, levels):
    words = ("replicate_1/level_10", "replicate_1/level_2", "replicate_1/level_0", *DATA)
    fresh = tree_of(capsys, *words)
    assert [one["path"] for one in fresh["checkpoints"]] == list(words[:3])
    assert without_times(tree_of(capsys, *words, "--store", "s.sqlite")) == without_times(fresh)
    assert len(Inline.tasks) == 3
    assert without_times(tree_of(capsys, *words, "--store", "s.sqlite")) == without_times(fresh)
    assert len(Inline.tasks) == 3, "all of it was in the store"
    tree_of(capsys, "replicate_1", *DATA, "--store", "s.sqlite")
    assert len(Inline.tasks) == 12


def test_two_files_of_one_content_are_two_tickets(capsys, levels):
    weights = {"0.weight": torch.ones(6, 12), "2.weight": torch.ones(3, 6)}
    for name in ("a.pt", "b.pt"):
        torch.save(weights, name)
    content = (levels.parent / "a.pt").read_bytes()
    (levels.parent / "b.pt").write_bytes(content)
    for store in ((), ("--store", "s.sqlite")):
        tree = tree_of(capsys, "a.pt", "b.pt", "--only", "samples", *store)
        assert [one["path"] for one in tree["checkpoints"]] == ["a.pt", "b.pt"]


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex", "html"])
def test_every_format_has_tickets_correlations_and_masks(capsys, levels, format):
    out = compare(capsys, "replicate_1/level_0", "replicate_1/level_4", "replicate_1/level_8",
                  "replicate_1/level_10", *DATA, "--format", format)  # fmt: skip
    assert out.endswith("\n")
    words = re.sub(r"\W", "", out)
    assert "level_8" in words.replace("level8", "level_8")
    assert "samplesratio" in words or "NNdense" in words


def test_csv_numbers_are_those_of_the_tree(capsys, levels):
    words = (
        "replicate_1/level_0",
        "replicate_1/level_4",
        "replicate_1/level_8",
        "replicate_1/level_10",
        *DATA,
    )
    tree = tree_of(capsys, *words)
    lines = list(csv.DictReader(io.StringIO(compare(capsys, *words, "--format", "csv"))))
    found = {(line["checkpoint"], line["quantity"]): line["value"] for line in lines if not line["layer"]}
    for one in tree["tickets"]:
        for quantity, value in one["quantities"].items():
            path = tree["checkpoints"][one["checkpoint"]]["path"]
            assert found[path, quantity] == ("" if value is None else repr(value))
    for one in tree["correlations"]:
        key = ("", f"tau({one['quantity']}, {one['with']})")
        assert found[key] == ("" if one["tau"] is None else repr(one["tau"]))


def test_usage(capsys, levels):
    (levels.parent / "broken.pt").write_text("no checkpoint")
    two = ("replicate_1/level_0", "replicate_1/level_4")
    for status, words, message in (
        (2, two[:1], "compare needs at least two checkpoints; see boundcalc compare --help"),
        (
            2,
            (*two[:1], "--store", "s"),
            "compare needs at least two checkpoints; see boundcalc compare --help",
        ),
        (2, (*two, "--workers", "2"), "--workers needs --store: give the store that the workers write to"),
        (2, (*two, "--store", "s", "-o", "s"), "-o s: this is the store itself; name another file"),
        (3, (*two, "none.pt"), "none.pt: no such file or folder"),
        (3, (*two, "broken.pt"), "broken.pt: a text file, not a checkpoint"),
        (
            3,
            (*two, "broken.pt", "--store", "s"),
            f"{levels.parent / 'broken.pt'}: a text file, not a checkpoint",
        ),
    ):
        assert main(["compare", *words]) == status
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", f"boundcalc: {message}\n")


def test_networks_of_other_architectures_are_ranked_without_a_distance(capsys, levels):
    torch.save(
        {"0.weight": torch.ones(4, 12), "2.weight": torch.ones(3, 4), "4.weight": torch.ones(3, 3)}, "deep.pt"
    )
    words = (
        "replicate_1/level_0",
        "deep.pt",
        "replicate_1/level_4",
        "replicate_1/level_8",
        *DATA,
        "--format",
        "json",
    )
    assert main(["compare", *words]) == 0
    captured = capsys.readouterr()
    tree = json.loads(captured.out)
    assert len(tree["tickets"]) == 4
    assert [one["checkpoints"] for one in tree["pairs"]] == [[0, 2], [0, 3]]
    assert [one["checkpoints"] for one in tree["unmatched"]] == [[0, 1]]
    assert captured.err == f"boundcalc: {tree['unmatched'][0]['reason']}\n"
    assert "deep.pt: cannot be compared with" in captured.err
    cut = {one["checkpoint"]: one["quantities"]["masks.cut"] for one in tree["tickets"]}
    assert cut[0] is cut[1] is None
    assert cut[2] < cut[3]
    assert main(["compare", "replicate_1/level_0", "deep.pt", *DATA]) == 3, "there is nothing else to show"
