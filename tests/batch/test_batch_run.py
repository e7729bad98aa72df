"""What a batch does and does not do again."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
import time

import numpy as np
import pytest

import boundcalc
from boundcalc.batch import claims, runner
from boundcalc.batch.claims import Claims, ClaimStatus, Failure
from boundcalc.batch.keys import key_of, settings_of
from boundcalc.batch.store import opened
from boundcalc.errors import CheckpointError, DataError, UsageError
from boundcalc.options import Options


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.sqlite"


def rows(store):
    with opened(store) as found:
        return found.rows()


def test_one_row_a_checkpoint_and_the_numbers_of_its_report(analyze, folder, store, inline):
    done = analyze(folder)
    assert (done.paths, done.done, done.known, done.failed, done.copies) == (3, 3, 0, 0, 0)
    assert [row.path for row in rows(store)] == [str(folder / f"t{i}.pt") for i in range(3)]
    assert done.found == {row.path: row.id for row in rows(store)}
    report = boundcalc.analyze(folder / "t1.pt", only=("samples",))
    expected = [line[1:] for line in csv.reader(io.StringIO(report.to("csv")))][1:]
    with opened(store) as found:
        numbers = [quantity for row, quantity in found.quantities([done.found[str(folder / "t1.pt")]])]
        tree = found.report(done.found[str(folder / "t1.pt")])
    assert [line[:3] for line in expected] == [list(quantity[:3]) for quantity in numbers]
    for line, quantity in zip(expected, numbers, strict=True):
        if quantity.part != "seconds":
            assert ("" if quantity.value is None else repr(quantity.value)) == line[3]
            assert [*quantity[4:]] == line[4:-1], "the subject is the report's"
    fresh = report.to_dict()
    for one in (tree, fresh):
        del one["seconds"]
    assert tree == fresh


def test_a_second_run_does_only_what_is_new(analyze, folder, ticket, contents, store, inline):
    analyze(folder)
    before = contents(store)
    done = analyze(folder)
    assert (done.done, done.known, len(inline)) == (0, 3, 3)
    assert contents(store) == before
    ticket(folder / "new.pt", 7)
    done = analyze(folder)
    assert (done.done, done.known) == (1, 3)
    assert [task.path for task in inline[3:]] == [str(folder / "new.pt")]


def test_rows_are_by_path_with_numbers_as_numbers(analyze, ticket, tmp_path, store, inline):
    for number in (10, 9, 100):
        ticket(tmp_path / "runs" / f"level_{number}" / "net.pt", number)
    analyze(tmp_path / "runs")
    assert [row.path.split("/")[-2] for row in rows(store)] == ["level_9", "level_10", "level_100"]


def test_a_moved_file_is_recognised_and_its_results_follow(analyze, folder, store, inline):
    analyze(folder)
    analyze(folder, seed=1)
    os.rename(folder / "t1.pt", folder / "renamed.pt")
    done = analyze(folder)
    assert (done.done, done.known) == (0, 3)
    assert {row.path for row in rows(store)} == {
        str(folder / name) for name in ("t0.pt", "renamed.pt", "t2.pt")
    }
    with opened(store) as found:
        assert found.paths(rows(store)[0].sha256) == [str(folder / "renamed.pt")]


def test_a_copied_file_is_one_checkpoint_with_two_paths(analyze, folder, store, inline):
    shutil.copy(folder / "t0.pt", folder / "copy.pt")
    done = analyze(folder)
    assert (done.paths, done.done, done.copies, len(rows(store))) == (4, 3, 1, 3)
    assert len(done.ids) == 3
    assert done.found[str(folder / "copy.pt")] == done.found[str(folder / "t0.pt")]
    with opened(store) as found:
        sha256 = next(row.sha256 for row in found.rows() if row.id == done.found[str(folder / "t0.pt")])
        assert found.paths(sha256) == [str(folder / "copy.pt"), str(folder / "t0.pt")]


def test_other_options_and_other_data_make_other_rows(analyze, folder, store, tmp_path, inline):
    def data(seed):
        draw = np.random.default_rng(seed)
        x, y = draw.random((40, 12)), draw.integers(0, 3, 40)
        np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)

    def errors():
        with opened(store) as found:
            return sorted(
                (row.settings, row.path, quantity.value)
                for row, quantity in found.quantities()
                if quantity.quantity == "train_error"
            )

    asked = {"only": ("empirical",), "data": f"npz:{tmp_path / 'data.npz'}"}
    data(0)
    assert analyze(folder, **asked).done == 3
    assert analyze(folder, **asked).done == 0
    first = errors()
    assert analyze(folder, seed=1, **asked).done == 3
    data(1)
    assert analyze(folder, **asked).done == 3, "the same name, other content"
    assert len(rows(store)) == 9
    fresh = {value for settings, _, value in errors() if settings not in {one[0] for one in first}}
    measured = {
        boundcalc.analyze(path, **asked).to_dict()["empirical"]["train_error"]
        for path in folder.iterdir()
    }  # fmt: skip
    assert measured <= fresh, "a worker that lives on must not keep the data of an earlier batch"
    assert measured != {value for _, _, value in first}


def test_other_masks_and_references_beside_a_ticket_make_other_rows(analyze, ticket, store, tmp_path, inline):
    import torch

    main = tmp_path / "level_1" / "main"
    ticket(main / "model_ep2_it0.pth", 1)
    ticket(main / "model_ep0_it0.pth", 2)
    torch.save({"0.weight": torch.ones(6, 12), "2.weight": torch.ones(3, 6)}, main / "mask.pth")
    assert analyze(tmp_path / "level_1").done == 1
    ticket(main / "model_ep0_it0.pth", 3)
    assert analyze(tmp_path / "level_1").done == 1
    assert analyze(tmp_path / "level_1").done == 0
    assert len({row.sha256 for row in rows(store)}) == 1


def test_what_fails_is_recorded_and_counted_and_the_rest_is_done(analyze, folder, store, inline):
    (folder / "broken.pt").write_text("no checkpoint")
    (folder / "empty.pt").touch()
    done = analyze(folder)
    assert (done.done, done.failed) == (3, 2)
    errors = {row.path: row.error for row in rows(store) if row.state == "failed"}
    assert errors == {
        str(folder / "broken.pt"): "a text file, not a checkpoint",
        str(folder / "empty.pt"): "empty file",
    }
    assert analyze(folder).failed == 2
    assert len(inline) == 5, "a file that is refused would be refused again"
    os.rename(folder / "broken.pt", folder / "moved.pt")
    analyze(folder)
    assert [row.error for row in rows(store) if row.path.endswith("moved.pt")] == [
        "a text file, not a checkpoint"
    ]


def test_a_file_that_was_mended_is_no_failure_any_more(analyze, folder, ticket, store, inline):
    (folder / "t1.pt").write_text("no checkpoint")
    assert analyze(folder).failed == 1
    ticket(folder / "t1.pt", 5)
    done = analyze(folder)
    assert (done.done, done.failed) == (1, 0)
    assert {row.state for row in rows(store)} == {"done"}


def test_a_failure_of_the_users_code_is_tried_again(analyze, folder, tmp_path, inline):
    """What the model's file imports is in no digest, and may have been mended."""
    (tmp_path / "net.py").write_text("def make():\n    raise ImportError('not yet')\n")
    assert analyze(folder, model=f"{tmp_path / 'net.py'}:make").failed == 3
    assert analyze(folder, model=f"{tmp_path / 'net.py'}:make").failed == 3
    assert len(inline) == 6


def test_nothing_is_begun_for_what_is_wrong_from_the_start(analyze, folder, store, tmp_path, inline):
    with pytest.raises(CheckpointError, match="no such file or folder"):
        analyze(folder, tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="nothing.pt: no such file"):
        analyze(folder, reference=str(tmp_path / "nothing.pt"))
    with pytest.raises(DataError, match="none.npz: no such file"):
        analyze(folder, data=f"npz:{tmp_path / 'none.npz'}")
    with pytest.raises(UsageError, match="batch takes data as a string, not list"):
        analyze(folder, data=[1, 2])
    with pytest.raises(UsageError, match="--workers 0: give at least 1"):
        runner.run([folder], store, workers=0)
    with pytest.raises(UsageError, match="--workers or --scheduler, not both"):
        runner.run([folder], store, workers=1, scheduler="tcp://127.0.0.1:1")
    assert not inline
    assert not store.exists()


def test_watch_is_told_how_far_it_is(folder, store, inline):
    told = []
    runner.run([folder], store, Options(only=("samples",)), 1, watch=lambda *seen: told.append(seen))
    assert told[-1] == (3, 3)
    assert [settled for settled, _ in told] == sorted(settled for settled, _ in told)


@pytest.fixture
def claimed(store, folder):
    """Two runs on one store, and the key of a checkpoint."""
    settings = settings_of(Options(only=("samples",)))
    one, other = Claims(store, settings), Claims(store, settings)
    yield one, other, key_of(folder / "t0.pt", settings)
    one.close()
    other.close()


def test_a_claim_is_held_until_its_run_is_silent(claimed, monkeypatch):
    one, other, key = claimed
    status, row = one.claim(key)
    assert status is ClaimStatus.MINE
    assert one.claim(key) == (ClaimStatus.SHARED, row)
    assert other.claim(key) == (ClaimStatus.BUSY, row)
    later = time.time() + claims.LEASE_SECONDS + 1
    monkeypatch.setattr(claims.time, "time", lambda: later)
    assert other.claim(key) == (ClaimStatus.MINE, row)
    assert not one.fail(row, Failure("too late", refused=False))
    assert other.fail(row, Failure("in time", refused=False))
    assert one.claim(key) == (ClaimStatus.MINE, row), "worth another try, by another run"
    assert one.fail(row, Failure("refused", refused=True))
    assert other.claim(key) == (ClaimStatus.FAILED, row)


def test_a_claim_of_a_process_that_is_gone_is_free_at_once(claimed):
    one, other, key = claimed
    _, row = one.claim(key)
    other.connection.execute("UPDATE runs SET pid = 4194305 WHERE id = ?", (one.run,))
    assert other.claim(key) == (ClaimStatus.MINE, row)


def test_a_run_that_was_overtaken_waits_for_what_the_other_makes_of_it(folder, store, inline, monkeypatch):
    settings = settings_of(Options(only=("samples",)))
    other = Claims(store, settings)
    finish = Claims.finish
    stolen = []

    def overtaken(self, checkpoint, result):
        if not stolen:
            stolen.append(checkpoint)
            other.connection.execute("UPDATE checkpoints SET run = ? WHERE id = ?", (other.run, checkpoint))
            assert not finish(self, checkpoint, result)
            assert finish(other, checkpoint, result)
            return False
        return finish(self, checkpoint, result)

    monkeypatch.setattr(Claims, "finish", overtaken)
    done = runner.run([folder], store, Options(only=("samples",)), 1)
    monkeypatch.setattr(Claims, "finish", finish)
    other.close()
    assert (done.done, done.known) == (2, 1)
    assert {row.state for row in rows(store)} == {"done"}


def test_closing_gives_back_what_is_not_finished(claimed, store):
    one, other, key = claimed
    one.claim(key)
    third = Claims(store, one.settings)
    one.connection.execute("UPDATE checkpoints SET run = ?", (third.run,))
    third.close()
    assert rows(store) == []
    assert other.claim(key)[0] is ClaimStatus.MINE


def test_a_store_that_fails_on_the_way_ends_the_batch_in_one_line(folder, store, inline, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(claims, "insert_quantities", full)
    with pytest.raises(UsageError, match="store.sqlite: cannot be written: database or disk is full"):
        runner.run([folder], store, Options(only=("samples",)), 1)
    assert rows(store) == [], "nothing is left half written"
