"""A Dask cluster of this machine: a real scheduler and two worker processes, one of which is killed on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boundcalc.batch import scheduler
from boundcalc.batch.scheduler import Cluster
from boundcalc.cli.main import main
from boundcalc.errors import UsageError

pytest.importorskip("distributed")


GATED_MODEL = """
import time
from pathlib import Path
from torch import nn

GATE = Path({gate!r})

def make():
    drawn = GATE.with_name("gate.begun")
    with drawn.open("a") as file:
        file.write("x")
    while drawn.stat().st_size > {free} and not GATE.exists():
        time.sleep(0.05)
    return nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
"""
"""The first few tickets are analyzed at once, the others when a file is there: however busy the machine is, some are left."""

ENDING_WITH_ITS_PARENT = """
import os, runpy, sys, threading

def watch():
    sys.stdin.buffer.read()
    os._exit(1)

threading.Thread(target=watch, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module; its standard input ends when the process that started it does, however that one ends."""


class Local:
    """A scheduler and its workers, each a process that does not outlive this one."""

    def __init__(self, place):
        self.place, self.told = place, place / "scheduler.json"
        self.log = open(place / "cluster.log", "w", encoding="utf-8")  # noqa: SIM115
        self.processes = []
        self.scheduler = self.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        self.workers = [self.worker(), self.worker()]

    def start(self, name, *words):
        common = ("--no-dashboard", "--scheduler-file", str(self.told))
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-c", ENDING_WITH_ITS_PARENT, f"distributed.cli.{name}", *words, *common],
                stdin=subprocess.PIPE, stdout=self.log, stderr=self.log,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=self.place,
            )
        )  # fmt: skip
        return self.processes[-1]

    def worker(self):
        folder = self.place / f"worker_{len(self.processes)}"
        return self.start(
            "dask_worker", "--no-nanny", "--nthreads", "1", "--death-timeout", "60", "--local-directory", str(folder)
        )  # fmt: skip

    def address(self):
        return self.told.exists() and self.told.read_text() and json.loads(self.told.read_text())["address"]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
        self.log.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What the tests of this file share: a list of a cluster that is alive, or of none."""
    held = []
    yield held
    for local in held:
        local.close()


@pytest.fixture
def cluster(shared, tmp_path_factory, until):
    """A scheduler that has its address, and two workers; made anew where a test has killed the scheduler."""
    if not shared or shared[0].scheduler.poll() is not None:
        for local in shared:
            local.close()
        shared[:] = [Local(tmp_path_factory.mktemp("cluster"))]
    local = shared[0]
    local.workers = [worker for worker in local.workers if worker.poll() is None]
    local.workers += [local.worker() for _ in range(2 - len(local.workers))]
    until(local.address)
    return local


def test_a_batch_is_complete_though_a_worker_is_killed(
    command, cluster, slow, tmp_path, count, until, analyze, inline, contents
):
    address, worker = cluster.address(), cluster.workers[1]
    tickets, options = slow
    store, calm = tmp_path / "store.sqlite", tmp_path / "calm.sqlite"
    started = command(tickets, "--store", store, "--scheduler", address, *options)
    until(lambda: count(store) >= 3 or started.process.poll() is not None)
    worker.send_signal(signal.SIGKILL)
    status, err = started.wait()
    assert (status, err) == (0, "boundcalc: 12 paths, 12 analyzed, 0 known, 0 failed\n")
    analyze(tickets, store=calm, model=options[-1])
    assert contents(store) == contents(calm)


def test_what_is_started_ends_with_its_parent(until):
    script = (
        "import subprocess, sys, time\n"
        "words = [sys.executable, '-c', sys.argv[1], 'http.server', '--bind', '127.0.0.1', '0']\n"
        "child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, ENDING_WITH_ITS_PARENT], stdout=subprocess.PIPE, text=True
    )
    child = Path(f"/proc/{int(parent.stdout.readline())}")
    assert alive(child)
    parent.kill()
    parent.communicate()
    until(lambda: not alive(child))


def alive(process):
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_scheduler_that_dies_ends_the_batch_and_leaves_what_is_done(
    command, cluster, slow, tmp_path, count, until
):
    address, scheduler = cluster.address(), cluster.scheduler
    tickets, options = slow
    (tmp_path / "net.py").write_text(GATED_MODEL.format(gate=str(tmp_path / "gate"), free=4))
    store = tmp_path / "store.sqlite"
    started = command(tickets, "--store", store, "--scheduler", address, *options)
    until(lambda: count(store) >= 2 or started.process.poll() is not None)
    scheduler.kill()
    (tmp_path / "gate").write_text("")
    status, err = started.wait(240)
    assert status == 2, err
    assert (
        err == f"boundcalc: --scheduler {address}: the scheduler is gone; what was analyzed is in the store\n"
    )
    assert 2 <= count(store) < 12
    assert (count(store, "claimed"), count(store, "failed")) == (0, 0)


def test_an_address_where_nothing_answers(slow, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scheduler, "CONNECT_SECONDS", 0.5)
    tickets, options = slow
    words = [tickets, "--store", tmp_path / "s", "--scheduler", "127.0.0.1:1", *options]
    status, err = main(["batch", *map(str, words)]), capsys.readouterr().err
    assert (status, err) == (2, "boundcalc: --scheduler 127.0.0.1:1: no Dask scheduler answers there\n")


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1"])
def test_an_address_without_a_port(address):
    with pytest.raises(UsageError, match=f"--scheduler {address}: no Dask scheduler answers there"):
        Cluster(address)


@pytest.mark.slow
def test_dask_workers_that_are_killed_at_random_times(
    command, cluster, slow, tmp_path, analyze, inline, contents
):
    """Ten kills; a new worker takes the place of each that died."""
    tickets, options = slow
    draw = random.Random(0)
    store, calm = tmp_path / "store.sqlite", tmp_path / "calm.sqlite"
    for _ in range(5):
        store.unlink(missing_ok=True)
        started = command(tickets, "--store", store, "--scheduler", cluster.address(), *options)
        for _ in range(2):
            time.sleep(draw.uniform(0, 5))
            cluster.workers.pop(draw.randrange(2)).kill()
            cluster.workers.append(cluster.worker())
        started.wait()
        status, err = command(tickets, "--store", store, "--scheduler", cluster.address(), *options).wait()
        assert status == 0, err
        calm.unlink(missing_ok=True)
        analyze(tickets, store=calm, model=options[-1])
        assert contents(store) == contents(calm)
