"""Where jobs run: in processes of this machine, or on an existing Dask cluster."""

from __future__ import annotations

import gc
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
from boundcalc.batch.worker import Job, failure_line, work
from boundcalc.errors import UsageError
from boundcalc.extras import install

OMP_WAIT_POLICY = "OMP_WAIT_POLICY"
CONNECT_SECONDS = 10.0
"""Seconds to wait for the scheduler of a cluster to answer."""
CLOSE_SECONDS = 5.0
"""Seconds to wait when the connection to a cluster is closed."""
WORKER_DIED = "its worker process died (killed, or out of memory)"

Outcome = Result | Failure


class Scheduler(Protocol):
    """The interface of whatever runs jobs."""

    @property
    def free(self) -> int:
        """The number of jobs that may be submitted now."""
        ...

    @property
    def threads(self) -> int:
        """The number of threads that a job may use."""
        ...

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job; `outcome` reads the result from the future."""
        ...

    def check(self) -> None:
        """Check that jobs can still run; if they cannot, the failure of a job says nothing about its checkpoint.

        Raises:
            UsageError: jobs cannot run any more.
        """
        ...

    def close(self) -> None:
        """Stop at once, whatever is running."""
        ...


def outcome(job: Job, future: Future[Outcome]) -> Outcome:
    """Return the result or failure of a finished job, however it ended.

    Args:
        job: the submitted job.
        future: the future of the job, which is done.

    Raises:
        KeyboardInterrupt: the user interrupts the run.
    """
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError):
        return Failure(WORKER_DIED, refused=False)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        lost = type(problem).__name__ == "KilledWorker"
        return Failure(WORKER_DIED if lost else failure_line(job.path, problem), refused=False)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerProcess:
    """One worker process, started on demand, that runs one job at a time, so that its death is attributed to the right job."""

    def __init__(self) -> None:
        self.running: Future[Outcome] | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._processes: set[BaseProcess] = set()

    @property
    def is_free(self) -> bool:
        """Whether the process is idle."""
        return self.running is None or self.running.done()

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job."""
        try:
            self.running = (self._pool or self._start_pool()).submit(work, job)
        except BrokenProcessPool:
            self.running = self._start_pool().submit(work, job)
        return self.running

    def close(self) -> None:
        """Kill the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()

    def _start_pool(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _initialize_worker)
        before = set(multiprocessing.active_children())
        with _interrupts_deferred(), _sleeping_threads():
            self._pool.submit(os.getpid)
        self._processes = set(multiprocessing.active_children()) - before
        return self._pool


class LocalWorkers:
    """Worker processes of this machine.

    Args:
        workers: number of worker processes, which share the cores equally.
    """

    def __init__(self, workers: int) -> None:
        self.threads = max(1, cores() // workers)
        self._workers = [WorkerProcess() for _ in range(workers)]

    @property
    def free(self) -> int:
        """The number of idle workers."""
        return sum(worker.is_free for worker in self._workers)

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job on an idle worker."""
        return next(worker for worker in self._workers if worker.is_free).submit(job)

    def check(self) -> None:
        """Do nothing: a worker that died is replaced."""

    def close(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            worker.close()


class Cluster:
    """A Dask cluster. Its workers need boundcalc and the files at the same paths; a job whose worker dies goes to another.

    Args:
        address: address of the cluster's scheduler, such as ``tcp://host:8786``.

    Raises:
        UsageError: dask.distributed is not installed, or no scheduler answers at the address.
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
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {address}: no Dask scheduler answers there") from error
        self._executor = self._client.get_executor(pure=False)
        self._running: set[Future[Outcome]] = set()

    @property
    def free(self) -> int:
        """How many more jobs the cluster takes: two for each of its threads, minus the jobs that run."""
        self.check()
        self._running = {future for future in self._running if not future.done()}
        try:
            threads = sum(self._client.nthreads().values())
        except OSError as error:
            raise self._scheduler_gone() from error
        return max(0, 2 * max(1, threads) - len(self._running))

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job on any worker."""
        future: Future[Outcome] = self._executor.submit(work, job)
        self._running.add(future)
        return future

    def check(self) -> None:
        """Check that the scheduler is still there.

        Raises:
            UsageError: the scheduler is gone.
        """
        if self._client.status != "running":
            raise self._scheduler_gone()

    def close(self) -> None:
        """Cancel the jobs that have not begun, and disconnect from the cluster."""
        if self._client.status == "running":
            for future in self._running:
                future.cancel()
        with suppress(OSError):
            self._client.close(timeout=CLOSE_SECONDS)

    def _scheduler_gone(self) -> UsageError:
        """Return the error that reports a lost scheduler in one line; silence dask.distributed, which would log until the exit."""
        for name in ("client", "utils"):
            logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL + 1)
        return UsageError(
            f"--scheduler {self._address}: the scheduler is gone; what was analyzed is in the store"
        )


@contextmanager
def _sleeping_threads() -> Iterator[None]:
    """Let the threads of processes started in the block sleep while they wait: spinning is many times slower on a busy machine."""
    before = os.environ.get(OMP_WAIT_POLICY)
    os.environ.setdefault(OMP_WAIT_POLICY, "PASSIVE")
    try:
        yield
    finally:
        if before is None:
            del os.environ[OMP_WAIT_POLICY]


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Defer Ctrl-C while a process starts: the child ignores it until `_initialize_worker`; this process handles it afterwards."""
    received: list[int] = []
    ours = threading.current_thread() is threading.main_thread()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    handler = signal.signal(signal.SIGINT, lambda number, _: received.append(number)) if ours else None
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if received:
            signal.raise_signal(signal.SIGINT)


def _initialize_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and exit when the parent does: a killed parent must not leave a worker behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import boundcalc.report.assemble  # noqa: F401  # what every job needs, in no job's time

    gc.freeze()  # collections of the jobs' garbage need not look at what every job uses


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
