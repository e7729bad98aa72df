"""Batches that die: nothing is lost, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest


def gone(pids):
    """Whether processes have ended; one that is dead and not yet waited for has."""

    def ended(pid):
        try:
            return ") Z" in Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return True

    return all(map(ended, pids))


def test_kill_9_at_random_moments_loses_nothing(
    command, slow, tmp_path, count, contents, until, analyze, inline, rest
):
    """Before the first result, then between results; of the whole command, and of its first process alone."""
    tickets, options = slow
    store, calm = tmp_path / "killed.sqlite", tmp_path / "calm.sqlite"
    draw = random.Random()
    before = 0
    for workers, whole, state in ((1, False, "claimed"), (2, True, "done"), (1, False, "done")):
        started = command(tickets, "--store", store, "--workers", workers, *options)
        goal = before + draw.randint(1, 4) if state == "done" else 1
        until(lambda goal=goal, state=state: count(store, state) >= goal)
        pids = until(started.workers)
        started.signal(signal.SIGKILL, whole)
        started.process.communicate()
        until(lambda pids=pids: gone(pids))
        before = count(store)
        assert before < 12
    assert before > 0
    assert analyze(tickets, store=store, model=options[-1]).done == len(inline) == 12 - before
    assert rest(store) == (0, 3)  # runs that were killed
    assert analyze(tickets, store=calm, model=options[-1]).done == 12
    assert contents(store) == contents(calm)
    assert {state for _, _, _, state, *_ in contents(store)} == {"done"}


def test_a_worker_that_is_killed_costs_its_task_alone(command, slow, tmp_path, count, until, analyze, inline):
    tickets, options = slow
    store = tmp_path / "store.sqlite"
    started = command(tickets, "--store", store, "--workers", 2, *options)
    until(lambda: count(store) >= 2)
    time.sleep(0.05)
    os.kill(started.workers()[0], signal.SIGKILL)
    status, err = started.wait()
    assert status == 1
    assert err.count("its worker process died (killed, or out of memory)") == 1
    assert (count(store), count(store, "failed")) == (11, 1)
    assert analyze(tickets, store=store, model=options[-1]).done == len(inline) == 1
    assert (count(store), count(store, "failed")) == (12, 0)


@pytest.mark.parametrize("state", ["claimed", "done"])
def test_ctrl_c_leaves_no_claims_and_no_processes(command, slow, tmp_path, count, until, rest, state):
    """Also while workers are still starting, who must not tell of it either."""
    tickets, options = slow
    store = tmp_path / "store.sqlite"
    started = command(tickets, "--store", store, "--workers", 2, *options)
    until(lambda: count(store, state) >= 2)
    workers = started.workers()
    started.signal(signal.SIGINT, whole=True)
    status, err = started.wait(20)
    assert (status, err) == (130, "boundcalc: interrupted\n")
    assert workers
    until(lambda: gone(workers), 10)
    assert rest(store) == (0, 0)
    assert count(store) < 12
