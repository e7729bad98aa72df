"""The work of a worker: it takes one checkpoint and returns a result or a failure; only Ctrl-C is raised."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc._version import __version__
from boundcalc.batch.claims import Failure, Result
from boundcalc.batch.keys import by_path, content_of
from boundcalc.batch.names import stored
from boundcalc.batch.rows import StoredNumber
from boundcalc.batch.store import LONGEST_ARRAY
from boundcalc.errors import BoundcalcError, CheckpointError, DataError, first_line
from boundcalc.options import Options
from boundcalc.plain_text import message

if TYPE_CHECKING:
    from boundcalc.empirical.datasets import Dataset

MOST_BYTES = 2 << 30
"""Largest data set, in bytes as stored, that is held in memory; every analysis streams a larger one."""
FILE_CHANGED = "changed while it was read; try again when nothing writes it"
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A checkpoint to analyze.

    Attributes:
        checkpoint: id of the checkpoint's row.
        path: absolute path of the checkpoint.
        sha256: hash of the content when the checkpoint was claimed.
        options: options of the analysis.
        threads: number of threads that the analysis may use.
        settings: hash of the options and of the content of their files; a worker caches data for one such hash.
        version: version of boundcalc that submitted the job.
    """

    checkpoint: int
    path: str
    sha256: str
    options: Options
    threads: int
    settings: str = ""
    version: str = __version__


def work(job: Job) -> Result | Failure:
    """Analyze a checkpoint; a process analyzes one at a time.

    Args:
        job: the checkpoint to analyze.

    Returns:
        The result, or the failure that says why there is none.

    Raises:
        KeyboardInterrupt: the user interrupts the run.
    """
    start = time.perf_counter()
    with _ONE_AT_A_TIME:
        try:
            return _analyzed(job, start)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # a panic of Rust and the exit of a user's model are no Exception
            return _failure(job, problem, time.perf_counter() - start)


def _analyzed(job: Job, start: float) -> Result | Failure:
    from boundcalc.analysis import checkpoint_of, run_analysis
    from boundcalc.report.assemble import assemble

    if job.version != __version__:
        return Failure(f"the worker has boundcalc {__version__}, not {job.version}", refused=False)
    limit_threads(job.threads)
    options = job.options
    if isinstance(options.data, str):
        options = replace(
            options, data=_opened(options.data, options.normalize, job.settings), normalize=None
        )
    checkpoint = checkpoint_of(job.path, options)
    if checkpoint.sha256 != job.sha256 or _has_changed(job):
        return Failure(FILE_CHANGED, refused=False)
    result = run_analysis(checkpoint, options)
    tree = assemble(replace(result, options=job.options)).to_dict()
    tree["checkpoint"]["path"] = stored(job.path)
    return _result(tree, time.perf_counter() - start)


def _result(tree: dict[str, Any], seconds: float) -> Result:
    found = tree["checkpoint"]
    text = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    return Result(
        found["format"], found["parameters"], found["surviving"], found["density"], zlib.compress(text.encode(), 3),
        tuple(quantities(tree)), seconds,
    )  # fmt: skip


def quantities(tree: dict[str, Any]) -> Iterator[StoredNumber]:
    """Yield the rows of a report's CSV view, without those of arrays of more than `LONGEST_ARRAY` numbers.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Yields:
        One row at a time.
    """
    from boundcalc.report.number_rows import number_rows

    rows = list(number_rows(tree))
    lengths = Counter((row.part, row.name, row.array) for row in rows if row.array)
    for row in rows:
        if lengths[row.part, row.name, row.array] <= LONGEST_ARRAY:
            yield StoredNumber(
                row.part, row.name, row.quantity, _storable(row.value), row.status, row.source, row.reason
            )


def _storable(value: int | float | None) -> int | float | None:
    """Return a number as SQLite can hold it: an integer of at most 64 bits, else a float."""
    return value if not isinstance(value, int) or abs(value) < 2**63 else float(value)


@lru_cache(maxsize=1)
def _opened(form: str, normalize: tuple[float, ...] | None, settings: str) -> Dataset:
    """Return the cached data; `settings` is part of the cache key because a file's content may change during a worker's life."""
    from boundcalc.batch.resident import resident
    from boundcalc.empirical.datasets import open_data

    return resident(open_data(form, normalize), MOST_BYTES)


@lru_cache(maxsize=1)
def limit_threads(threads: int) -> None:
    """Limit the number of threads of this process, for all numerical libraries."""
    import scipy.linalg  # noqa: F401  (its BLAS is limited only once it is loaded)
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def failure_line(path: str, problem: BaseException) -> str:
    """Return a failure as the one line that a store keeps, without the checkpoint's path.

    Args:
        path: path of the checkpoint.
        problem: the exception that was raised.
    """
    if isinstance(problem, CheckpointError) and problem.path == path:
        return message(problem.problem)
    return str(problem) if isinstance(problem, BoundcalcError) else first_line(problem)


def _failure(job: Job, problem: BaseException, seconds: float) -> Failure:
    """Return the failure to store; it is final if the content itself is at fault and no code of the user was involved."""
    if os.path.lexists(job.path) and _has_changed(job):
        return Failure(FILE_CHANGED, refused=False, seconds=seconds)
    refused = isinstance(problem, CheckpointError | DataError) and job.options.model is None
    final = refused and os.path.exists(job.path) and job.sha256 != by_path(Path(job.path))
    return Failure(failure_line(job.path, problem), final, seconds)


def _has_changed(job: Job) -> bool:
    return content_of(Path(job.path)) != job.sha256
