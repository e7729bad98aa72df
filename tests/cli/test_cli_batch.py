"""`boundcalc batch` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from concurrent.futures import Future

import pytest
import torch

from boundcalc.batch import runner, worker
from boundcalc.cli.main import main
from boundcalc.report.views.table import WIDTH

SAMPLES = ("--only", "samples")


class Inline:
    threads, free = 1, 1

    def __init__(self, workers):
        """One task at a time, at once."""

    def submit(self, task):
        future = Future()
        future.set_result(worker.work(task))
        return future

    def check(self):
        """It runs."""

    def close(self):
        """Nothing runs."""


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    monkeypatch.setattr(runner, "LocalWorkers", Inline)
    monkeypatch.setattr(worker, "limit_threads", lambda threads: None)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder of two tickets, in the working directory."""
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        weights = {
            "0.weight": torch.randn(6, 12, generator=generator),
            "2.weight": torch.randn(3, 6, generator=generator),
        }
        weights["0.weight"][:seed] = 0
        (tmp_path / "runs").mkdir(exist_ok=True)
        torch.save(weights, tmp_path / "runs" / f"t{seed}.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def batch(capsys, *words):
    status = main(["batch", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, status, *words):
    found, out, err = batch(capsys, *words)
    assert (found, out, err.count("\n")) == (status, "", 1), err
    return err.removeprefix("boundcalc: ").rstrip("\n")


def test_results_on_standard_output_and_counts_on_standard_error(capsys, runs):
    status, out, err = batch(capsys, "runs", "--store", "s.sqlite", *SAMPLES)
    assert (status, err) == (0, "boundcalc: 2 paths, 2 analyzed, 0 known, 0 failed\n")
    assert "t0.pt" in out and "t1.pt" in out
    again = batch(capsys, "runs", "--store", "s.sqlite", *SAMPLES)
    assert again == (0, out, "boundcalc: 2 paths, 0 analyzed, 2 known, 0 failed\n")
    assert batch(capsys, "runs", "--store", "s.sqlite", *SAMPLES, "--quiet") == (0, out, "")
    assert batch(capsys, "--store", "s.sqlite") == (0, out, "")


def test_paths_may_stand_before_and_after_options(capsys, runs):
    words = ("runs/t0.pt", "--store", "s.sqlite", *SAMPLES, "runs/t1.pt")
    assert "2 paths, 2 analyzed" in batch(capsys, *words)[2]


def test_only_what_was_asked_for_is_printed(capsys, runs):
    batch(capsys, "runs", "--store", "s.sqlite", *SAMPLES)
    _, out, _ = batch(capsys, "runs/t1.pt", "--store", "s.sqlite", *SAMPLES, "--format", "csv")
    assert {line["checkpoint"] for line in csv.DictReader(io.StringIO(out))} == {str(runs / "t1.pt")}


def test_a_failure_is_told_and_is_status_1(capsys, runs):
    (runs / "broken.pt").write_text("no checkpoint")
    for counts in ("2 analyzed, 0 known", "0 analyzed, 2 known"):
        status, out, err = batch(capsys, "runs", "--store", "s.sqlite", *SAMPLES, "--format", "json")
        assert status == 1
        assert err == (
            f"boundcalc: {runs / 'broken.pt'}: a text file, not a checkpoint\nboundcalc: 3 paths, {counts}, 1 of 3 failed\n"
        )
        assert [one["state"] for one in json.loads(out)["checkpoints"]] == ["failed", "done", "done"]


def test_a_part_that_was_asked_for_and_did_not_run_is_status_1(capsys, runs):
    status, _, err = batch(capsys, "runs", "--store", "s.sqlite", "--only", "samples,empirical")
    assert (status, err) == (
        1,
        "boundcalc: 2 paths, 2 analyzed, 0 known, 0 failed, 2 without a part of --only\n",
    )
    assert batch(capsys, "runs", "--store", "s.sqlite")[0] == 0, "not asked for by name"


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex", "html"])
def test_every_format_goes_to_a_file(capsys, runs, format, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    words = ("runs", "--store", "s.sqlite", *SAMPLES, "--format", format)
    _, out, _ = batch(capsys, *words)
    assert batch(capsys, *words, "-o", "out")[:2] == (0, "")
    assert (runs.parent / "out").read_text() == out
    assert "t1.pt" in out


def test_usage(capsys, runs):
    store = ("--store", "s.sqlite")
    (runs.parent / "text").write_text("no database, but long enough for the header of one" * 9)
    connection = sqlite3.connect(runs.parent / "other")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for status, words, message in (
        (2, ("runs",), "the following arguments are required: --store; see boundcalc batch --help"),
        (2, ("runs", "--stor", "s"), "unknown option --stor; did you mean --store?"),
        (2, ("runs", *store, "--worker", "2"), "unknown option --worker; did you mean --workers?"),
        (2, ("runs", *store, "--workers", "0"), "--workers 0: give at least 1"),
        (2, ("runs", *store, "--workers", "1", "--scheduler", "a:1"), "give --workers or --scheduler, not both"),
        (2, ("runs", "--store", "nowhere/s"), "nowhere/s: cannot be written: no such folder"),
        (2, ("runs", "--store", "runs"), "runs: is a folder; name a file"),
        (2, ("runs", "--store", "text"), "text: not a store of boundcalc batch: file is not a database"),
        (2, ("runs", "--store", "other"), "other: an SQLite file of another program, not a store of boundcalc batch"),
        (2, ("--store", "none"), "none: no such store; boundcalc batch PATH... --store none creates it"),
        (2, ("runs", *store, "-o", "./s.sqlite"), "-o ./s.sqlite: this is the store itself; name another file"),
        (2, ("--store", "s.sqlite", "-o", "s.sqlite"), "-o s.sqlite: this is the store itself; name another file"),
        (3, ("none", *store), "none: no such file or folder"),
        (3, ("runs", *store, "--data", "npz:none.npz"), f"{runs.parent / 'none.npz'}: no such file or folder"),
    ):  # fmt: skip
        assert refused(capsys, status, *words) == message
    assert not (runs.parent / "s.sqlite").exists()
