"""Where tasks run: processes of this machine, or a Dask cluster that is there already."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from boundcalc.batch.claims import Failure, Result
from boundcalc.batch.worker import Task, work
from boundcalc.errors import UsageError

KILLED = "its worker process died (killed, or out of memory)"

Outcome = Result | Failure


class Scheduler(Protocol):
    """Runs tasks somewhere."""

    @property
    def free(self) -> int:
        """How many tasks may be submitted now."""
        ...

    @property
    def threads(self) -> int:
        """How many threads a task may use."""
        ...

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a task; `outcome` tells what came of it."""
        ...

    def close(self) -> None:
        """Stop at once, whatever is running."""
        ...


def outcome(task: Task, future: Future[Outcome]) -> Outcome:
    """Return what came of a task that is over, however it ended.

    Args:
        task: that was submitted.
        future: done.
    """
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError):
        return Failure(f"{task.path}: {KILLED}", refused=False)
    except Exception as problem:
        lost = type(problem).__name__ == "KilledWorker"
        told = KILLED if lost else " ".join(f"{type(problem).__name__}: {problem}".split())
        return Failure(f"{task.path}: {told}", refused=False)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Lane:
    """One worker process, made when there is work and anew after its death; what it died of is known: it has one task at a time."""

    def __init__(self) -> None:
        self.running: Future[Outcome] | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to do."""
        return self.running is None or self.running.done()

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a task."""
        try:
            self.running = (self._pool or self._started()).submit(work, task)
        except BrokenProcessPool:
            self.running = self._started().submit(work, task)
        return self.running

    def close(self) -> None:
        """Kill the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        pid = self._pid
        if pid is not None and pid.done() and not pid.cancelled() and pid.exception() is None:
            _kill(pid.result())

    def _started(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _settle)
        self._pid = self._pool.submit(os.getpid)
        return self._pool


class Lanes:
    """Worker processes of this machine.

    Args:
        workers: how many; the cores are shared out among them.
    """

    def __init__(self, workers: int) -> None:
        self.threads = max(1, cores() // workers)
        self._lanes = [Lane() for _ in range(workers)]

    @property
    def free(self) -> int:
        """How many workers have nothing to do."""
        return sum(lane.is_free for lane in self._lanes)

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a task on a worker that has nothing to do."""
        return next(lane for lane in self._lanes if lane.is_free).submit(task)

    def close(self) -> None:
        """Kill all workers."""
        for lane in self._lanes:
            lane.close()


class Cluster:
    """A Dask cluster. Its workers need boundcalc and the files under the same paths; a task whose worker dies goes to another.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``.

    Raises:
        UsageError: dask.distributed is not installed, or nothing answers there.
    """

    threads = 1

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                "--scheduler needs dask.distributed: pip install boundcalc[distributed]"
            ) from error
        try:
            self._client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {address}: no Dask scheduler answers there") from error
        self._executor = self._client.get_executor(pure=False)
        self._running: set[Future[Outcome]] = set()

    @property
    def free(self) -> int:
        """How many tasks keep every thread of the cluster busy with one more in hand, less those that run."""
        self._running = {future for future in self._running if not future.done()}
        return max(0, 2 * max(1, sum(self._client.nthreads().values())) - len(self._running))

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a task on any worker."""
        future: Future[Outcome] = self._executor.submit(work, task)
        self._running.add(future)
        return future

    def close(self) -> None:
        """Cancel what has not begun, and leave the cluster as it is."""
        for future in self._running:
            future.cancel()
        self._client.close()


def _settle() -> None:
    """Leave Ctrl-C to the parent, and end with it: a killed parent must not leave a worker behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
