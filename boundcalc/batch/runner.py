"""The batch run: analyzes the checkpoints that are new, and stores each result as soon as it is there."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from boundcalc.batch.claims import Claims, ClaimStatus, Failure, UnstorableResult
from boundcalc.batch.discover import discover
from boundcalc.batch.keys import BatchSettings, Key, key_of, settings_of
from boundcalc.batch.scheduler import Cluster, LocalWorkers, Outcome, Scheduler, cores, outcome
from boundcalc.batch.worker import Job, failure_line
from boundcalc.errors import UsageError
from boundcalc.options import Options

PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        ids: ids of the rows of the requested checkpoints, without duplicates, in the order in which they were found.
        paths: number of paths.
        done: number of checkpoints that this run analyzed.
        known: number of checkpoints that had been analyzed before, or by another run at the same time.
        failed: number of paths without a result, now or before.
        copies: number of paths whose content, with a result, is also at another path of the run.
        settings: hash of the run's settings.
        found: id of the row by path, in the order in which the paths were found.
    """

    ids: tuple[int, ...]
    paths: int
    done: int
    known: int
    failed: int
    copies: int
    settings: str
    found: Mapping[str, int]


Watch = Callable[[int, int], None]
"""Called with the number of finished paths and the number of all paths."""


def run(
    paths: Sequence[str | Path],
    store: str | Path,
    options: Options | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Watch | None = None,
) -> Summary:
    """Analyze the checkpoints that are new, and write the results to a store.

    A script that calls this function must do so below ``if __name__ == "__main__":``, because workers import the script.

    Args:
        paths: checkpoints, folders and patterns; see `boundcalc.batch.discover.discover`.
        store: path of the SQLite file, which is created if it does not exist.
        options: options of every analysis, with data and model given by name; None for the defaults.
        workers: number of processes on this machine; None for one per core.
        scheduler: address of a Dask cluster to use instead of processes of this machine.
        watch: called whenever paths are settled.

    Returns:
        A summary of the run.

    Raises:
        CheckpointError: there is nothing at a path, or a given reference or mask cannot be read.
        DataError: the data cannot be read.
        UsageError: both workers and scheduler are given, the cluster does not answer, or the store cannot be written.
    """
    if workers is not None and scheduler is not None:
        raise UsageError("give --workers or --scheduler, not both")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: give at least 1")
    settings = settings_of(absolute(options or Options()))
    found = discover(paths)
    claims = Claims(Path(store), settings)
    try:
        place: Scheduler = (
            Cluster(scheduler) if scheduler is not None else LocalWorkers(min(workers or cores(), len(found)))
        )
        try:
            return _Run(claims, place, settings, watch or (lambda settled, paths: None)).process(found)
        finally:
            place.close()
    finally:
        claims.close()


class _Run:
    """The state of one run: the running jobs, the checkpoints claimed by other runs, and those that are settled."""

    def __init__(self, claims: Claims, scheduler: Scheduler, settings: BatchSettings, watch: Watch) -> None:
        self.claims, self.scheduler, self.settings, self.watch = claims, scheduler, settings, watch
        self.running: dict[Future[Outcome], tuple[Key, Job]] = {}
        self.found: dict[str, int] = {}
        self.elsewhere: deque[Key] = deque()
        self.status: dict[int, ClaimStatus | str] = {}
        self.copies = 0
        self.paths = 0

    def process(self, paths: Sequence[Path]) -> Summary:
        """Process every path until its row is done or failed."""
        self.paths = len(paths)
        self.found = dict.fromkeys(map(str, paths), 0)
        self._drain(key_of(path, self.settings) for path in paths)
        while self.elsewhere:
            waiting = tuple(self.elsewhere)
            self.elsewhere.clear()
            self._drain(waiting)
            if self.elsewhere:
                time.sleep(PAUSE_SECONDS)
        counts = Counter(self.status.values())
        failed = sum(self.status[row] in {"failed", ClaimStatus.FAILED} for row in self.found.values())
        done, known = counts["done"], counts[ClaimStatus.DONE]
        return Summary(
            tuple(dict.fromkeys(self.found.values())), self.paths, done, known, failed,
            self.paths - done - known - failed, self.settings.hash, self.found,
        )  # fmt: skip

    def _drain(self, keys: Iterable[Key]) -> None:
        for key in keys:
            while not self.scheduler.free:
                self._collect()
            self._begin(key)
        while self.running:
            self._collect()

    def _begin(self, key: Key) -> None:
        status, checkpoint = self.claims.claim(key)
        if status is ClaimStatus.BUSY:
            self.elsewhere.append(key)
            return
        self.found[key.path] = checkpoint
        if checkpoint in self.status:
            self.copies += 1
        elif status is ClaimStatus.MINE:
            self.status[checkpoint] = status
            job = Job(
                checkpoint, key.path, key.sha256, self.settings.options, self.scheduler.threads, self.settings.hash
            )  # fmt: skip
            self.running[self.scheduler.submit(job)] = key, job
        else:
            self.status[checkpoint] = status
        self._report_progress()

    def _collect(self) -> None:
        over, _ = wait(self.running, PAUSE_SECONDS, FIRST_COMPLETED)
        self.scheduler.check()
        for future in over:
            key, job = self.running.pop(future)
            self._file(key, job.checkpoint, outcome(job, future))
        self._report_progress()

    def _file(self, key: Key, checkpoint: int, found: Outcome) -> None:
        """Store the outcome of a job; if another run took over its claim while this one was asleep, check the checkpoint later."""
        try:
            if isinstance(found, Failure):
                filed, how = self.claims.fail(checkpoint, found), "failed"
            else:
                filed, how = self.claims.finish(checkpoint, found), "done"
        except UnstorableResult as problem:
            failure = Failure(failure_line(key.path, problem), refused=False)
            filed, how = self.claims.fail(checkpoint, failure), "failed"
        if filed:
            self.status[checkpoint] = how
        else:
            del self.status[checkpoint]
            self.elsewhere.append(key)

    def _report_progress(self) -> None:
        self.watch(len(self.status) + self.copies - len(self.running), self.paths)


PATH_PREFIXES = ("mnist:", "npz:")


def absolute(options: Options) -> Options:
    """Return the same options with absolute paths.

    Args:
        options: options whose file names may be relative to the working directory.

    Returns:
        Options with the same meaning in any working directory.

    Example:
        >>> absolute(Options(data="npz:/a/../b.npz")).data
        'npz:/b.npz'
    """
    return replace(
        options,
        data=_data(options.data),
        model=_code(options.model),
        reference=_path(options.reference),
        mask=_path(options.mask),
        calibration=_path(options.calibration),
    )


def _data(form: Any) -> Any:
    for prefix in PATH_PREFIXES:
        if isinstance(form, str) and form.startswith(prefix):
            return prefix + _absolute(form.removeprefix(prefix))
    return _code(form)


def _code(spec: Any) -> Any:
    if not isinstance(spec, str):
        return spec
    where, _, name = spec.rpartition(":")
    return f"{_absolute(where)}:{name}" if where.endswith(".py") else spec


def _path(path: str | Path | None) -> str | None:
    return None if path is None else _absolute(str(path))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
