"""The file: its schema, which others may rely on, and what is done with files that are no store."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest

from boundcalc.batch import store
from boundcalc.batch.frame import LONG_COLUMNS
from boundcalc.batch.rows import StoredNumber
from boundcalc.batch.store import connect, natural, opened, transaction
from boundcalc.batch.table import CSV_HEADER
from boundcalc.errors import UsageError

TABLES = {
    "checkpoints": (
        "id", "path", "sha256", "options", "settings", "version", "state", "run", "format", "parameters", "surviving",
        "density", "seconds", "error", "refused", "finished",
    ),
    "quantities": ("checkpoint", "part", "name", "quantity", "value", "status", "source", "reason"),
    "reports": ("checkpoint", "json"),
    "paths": ("path", "sha256"),
    "settings": ("hash", "json"),
    "runs": ("id", "host", "pid", "started", "beat"),
}  # fmt: skip


def foreign(path, statement):
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()


def later(path):
    connect(path).close()
    foreign(path, "PRAGMA user_version = 2")


def test_golden_columns(tmp_path):
    """A change here needs another schema version, a migration and a line in the changelog."""
    connection = connect(tmp_path / "s.sqlite")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    columns = {
        name: tuple(row[1] for row in connection.execute(f"PRAGMA table_info({name})")) for name in names
    }
    assert columns == TABLES
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"bndc", "big"),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert CSV_HEADER == (
        "checkpoint", "part", "name", "quantity", "value", "status", "source", "reason", "sha256", "settings", "version",
        "subject",
    )  # fmt: skip
    assert LONG_COLUMNS == (
        "checkpoint", "sha256", "settings", "version", "density",
        "part", "name", "quantity", "value", "status", "source", "reason", "subject",
    )  # fmt: skip
    assert TABLES["quantities"][1:] == StoredNumber._fields


def test_one_row_a_key(tmp_path):
    connection = connect(tmp_path / "s.sqlite")
    insert = "INSERT INTO checkpoints (path, sha256, options, settings, version, state) VALUES ('p', 'a', 'o', 's', 'v', 'done')"
    connection.execute(insert)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(insert)
    connection.close()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such store; boundcalc batch PATH... --store .* creates it"),
        (lambda path: path.touch(), "an empty file, not a store of boundcalc batch"),
        (
            lambda path: path.write_text("no database, but long enough for one's header" * 9),
            "file is not a database",
        ),
        (lambda path: foreign(path, "CREATE TABLE t (x)"), "an SQLite file of another program"),
        (later, "a store of schema 2, but this version of boundcalc reads and writes schema 1"),
    ],
)
def test_reading_what_is_no_store_says_what_it_is_and_changes_nothing(tmp_path, make, problem):
    path = tmp_path / "s.sqlite"
    make(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(UsageError, match=problem), opened(path):
        pass
    assert (path.read_bytes() if path.exists() else None) == before


def test_writing_to_another_programs_file_is_refused(tmp_path):
    foreign(tmp_path / "s.sqlite", "CREATE TABLE t (x)")
    with pytest.raises(UsageError, match="of another program, not a store"):
        connect(tmp_path / "s.sqlite")


def test_a_store_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    connect(tmp_path / "s.sqlite").close()
    monkeypatch.setattr(store.os, "access", lambda path, mode: False)
    with opened(tmp_path / "s.sqlite") as found:
        assert found.rows() == []
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            found.connection.execute("DELETE FROM checkpoints")
    assert [path.name for path in tmp_path.iterdir()] == ["s.sqlite"], "no files beside it"


def test_a_transaction_is_whole_or_nothing(tmp_path):
    connection = connect(tmp_path / "s.sqlite")
    with pytest.raises(ZeroDivisionError), transaction(connection):
        connection.execute("INSERT INTO settings VALUES ('a', '{}')")
        raise ZeroDivisionError
    assert connection.execute("SELECT count(*) FROM settings").fetchone() == (0,)
    connection.close()


def test_unknown_keys(tmp_path):
    connect(tmp_path / "s.sqlite").close()
    with opened(tmp_path / "s.sqlite") as found:
        with pytest.raises(KeyError, match="no report of checkpoint 3"):
            found.report(3)
        with pytest.raises(KeyError, match="no settings abc"):
            found.settings("abc")


def test_numbers_in_paths_are_sorted_as_numbers():
    paths = ["r/level_10/main", "r/level_2/main", "r/level_2b", "r/level_pretrain", "r/1"]
    assert sorted(paths, key=natural) == [
        "r/1",
        "r/level_2/main",
        "r/level_2b",
        "r/level_10/main",
        "r/level_pretrain",
    ]


def test_a_store_is_made_once_by_many_at_the_same_moment(tmp_path):
    """Each of them switches the new file to WAL, which SQLite refuses while another does, and looks for the schema."""

    def make(path, barrier):
        barrier.wait()
        with closing(connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM checkpoints").fetchone()

    with ThreadPoolExecutor(8) as pool:
        for number in range(25):
            barrier = Barrier(8)
            made = [pool.submit(make, tmp_path / f"{number}.sqlite", barrier) for _ in range(8)]
            assert [one.result() for one in made] == [(0,)] * 8
