"""Where jobs run: processes of this machine, or a Dask cluster that is there already."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Protocol

from boundcalc.batch.claims import Failure, Result
from boundcalc.batch.worker import Job, told, work
from boundcalc.errors import UsageError
from boundcalc.extras import install

WAITING = "OMP_WAIT_POLICY"
ANSWERS_IN = 10.0
"""Seconds that the scheduler of a cluster may take to answer."""
PATIENCE = 5.0
"""Seconds that taking leave of a cluster may take."""
KILLED = "its worker process died (killed, or out of memory)"

Outcome = Result | Failure


class Scheduler(Protocol):
    """Runs jobs somewhere."""

    @property
    def free(self) -> int:
        """How many jobs may be submitted now."""
        ...

    @property
    def threads(self) -> int:
        """How many threads a job may use."""
        ...

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job; `outcome` tells what came of it."""
        ...

    def check(self) -> None:
        """Check that jobs can still run; where they cannot, the outcome of a job says nothing of its checkpoint.

        Raises:
            UsageError: they cannot.
        """
        ...

    def close(self) -> None:
        """Stop at once, whatever is running."""
        ...


def outcome(job: Job, future: Future[Outcome]) -> Outcome:
    """Return what came of a job that is over, however it ended.

    Args:
        job: that was submitted.
        future: done.

    Raises:
        KeyboardInterrupt: the user wants all to end.
    """
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError):
        return Failure(KILLED, refused=False)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        lost = type(problem).__name__ == "KilledWorker"
        return Failure(KILLED if lost else told(job.path, problem), refused=False)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Lane:
    """One worker process with one job at a time, so that its death is blamed on the right job; started on demand."""

    def __init__(self) -> None:
        self.running: Future[Outcome] | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._processes: set[BaseProcess] = set()

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to do."""
        return self.running is None or self.running.done()

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job."""
        try:
            self.running = (self._pool or self._started()).submit(work, job)
        except BrokenProcessPool:
            self.running = self._started().submit(work, job)
        return self.running

    def close(self) -> None:
        """Kill the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()

    def _started(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _settle)
        before = set(multiprocessing.active_children())
        with _deaf(), _patient():
            self._pool.submit(os.getpid)
        self._processes = set(multiprocessing.active_children()) - before
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

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job on a worker that has nothing to do."""
        return next(lane for lane in self._lanes if lane.is_free).submit(job)

    def check(self) -> None:
        """Do nothing: a worker that died is made anew."""

    def close(self) -> None:
        """Kill all workers."""
        for lane in self._lanes:
            lane.close()


class Cluster:
    """A Dask cluster. Its workers need boundcalc and the files under the same paths; a job whose worker dies goes to another.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``.

    Raises:
        UsageError: dask.distributed is not installed, or nothing answers there.
    """

    threads = 1

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
            from distributed.comm.addressing import parse_host_port
        except ImportError as error:
            raise UsageError(f"--scheduler needs dask.distributed: {install('distributed')}") from error
        self._address = address
        try:
            parse_host_port(address.rpartition("://")[2])
            self._client = Client(address, timeout=ANSWERS_IN, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {address}: no Dask scheduler answers there") from error
        self._executor = self._client.get_executor(pure=False)
        self._running: set[Future[Outcome]] = set()

    @property
    def free(self) -> int:
        """How many jobs keep every thread of the cluster busy with one more in hand, less those that run."""
        self.check()
        self._running = {future for future in self._running if not future.done()}
        try:
            threads = sum(self._client.nthreads().values())
        except OSError as error:
            raise self._gone() from error
        return max(0, 2 * max(1, threads) - len(self._running))

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job on any worker."""
        future: Future[Outcome] = self._executor.submit(work, job)
        self._running.add(future)
        return future

    def check(self) -> None:
        """See whether the scheduler is still there.

        Raises:
            UsageError: it is not.
        """
        if self._client.status != "running":
            raise self._gone()

    def close(self) -> None:
        """Cancel what has not begun, and leave the cluster as it is."""
        if self._client.status == "running":
            for future in self._running:
                future.cancel()
        with suppress(OSError):
            self._client.close(timeout=PATIENCE)

    def _gone(self) -> UsageError:
        """Return the one line that tells of it, in place of what dask.distributed logs until the process ends."""
        for name in ("client", "utils"):
            logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL + 1)
        return UsageError(
            f"--scheduler {self._address}: the scheduler is gone; what was analyzed is in the store"
        )


@contextmanager
def _patient() -> Iterator[None]:
    """Let threads of processes that are started inside sleep while they wait: spinning is many times slower on a busy machine."""
    before = os.environ.get(WAITING)
    os.environ.setdefault(WAITING, "PASSIVE")
    try:
        yield
    finally:
        if before is None:
            del os.environ[WAITING]


@contextmanager
def _deaf() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts: the child ignores it until `_settle`, this process handles it afterwards."""
    heard: list[int] = []
    ours = threading.current_thread() is threading.main_thread()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number)) if ours else None
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _settle() -> None:
    """Leave Ctrl-C to the parent, and end with it: a killed parent must not leave a worker behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
