"""The store: one SQLite file (WAL) of analyzed checkpoints, its schema and its reader.

Tables, ``PRAGMA user_version`` 1:

``checkpoints``
    one row per checkpoint, set of options and version of boundcalc; its columns are those of `StoreRow`. ``state`` is ``"done"``,
    ``"failed"`` (``error`` says why, ``refused`` whether another attempt would fail in the same way) or ``"claimed"`` (a run
    works on it).
``quantities``
    the tidy long table: ``checkpoint`` (the row's id), then ``part, name, quantity, value, status, source, reason`` as in the CSV
    view of a report (`boundcalc.report.views.csv`). ``value`` is INTEGER, REAL, or NULL where the report has null. Arrays of more
    than `LONGEST_ARRAY` numbers (histograms, spectra) have no rows; they are in the report.
``reports``
    ``checkpoint`` and ``json``: the whole report (schema ``boundcalc.report/2``), compressed by zlib.
``paths``
    ``path`` and ``sha256``: the paths where a content was last seen. A copied file has two rows; the row of a moved file has its
    new path.
``settings``
    ``hash`` and ``json``: the settings of the command, with the digests of the files that they name.
``runs``
    ``id, host, pid, started, beat``: the runs that hold claims.

To read a store::

    with opened("tickets.sqlite") as store:
        for row in store.rows():                  # StoreRow, in natural order of the paths
            tree = store.report(row.id)           # the tree of boundcalc.report/2
        for row, quantity in store.quantities():  # (StoreRow, StoredNumber), checkpoint by checkpoint
            ...

Reading never changes the file, and works also where its folder is not writable.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from boundcalc.batch.names import valid
from boundcalc.batch.rows import (
    COLUMNS,
    QUANTITY_COLUMNS,
    StoredNumber,
    StoreRow,
    fault_of,
    in_condition,
    natural,
    row_of,
)
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.files import is_file, is_folder
from boundcalc.nearest import path_hint
from boundcalc.report.older import is_older, upgraded
from boundcalc.report.tree import SCHEMA

APPLICATION = 0x626E6463
SCHEMA_VERSION = 1
LONGEST_ARRAY = 16
BUSY_SECONDS = 60.0
PAUSE_SECONDS = 0.02

_SCHEMA = """
CREATE TABLE checkpoints (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL, options TEXT NOT NULL, settings TEXT NOT NULL,
    version TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('claimed', 'done', 'failed')), run TEXT,
    format TEXT, parameters INTEGER, surviving INTEGER, density REAL, seconds REAL,
    error TEXT, refused INTEGER NOT NULL DEFAULT 0, finished REAL, UNIQUE (sha256, options, version)
);
CREATE INDEX checkpoints_at ON checkpoints (path);
CREATE TABLE quantities (
    checkpoint INTEGER NOT NULL REFERENCES checkpoints ON DELETE CASCADE, part TEXT NOT NULL, name TEXT NOT NULL,
    quantity TEXT NOT NULL, value, status TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX quantities_of ON quantities (checkpoint);
CREATE INDEX theorems ON quantities (quantity, checkpoint, value, name) WHERE part = 'bounds' AND status = 'theorem';
CREATE INDEX measured ON quantities (part, quantity, checkpoint, value) WHERE name = '';
CREATE TABLE reports (checkpoint INTEGER PRIMARY KEY REFERENCES checkpoints ON DELETE CASCADE, json BLOB NOT NULL);
CREATE TABLE paths (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX paths_of ON paths (sha256);
CREATE TABLE settings (hash TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started REAL NOT NULL, beat REAL NOT NULL)
    WITHOUT ROWID;
"""


class DamagedReport(BoundcalcError):
    """A report in a store is damaged: exit status 3.

    Args:
        path: path of the store.
        checkpoint: id of the row.
        problem: what is wrong with the report.
    """

    exit_status = 3

    def __init__(self, path: Path, checkpoint: int, problem: str) -> None:
        super().__init__(f"{path}: the report of row {checkpoint} is damaged: {problem}")
        self.problem = problem


class Store:
    """The reading side of a store.

    Args:
        connection: connection to a file with the schema above.
        path: path of the file.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def rows(self, ids: Iterable[int] | None = None) -> list[StoreRow]:
        """Return the rows of all checkpoints, or of those with the given ids, in natural order of their paths.

        Rows that no batch can have written are left out; `boundcalc.batch.damage.damaged` reports them.
        """
        found = [row_of(cells) for cells in self.cells(ids) if not fault_of(cells)]
        return sorted(found, key=lambda row: (natural(row.path), row.id))

    def cells(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the columns of rows as they are in the file, the id first."""
        condition, numbers = in_condition(ids, "checkpoints.id")
        yield from self.connection.execute(f"SELECT {COLUMNS} FROM checkpoints {condition}", numbers)

    def quantities(self, ids: Iterable[int] | None = None) -> Iterator[tuple[StoreRow, StoredNumber]]:
        """Yield the long table: the checkpoints in the order of `rows`, the numbers of each in the order of its report."""
        query = f"SELECT {QUANTITY_COLUMNS} FROM quantities WHERE checkpoint = ? ORDER BY rowid"
        for row in self.rows(ids):
            yield from (
                (row, StoredNumber._make(cells)) for cells in self.connection.execute(query, (row.id,))
            )

    def report(self, checkpoint: int) -> dict[str, Any]:
        """Return the report of a row whose state is done.

        Args:
            checkpoint: the row's id.

        Returns:
            The tree of schema ``boundcalc.report/2``; its path is the one at which the checkpoint was analyzed. A report of the
            previous schema is converted (`boundcalc.report.older`).

        Raises:
            DamagedReport: the stored report is damaged.
            KeyError: there is no report for this id.
        """
        try:
            tree = json.loads(self.report_text(checkpoint))
        except (ValueError, RecursionError) as problem:
            raise DamagedReport(self.path, checkpoint, f"not JSON ({problem})") from None
        checkpoint_tree = tree.get("checkpoint") if isinstance(tree, dict) else None
        if not isinstance(checkpoint_tree, dict):
            raise DamagedReport(self.path, checkpoint, "not a report with a checkpoint")
        return upgraded(tree, SCHEMA) if is_older(tree) else cast("dict[str, Any]", tree)

    def report_text(self, checkpoint: int) -> str:
        """Return the report of a row whose state is done, as JSON.

        Raises:
            DamagedReport: the stored report cannot be decompressed.
            KeyError: there is no report for this id.
        """
        found = self.connection.execute(
            "SELECT json FROM reports WHERE checkpoint = ?", (checkpoint,)
        ).fetchone()
        if found is None:
            raise KeyError(f"no report of checkpoint {checkpoint} in {self.path}")
        try:
            return zlib.decompress(found[0]).decode()
        except (zlib.error, ValueError, TypeError) as problem:
            raise DamagedReport(self.path, checkpoint, str(problem)) from None

    def paths(self, sha256: str) -> list[str]:
        """Return all paths where a content was last seen, sorted."""
        query = "SELECT path FROM paths WHERE sha256 = ? ORDER BY path"
        return [path for (path,) in self.connection.execute(query, (sha256,))]

    def settings(self, hash: str) -> dict[str, Any]:
        """Return the settings of a command.

        Raises:
            KeyError: there are no settings with this hash.
            ValueError: the settings are damaged.
        """
        found = self.connection.execute("SELECT json FROM settings WHERE hash = ?", (hash,)).fetchone()
        if found is None:
            raise KeyError(f"no settings {hash} in {self.path}")
        tree = json.loads(found[0])
        if not isinstance(tree, dict):
            raise ValueError(f"settings {hash} in {self.path} are not a dict")
        return tree


@contextmanager
def opened(path: str | Path) -> Iterator[Store]:
    """Open a store for reading; a batch may write to it at the same time.

    Args:
        path: path of the store.

    Yields:
        The store, until the block ends.

    Raises:
        UsageError: there is no such file, or it is not a store.
    """
    place = Path(path)
    _check_kind(place)
    if not is_file(place):
        raise UsageError(
            f"{place}: no such store; boundcalc batch PATH... --store {place} creates it{path_hint(place)}"
        )
    with ExitStack() as stack:
        connection = _reading(place, stack)
        stack.callback(connection.close)
        try:
            yield Store(connection, place)
        except sqlite3.Error as error:
            raise UsageError(f"{place}: {error}") from error


def _reading(place: Path, stack: ExitStack) -> sqlite3.Connection:
    """Connect for reading; where the folder is not writable, without the files that SQLite's WAL mode needs beside the store.

    The changes that a killed batch has left in ``-wal`` belong to the store. SQLite can read them only if it can write beside the
    file; otherwise both files are copied to a temporary folder.

    Raises:
        UsageError: the file is not a store, or it cannot be copied.
    """
    uri = place.absolute().as_uri()
    if os.access(place, os.W_OK) and os.access(place.absolute().parent, os.W_OK):
        return _connected(f"{uri}?mode=rw", place, _require)
    log = place.with_name(f"{place.name}-wal")
    if not log.exists():
        return _connected(f"{uri}?mode=ro&immutable=1", place, _require)
    try:
        return _connected(f"{uri}?mode=ro", place, _require)
    except UsageError:
        copy = Path(stack.enter_context(TemporaryDirectory(prefix="boundcalc-"))) / "store.sqlite"
        try:
            shutil.copyfile(place, copy)
            shutil.copyfile(log, f"{copy}-wal")
        except OSError as problem:
            raise UsageError(f"{place}: cannot be copied to be read: {problem.strerror}") from problem
        return _connected(f"{copy.as_uri()}?mode=rw", place, _require)


def _check_kind(place: Path) -> None:
    """Refuse folders, devices, pipes and sockets, on which SQLite would block or to which it would write.

    Raises:
        UsageError: the path is a folder, a device, a pipe or a socket.
    """
    if os.path.exists(place) and not is_file(place):
        what = "a folder" if is_folder(place) else "a device, pipe or socket"
        raise UsageError(f"{place}: is {what}, not a store of boundcalc batch")


def connect(place: Path) -> sqlite3.Connection:
    """Connect to a store, creating it if there is no file.

    Args:
        place: path of the store.

    Returns:
        A connection that commits each statement unless a transaction has begun, and waits for other writers.

    Raises:
        UsageError: the file cannot be opened, is not a store, or has another schema version.
    """
    _check_kind(place)
    return _connected(f"{place.absolute().as_uri()}?mode=rwc", place, _prepare)


def _connected(
    uri: str, place: Path, prepare: Callable[[sqlite3.Connection, Path], None]
) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
        try:
            prepare(connection, place)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise UsageError(f"{place}: not a store of boundcalc batch: {error}") from error
    return connection


def _require(connection: sqlite3.Connection, place: Path) -> None:
    if not _checked(connection, place):
        raise UsageError(f"{place}: an empty file, not a store of boundcalc batch")


def _prepare(connection: sqlite3.Connection, place: Path) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    if _checked(connection, place):
        return
    _log_ahead(connection)
    with transaction(connection):
        if not _checked(connection, place):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL, retrying: while another process does the same, SQLite refuses at once instead of waiting.

    Raises:
        OperationalError: other processes lock the file for longer than `BUSY_SECONDS`.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > end:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _checked(connection: sqlite3.Connection, place: Path) -> bool:
    """Return whether a file already has the schema; False if it has no schema at all.

    Raises:
        UsageError: the file has another schema.
    """
    # tables first: another process may make them and what follows, in one transaction, between these lines
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not tables and not application:
        return False
    if application != APPLICATION:
        raise UsageError(f"{place}: an SQLite file of another program, not a store of boundcalc batch")
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{place}: a store of schema {version}, but this version of boundcalc reads and writes "
            f"schema {SCHEMA_VERSION}; create a new store"
        )
    return True


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one transaction, as the only writer: everything is committed, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise


def row_at(connection: sqlite3.Connection, sha256: str, options: str, version: str) -> StoreRow | None:
    """Return the row of a key, or None."""
    query = f"SELECT {COLUMNS} FROM checkpoints WHERE sha256 = ? AND options = ? AND version = ?"
    found = connection.execute(query, (sha256, options, version)).fetchone()
    return None if found is None else row_of(found)


def insert_quantities(
    connection: sqlite3.Connection, checkpoint: int, quantities: Iterable[StoredNumber]
) -> None:
    """Append rows to the long table."""
    connection.executemany(
        "INSERT INTO quantities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (checkpoint, *(valid(cell) if isinstance(cell, str) else cell for cell in quantity))
            for quantity in quantities
        ),
    )
