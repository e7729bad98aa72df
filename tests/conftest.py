"""What several folders of tests share."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import boundcalc
from boundcalc.batch import runner, worker

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tickets() -> Path:
    """The folder of demo tickets."""
    return ROOT / "data" / "tickets"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder that all workers of this test run have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def once(shared_folder) -> Callable[[str, Callable[[], Any]], Any]:
    """Values by name, each made once for all tests and all workers."""

    def made(name: str, make: Callable[[], Any]) -> Any:
        place = shared_folder / f"once_{name}.pickle"
        with open(place.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                content = pickle.dumps(make())
                place.write_bytes(content)
        return pickle.loads(place.read_bytes())

    return made


@pytest.fixture(scope="session")
def tree_of(tickets, once) -> Callable[..., dict[str, Any]]:
    """Reports of demo tickets by name and options, each computed once for all tests and all workers."""

    def made(name: str, **options: Any) -> dict[str, Any]:
        key = hashlib.sha256(repr((name, sorted(options.items()))).encode()).hexdigest()
        if "reference" in options:
            options["reference"] = tickets / f"{options['reference']}.pt"
        made = once(key, lambda: boundcalc.analyze(tickets / f"{name}.pt", **options).to("json"))
        return json.loads(made)

    return made


class Inline:
    """Runs every task at once, in this process."""

    threads = 1
    tasks: list[worker.Job] = []

    def __init__(self, workers: int) -> None:
        self.free = workers

    def submit(self, task):
        self.tasks.append(task)
        future: Future = Future()
        future.set_result(worker.work(task))
        return future

    def check(self):
        """It runs."""

    def close(self):
        """Nothing runs."""


@pytest.fixture
def inline(monkeypatch):
    """Batches of this test run in its own process; returns the tasks that they worked at."""
    monkeypatch.setattr(Inline, "tasks", [])
    monkeypatch.setattr(runner, "LocalWorkers", Inline)
    monkeypatch.setattr(worker, "limit_threads", lambda threads: None)
    return Inline.tasks
