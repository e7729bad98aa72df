"""A Dask cluster of this machine: a real scheduler and two worker processes, one of which is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from boundcalc.batch.scheduler import Cluster
from boundcalc.errors import UsageError

pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path, until):
    """The scheduler's address and two worker processes."""
    told = tmp_path / "scheduler.json"
    common = ("--no-dashboard", "--scheduler-file", str(told))
    commands = [("dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common)]
    commands += [
        ("dask_worker", "--no-nanny", "--nthreads", "1", "--death-timeout", "60", *common,
         "--local-directory", str(tmp_path / f"worker_{number}"))
        for number in range(2)
    ]  # fmt: skip
    with open(tmp_path / "cluster.log", "w", encoding="utf-8") as log:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *words], stdout=log, stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=tmp_path,
            )
            for name, *words in commands
        ]  # fmt: skip
    try:
        yield (
            until(lambda: told.exists() and told.read_text() and json.loads(told.read_text())["address"]),
            started,
        )
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_batch_is_complete_though_a_worker_is_killed(
    command, cluster, slow, tmp_path, count, until, analyse, inline, contents
):
    address, (_, _, worker) = cluster
    tickets, options = slow
    store, calm = tmp_path / "store.sqlite", tmp_path / "calm.sqlite"
    started = command(tickets, "--store", store, "--scheduler", address, *options)
    until(lambda: count(store) >= 3 or started.process.poll() is not None)
    worker.send_signal(signal.SIGKILL)
    status, err = started.wait()
    assert (status, err) == (0, "boundcalc: 12 paths, 12 analysed, 0 known, 0 failed\n")
    analyse(tickets, store=calm, model=options[-1])
    assert contents(store) == contents(calm)


def test_a_scheduler_that_dies_ends_the_batch_and_leaves_what_is_done(
    command, cluster, slow, tmp_path, count, until
):
    address, (scheduler, *_) = cluster
    tickets, options = slow
    store = tmp_path / "store.sqlite"
    started = command(tickets, "--store", store, "--scheduler", address, *options)
    until(lambda: count(store) >= 2 or started.process.poll() is not None)
    scheduler.kill()
    status, err = started.wait(60)
    assert status == 2, err
    assert (
        err == f"boundcalc: --scheduler {address}: the scheduler is gone; what was analysed is in the store\n"
    )
    assert 2 <= count(store) < 12
    assert (count(store, "claimed"), count(store, "failed")) == (0, 0)


def test_an_address_where_nothing_answers(command, slow, tmp_path):
    tickets, options = slow
    status, err = command(tickets, "--store", tmp_path / "s", "--scheduler", "127.0.0.1:1", *options).wait()
    assert (status, err) == (2, "boundcalc: --scheduler 127.0.0.1:1: no Dask scheduler answers there\n")


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1"])
def test_an_address_without_a_port(address):
    with pytest.raises(UsageError, match=f"--scheduler {address}: no Dask scheduler answers there"):
        Cluster(address)
