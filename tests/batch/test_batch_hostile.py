"""Whatever lies among checkpoints, each entry fails under its own name, and the rest go on."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import hostile
import pytest
import torch

from boundcalc.batch import runner, worker
from boundcalc.batch.discover import discover
from boundcalc.batch.names import on_disk, stored
from boundcalc.batch.store import opened
from boundcalc.batch.table import export, render
from boundcalc.cli.main import main
from boundcalc.errors import CheckpointError
from boundcalc.options import Options
from boundcalc.report.views import FORMATS

SAMPLES = ("--only", "samples", "--format", "csv")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def hostility(folder):
    """Three tickets among everything hostile; the names of what is hostile, as a store has them."""
    names = [stored(folder / os.fsdecode(make(folder))) for make in hostile.EVERY]
    yield names
    hostile.remove(folder)


def failed(store):
    with opened(store) as found:
        return {row.path: f"{row.path}: {row.error}" for row in found.rows() if row.state == "failed"}


def test_every_entry_fails_under_its_own_name_and_the_rest_are_done(
    analyze, folder, hostility, store, inline
):
    done = analyze(folder)
    with opened(store) as found:
        rows = found.rows()
        placed = {path: row for row in rows for path in found.paths(row.sha256)}
        text = render(found, "json")
    assert [row.path for row in rows if row.state == "done"] == [str(folder / f"t{i}.pt") for i in range(3)]
    assert {placed[name].state for name in hostility} == {"failed"}
    assert all(
        row.error and not row.error.startswith(f"{row.path}: ") for row in rows if row.state == "failed"
    ), [row.error for row in rows if row.state == "failed"]
    assert done.done == 3
    assert done.failed == done.paths - 3 >= len(hostility)
    assert {one["state"] for one in json.loads(text)["checkpoints"]} == {"done", "failed"}


def test_every_format_shows_every_failure_by_its_escaped_name(analyze, folder, hostility, store, inline):
    analyze(folder)
    with opened(store) as found:
        for format in FORMATS:
            text = render(found, format)
            text.encode()
            assert not set(text) & {"\x1b", "\u202e", "\u2066", "\r", "\t"} or format == "html"
            assert "\x1b" not in text
            assert "\u202e" not in text
        lines = list(csv.reader(io.StringIO(render(found, "csv", csv_raw=True))))
    named = {line[0] for line in lines if line[1] == "failed"}
    assert set(hostility) <= named
    for name in named:
        assert os.path.lexists(on_disk(name)) or len(name) > 4000 or "/deep/" in name


def test_a_batch_of_processes_ends_with_one_count(command, folder, hostility, store):
    status, err = command(folder, "--store", store, "--workers", 2, *SAMPLES).wait()
    lines = err.splitlines()
    assert status == 1
    assert (
        lines[-1]
        == f"boundcalc: {len(lines) + 2} paths, 3 analyzed, 0 known, {len(lines) - 1} of {len(lines) + 2} failed"
    )
    assert max(map(len, lines)) <= 520
    assert err.isprintable() or set(err) - {c for c in err if c.isprintable()} == {"\n"}


@pytest.mark.parametrize(
    "make", [one for one in hostile.EVERY if one is not hostile.nested_too_deep], ids=lambda one: one.__name__
)
def test_one_that_is_named_itself(analyze, ticket, tmp_path, store, inline, make):
    """A second file is analyzed beside it; a pipe would be waited for."""
    home = tmp_path / "h"
    home.mkdir()
    name = home / os.fsdecode(make(home))
    done = analyze(name, ticket(tmp_path / "good.pt", 1))
    assert (done.done, done.failed) == (1, 1)
    assert [*failed(store)] == [stored(name)]


def test_unknown_errors_of_every_kind_are_a_line_with_the_name(analyze, folder, store, inline, monkeypatch):
    kinds = [
        AssertionError("torn\nsecond line"),
        RecursionError("maximum"),
        MemoryError(),
        SystemExit(3),
        GeneratorExit(),
    ]

    def trip(checkpoint, options):
        raise kinds[int(checkpoint.path[-4])]

    monkeypatch.setattr("boundcalc.analysis.run_analysis", trip)
    assert analyze(folder).failed == 3
    assert failed(store) == {
        str(folder / "t0.pt"): f"{folder / 't0.pt'}: AssertionError: torn",
        str(folder / "t1.pt"): f"{folder / 't1.pt'}: RecursionError: maximum",
        str(folder / "t2.pt"): f"{folder / 't2.pt'}: not enough memory for it",
    }
    kinds[:3] = kinds[3], kinds[4], AssertionError()
    analyze(folder)
    assert failed(store)[str(folder / "t0.pt")].endswith("t0.pt: SystemExit: 3")
    assert failed(store)[str(folder / "t1.pt")].endswith("t1.pt: GeneratorExit")
    assert failed(store)[str(folder / "t2.pt")].endswith("t2.pt: AssertionError")


def test_numbers_and_texts_that_sqlite_does_not_hold_fail_alone(analyze, folder, store, inline, monkeypatch):
    odd = {"t0.pt": {"format": "\ud800"}, "t1.pt": {"parameters": 10**30}, "t2.pt": {}}
    plain = worker._result

    def made(tree, seconds):
        tree["checkpoint"] |= odd[Path(tree["checkpoint"]["path"]).name]
        return plain(tree, seconds)

    monkeypatch.setattr(worker, "_result", made)
    done = analyze(folder)
    assert (done.done, done.failed) == (2, 1)
    assert "its report cannot be stored: Python int too large" in failed(store)[str(folder / "t1.pt")]
    with opened(store) as found:
        assert next(row.format for row in found.rows() if row.path.endswith("t0.pt")) == "\\ud800"


def test_layers_with_surrogates_in_their_names(analyze, tmp_path, store, inline):
    (tmp_path / "n").mkdir()
    torch.save({"a\ud800.weight": torch.ones(3, 4)}, tmp_path / "n" / "net.pt")
    done = analyze(tmp_path / "n")
    assert done.done + done.failed == 1
    with opened(store) as found:
        for format in FORMATS:
            render(found, format).encode()


def test_a_folder_that_cannot_be_listed_is_one_failure(command, folder, ticket, store, tmp_path):
    closed = folder / "closed"
    ticket(closed / "in.pt", 3)
    if os.geteuid() == 0:
        pytest.skip("root lists every folder")
    closed.chmod(0)
    try:
        assert discover([folder])[-1] == closed
        status, err = command(folder, "--store", store, "--workers", 1, *SAMPLES).wait()
        assert (status, "closed: cannot be listed: Permission denied" in err) == (1, True)
    finally:
        closed.chmod(0o700)
    status, err = command(folder, "--store", store, "--workers", 1, *SAMPLES).wait()
    assert (status, failed(store)) == (0, {})


def test_what_cannot_be_listed_is_found_and_no_failure_any_more_once_it_can(
    analyze, folder, ticket, store, inline, monkeypatch
):
    closed = folder / "closed"
    ticket(closed / "in.pt", 3)
    scandir, iterdir = os.scandir, Path.iterdir

    def scanned(place):
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    def listed(self):
        if self == closed:
            raise PermissionError(13, "Permission denied")
        return iterdir(self)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scanned)
        patched.setattr(Path, "iterdir", listed)
        assert discover([folder])[-1] == closed
        assert analyze(folder).failed == 1
    assert failed(store) == {str(closed): f"{closed}: cannot be listed: Permission denied"}
    assert analyze(folder).failed == 0
    assert failed(store) == {}


def test_a_file_that_vanishes_is_tried_again(analyze, folder, ticket, store, inline, monkeypatch):
    work = worker.work

    def vanishing(task):
        if task.path.endswith("t1.pt"):
            os.unlink(task.path)
        return work(task)

    with monkeypatch.context() as patched:
        patched.setattr(worker, "work", vanishing)
        done = analyze(folder)
    assert (done.done, done.failed) == (2, 1)
    ((path, told),) = failed(store).items()
    assert path == str(folder / "t1.pt") and told.startswith(f"{path}: no such file or folder")
    ticket(folder / "t1.pt", 1)
    assert analyze(folder).failed == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_changes_while_it_is_read_is_tried_again(
    analyze, folder, ticket, store, inline, monkeypatch, when
):
    from boundcalc import analysis

    read = analysis.checkpoint_of

    def changing(path, options):
        if when == "before" and path.endswith("t1.pt"):
            ticket(Path(path), 7)
        found = read(path, options)
        if when == "after" and path.endswith("t1.pt"):
            ticket(Path(path), 7)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(analysis, "checkpoint_of", changing)
        done = analyze(folder)
    assert (done.done, done.failed) == (2, 1)
    assert failed(store)[str(folder / "t1.pt")] == (
        f"{folder / 't1.pt'}: changed while it was read; try again when nothing writes it"
    )
    assert analyze(folder).done == 1
    assert failed(store) == {}


def test_a_file_that_is_half_written_when_it_is_read_says_that_it_changed(
    analyze, folder, ticket, store, inline, monkeypatch
):
    from boundcalc import analysis

    read = analysis.checkpoint_of

    def torn(path, options):
        if path.endswith("t1.pt"):
            os.truncate(path, 100)
        return read(path, options)

    monkeypatch.setattr(analysis, "checkpoint_of", torn)
    assert analyze(folder).failed == 1
    assert "t1.pt: changed while it was read" in failed(store)[str(folder / "t1.pt")]


def test_copies_of_what_fails_fail_each_by_its_name(analyze, capsys, folder, store, inline):
    for name in ("a.pt", "b.pt", "c.pt"):
        (folder / name).touch()
    done = analyze(folder)
    assert (done.paths, done.done, done.failed, done.copies) == (6, 3, 3, 0)
    with opened(store) as found:
        text = render(found, "table")
    for name in ("a.pt", "b.pt", "c.pt"):
        assert f"{folder / name}: empty file" in " ".join(text.split())


def test_words_that_name_nothing_are_told_in_one_line(tmp_path, capsys):
    for word in ("n" * 300, "a\0b", tmp_path / "f.pt" / "g.pt", "\ud800"):
        (tmp_path / "f.pt").touch()
        assert main(["batch", str(word), "--store", str(tmp_path / "s.sqlite"), "--only", "samples"]) == 3
        err = capsys.readouterr().err
        assert err.startswith("boundcalc: ")
        assert err.count("\n") == 1
        assert err[:-1].isprintable()


def test_names_are_told_apart_and_found_again(folder, analyze, ticket, store, inline):
    """Windows' and emoji names, and two that a careless spelling would confuse."""
    names = [r"C:\models\x41.pt", "🦊👩‍👩‍👧.pt", "مرحبا.pt", "a b.pt", "a  b.pt", "a\xa0b.pt", r"a\xff.pt", os.fsdecode(b"a\xff.pt"),
             "CON.pt", "trailing. .pt", "%s{0}$HOME`id`.pt", "-rf.pt", "'.pt", '".pt', "e\u0301.pt", "\u00e9.pt"]  # fmt: skip
    home = folder / "odd"
    for number, name in enumerate(names):
        ticket(home / name, 100 + number)
    done = analyze(home)
    assert (done.done, done.failed) == (len(names), 0)
    with opened(store) as found:
        paths = [row.path for row in found.rows()]
    assert len(set(paths)) == len(names)
    assert {on_disk(path) for path in paths} == {str(home / name) for name in names}
    shutil.move(home / names[7], home / "moved\n.pt")
    again = analyze(home)
    assert (again.done, again.known) == (0, len(names))
    with opened(store) as found:
        assert stored(home / "moved\n.pt") in {row.path for row in found.rows()}


def test_export_tells_of_no_damage(analyze, folder, store, inline):
    analyze(folder)
    with opened(store) as found:
        assert all(export(found, format).damage == () for format in FORMATS)


def test_nothing_is_begun_for_a_path_that_is_not_there(folder, store):
    with pytest.raises(CheckpointError, match="no such file or folder"):
        runner.run([folder, folder / "none.pt"], store, Options(only=("samples",)), 1)
    assert not store.exists()
