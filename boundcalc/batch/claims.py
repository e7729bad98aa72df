"""The writing side of a store: which run works on which checkpoint, and the results. Every change is one short transaction."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from boundcalc._version import __version__
from boundcalc.batch.keys import BatchSettings, Key
from boundcalc.batch.names import on_disk, stored, valid
from boundcalc.batch.rows import StoredNumber, StoreRow
from boundcalc.batch.store import DamagedReport, Store, connect, insert_quantities, row_at, transaction
from boundcalc.errors import UsageError

HEARTBEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0
"""Seconds without a sign of life after which a run loses its claims."""


class ClaimStatus(Enum):
    """Whether a checkpoint must still be analyzed, and if not, why."""

    MINE = "work to do"
    SHARED = "this run has claimed it already"
    BUSY = "another run has claimed it"
    DONE = "done before"
    FAILED = "failed before, and would fail again"


@dataclass(frozen=True)
class Result:
    """The result of analyzing one checkpoint.

    Attributes:
        format: name of the checkpoint's convention.
        parameters: number of weights.
        surviving: number of nonzero weights.
        density: surviving / parameters.
        report: the report as JSON, compressed by zlib.
        quantities: the report's rows of the long table.
        seconds: duration of the analysis.
    """

    format: str
    parameters: int
    surviving: int
    density: float
    report: bytes
    quantities: tuple[StoredNumber, ...]
    seconds: float


@dataclass(frozen=True)
class Failure:
    """Why one checkpoint has no result.

    Attributes:
        error: the reason in one line, without the checkpoint's path, which the row holds.
        refused: whether another attempt would fail in the same way.
        seconds: duration of the attempt.
    """

    error: str
    refused: bool
    seconds: float | None = None


class UnstorableResult(Exception):
    """A result that a store cannot hold."""


class Claims:
    """The claims of one run on the checkpoints of a store.

    Args:
        path: path of the store, which is created if it does not exist.
        settings: settings of the run.

    Raises:
        UsageError: the file is not a store, or it cannot be written.
    """

    def __init__(self, path: Path, settings: BatchSettings) -> None:
        self.connection = connect(path)
        self.path = path
        self.settings = settings
        self.run = uuid.uuid4().hex
        now = time.time()
        with self._transaction():
            self.connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?)",
                (self.run, socket.gethostname(), os.getpid(), now, now),
            )
            self.connection.execute(
                "INSERT OR IGNORE INTO settings VALUES (?, ?)",
                (settings.hash, json.dumps(settings.tree, sort_keys=True)),
            )
        self._stop = threading.Event()
        self._heartbeat_thread = threading.Thread(
            target=_heartbeat, args=(path, self.run, self._stop), daemon=True
        )
        self._heartbeat_thread.start()

    def claim(self, key: Key) -> tuple[ClaimStatus, int]:
        """Claim a checkpoint for this run, unless it needs no work or another run has claimed it.

        Args:
            key: key of the checkpoint.

        Returns:
            The status of the checkpoint, and the id of its row.
        """
        with self._transaction():
            self._update_path(key)
            row = row_at(self.connection, key.sha256, key.options, __version__)
            if row is None:
                return ClaimStatus.MINE, self._insert(key)
            status = self._status(row)
            if status is ClaimStatus.MINE:
                self._take(row.id)
            return status, row.id

    def finish(self, checkpoint: int, result: Result) -> bool:
        """Write a result to the store, as one transaction.

        Args:
            checkpoint: the id of a row that this run has claimed.
            result: the result of the analysis.

        Returns:
            False if another run has taken over the claim; then nothing was written.

        Raises:
            UnstorableResult: SQLite cannot hold the result; nothing was written.
        """
        with self._transaction(), _rejecting_unstorable():
            changed = self.connection.execute(
                "UPDATE checkpoints SET state = 'done', format = ?, parameters = ?, surviving = ?, density = ?, seconds = ?,"
                " finished = ? WHERE id = ? AND run = ? AND state = 'claimed'",
                (valid(result.format), result.parameters, result.surviving, result.density, result.seconds, time.time(),
                 checkpoint, self.run),
            ).rowcount  # fmt: skip
            if changed:
                self.connection.execute("INSERT INTO reports VALUES (?, ?)", (checkpoint, result.report))
                insert_quantities(self.connection, checkpoint, result.quantities)
        return bool(changed)

    def fail(self, checkpoint: int, failure: Failure) -> bool:
        """Record why there is no result.

        Args:
            checkpoint: the id of a row that this run has claimed.
            failure: the failure to record.

        Returns:
            False if another run has taken over the claim; then nothing was written.
        """
        with self._transaction():
            changed = self.connection.execute(
                "UPDATE checkpoints SET state = 'failed', error = ?, refused = ?, seconds = ?, finished = ?"
                " WHERE id = ? AND run = ? AND state = 'claimed'",
                (
                    valid(failure.error),
                    int(failure.refused),
                    failure.seconds,
                    time.time(),
                    checkpoint,
                    self.run,
                ),
            ).rowcount
        return bool(changed)

    def close(self) -> None:
        """Release the unfinished claims and close the connection; claims that cannot be released expire with the heartbeat."""
        self._stop.set()
        self._heartbeat_thread.join()
        try:
            with suppress(sqlite3.Error), transaction(self.connection):
                self.connection.execute(
                    "DELETE FROM checkpoints WHERE run = ? AND state = 'claimed'", (self.run,)
                )
                self.connection.execute("DELETE FROM runs WHERE id = ?", (self.run,))
        finally:
            self.connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the block as one transaction: everything is committed, or nothing is.

        Raises:
            UsageError: the store cannot be written any more.
        """
        try:
            with transaction(self.connection):
                yield
        except sqlite3.Error as error:
            raise UsageError(f"{self.path}: cannot be written: {error}") from error

    def _update_path(self, key: Key) -> None:
        """Record the current path of a content, and move the results and failures of a moved file to its new path."""
        query = (
            "SELECT path FROM paths WHERE sha256 = ?1 UNION SELECT path FROM checkpoints WHERE sha256 = ?1"
        )
        path = stored(key.path)
        known = [one for (one,) in self.connection.execute(query, (key.sha256,)) if one != path]
        gone = [one for one in known if not os.path.exists(on_disk(one))]
        self.connection.executemany("DELETE FROM paths WHERE path = ?", [(one,) for one in gone])
        self.connection.executemany(
            "UPDATE checkpoints SET path = ? WHERE sha256 = ? AND path = ?",
            [(path, key.sha256, one) for one in gone],
        )
        self.connection.execute("INSERT OR REPLACE INTO paths VALUES (?, ?)", (path, key.sha256))
        # a file that was broken and has other content now is no failure any more, nor is a folder that could not be listed
        self.connection.execute(
            "DELETE FROM checkpoints WHERE (path = ? AND sha256 <> ? OR path IN (SELECT value FROM json_each(?)))"
            " AND settings = ? AND version = ? AND state = 'failed'",
            (path, key.sha256, json.dumps(_parent_folders(path)), self.settings.hash, __version__),
        )

    def _insert(self, key: Key) -> int:
        found = self.connection.execute(
            "INSERT INTO checkpoints (path, sha256, options, settings, version, state, run) VALUES (?, ?, ?, ?, ?, 'claimed', ?)",
            (stored(key.path), key.sha256, key.options, self.settings.hash, __version__, self.run),
        )  # fmt: skip
        assert found.lastrowid is not None
        return found.lastrowid

    def _take(self, checkpoint: int) -> None:
        self.connection.execute(
            "UPDATE checkpoints SET state = 'claimed', run = ?, error = NULL, refused = 0, finished = NULL WHERE id = ?",
            (self.run, checkpoint),
        )

    def _is_whole(self, checkpoint: int) -> bool:
        try:
            return bool(Store(self.connection, self.path).report(checkpoint))
        except (DamagedReport, KeyError):
            return False

    def _status(self, row: StoreRow) -> ClaimStatus:
        if row.state == "done":
            if self._is_whole(row.id):
                return ClaimStatus.DONE
            self.connection.execute("DELETE FROM quantities WHERE checkpoint = ?", (row.id,))
            self.connection.execute("DELETE FROM reports WHERE checkpoint = ?", (row.id,))
            return ClaimStatus.MINE
        (holder,) = self.connection.execute("SELECT run FROM checkpoints WHERE id = ?", (row.id,)).fetchone()
        if row.state == "failed":
            return ClaimStatus.FAILED if row.refused or holder == self.run else ClaimStatus.MINE
        if holder == self.run:
            return ClaimStatus.SHARED
        return ClaimStatus.BUSY if is_alive(self.connection, holder) else ClaimStatus.MINE


def _parent_folders(path: str) -> list[str]:
    """Return the folders above a path, its own folder first."""
    return [str(folder) for folder in Path(path).parents]


@contextmanager
def _rejecting_unstorable() -> Iterator[None]:
    """Raise `UnstorableResult` for a value that SQLite cannot hold, to distinguish it from a store that cannot be written.

    Raises:
        UnstorableResult: a number or a text does not fit into its column.
    """
    try:
        yield
    except (
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.InterfaceError,
        OverflowError,
        ValueError,
    ) as problem:
        raise UnstorableResult(f"its report cannot be stored: {problem}") from problem


def is_alive(connection: sqlite3.Connection, run: str) -> bool:
    """Return whether a run is alive: its heartbeat is recent and, if it runs on this machine, its process exists."""
    found = connection.execute("SELECT host, pid, beat FROM runs WHERE id = ?", (run,)).fetchone()
    if found is None or time.time() - found[2] > LEASE_SECONDS:
        return False
    return found[0] != socket.gethostname() or _has_process(found[1])


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _heartbeat(path: Path, run: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        with suppress(sqlite3.Error, UsageError), closing(connect(path)) as connection:
            connection.execute("UPDATE runs SET beat = ? WHERE id = ?", (time.time(), run))
