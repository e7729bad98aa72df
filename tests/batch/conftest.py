"""Tiny tickets, a scheduler without processes, and the command as a process that can be killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from boundcalc.batch import runner
from boundcalc.batch.store import opened
from boundcalc.options import Options

COMMAND = "import sys; from boundcalc.cli.main import main; sys.exit(main())"
SLOW_MODEL = """
import time
from torch import nn

def make():
    time.sleep({seconds})
    return nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
"""


def save(path: Path, seed: int) -> Path:
    generator = torch.Generator().manual_seed(seed)
    weights = {
        "0.weight": torch.randn(6, 12, generator=generator),
        "0.bias": torch.randn(6, generator=generator),
        "2.weight": torch.randn(3, 6, generator=generator),
        "2.bias": torch.randn(3, generator=generator),
    }
    weights["0.weight"][torch.rand(6, 12, generator=generator) < 0.1 * (seed % 9)] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path)
    return path


@pytest.fixture
def ticket():
    """Saves a tiny network with weights and masks of its own."""
    return save


@pytest.fixture
def folder(tmp_path):
    """Three tiny tickets."""
    for seed in range(3):
        save(tmp_path / "tickets" / f"t{seed}.pt", seed)
    return tmp_path / "tickets"


@pytest.fixture
def analyze(tmp_path):
    """Runs a batch on one store, for the part samples by default."""

    def run(*paths, store=tmp_path / "store.sqlite", **options):
        return runner.run(paths, store, Options(**{"only": ("samples",), **options}), workers=1)

    return run


def contents(store):
    """Return all that a store says, apart from times and ids: path -> state, error, numbers."""
    with opened(store) as found:
        numbers = {}
        for row, quantity in found.quantities():
            if quantity.part != "seconds":
                numbers.setdefault(row.id, []).append(tuple(quantity))
        return sorted(
            (row.path, row.sha256, row.options, row.state, row.error, numbers.get(row.id, []))
            for row in found.rows()
        )


@pytest.fixture(name="contents")
def _contents():
    return contents


class Command:
    """`boundcalc batch` in a session of its own."""

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "batch", *map(str, words), "--format", "csv"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (a suite in the background ignores it)
        )  # fmt: skip

    def wait(self, seconds: float = 120) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, err

    def signal(self, number: int, whole: bool = False) -> None:
        (os.killpg if whole else os.kill)(self.process.pid, number)

    def workers(self) -> list[int]:
        """Return the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL, whole=True)
        self.process.communicate()


@pytest.fixture
def command():
    """Starts the command; whatever is left of it is killed after the test."""
    started = []

    def start(*words):
        started.append(Command(*words))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def slow(tmp_path):
    """Twelve tickets, and the options by which each takes a fifth of a second."""
    for seed in range(12):
        save(tmp_path / "tickets" / f"t{seed}.pt", seed)
    (tmp_path / "net.py").write_text(SLOW_MODEL.format(seconds=0.2))
    return tmp_path / "tickets", ("--only", "samples", "--model", f"{tmp_path / 'net.py'}:make")


def until(condition, seconds: float = 60):
    """Wait for something to be true, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)
    return found


@pytest.fixture(name="until")
def _until():
    return until


@pytest.fixture
def count():
    """Counts the rows of a state in a store that may not be there yet."""

    def counted(store, state="done"):
        if not Path(store).exists():
            return 0
        connection = sqlite3.connect(store, timeout=10)
        try:
            query = "SELECT count(*) FROM checkpoints WHERE state = ?"
            return connection.execute(query, (state,)).fetchone()[0]
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.close()

    return counted


def rest(store):
    """Return how many claims and runs are left in a store, in which nothing is twice."""
    connection = sqlite3.connect(store)
    try:
        (claims,) = connection.execute("SELECT count(*) FROM checkpoints WHERE state = 'claimed'").fetchone()
        (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        (twice,) = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM quantities GROUP BY checkpoint, part, name, quantity HAVING count(*) > 1)"
        ).fetchone()
    finally:
        connection.close()
    assert twice == 0
    return claims, runs


@pytest.fixture(name="rest")
def _rest():
    return rest
