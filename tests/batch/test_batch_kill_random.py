"""SIGKILL of the command, of its workers and of Dask workers at seeded moments: what is left goes on to the uninterrupted result.

A few in the suite; fifty with ``-m slow``.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import suppress

import pytest

VICTIMS = ("command", "session", "worker")


@pytest.fixture
def calm(slow, tmp_path, analyze, inline, contents):
    """What a store holds that nobody disturbed."""
    tickets, options = slow
    analyze(tickets, store=tmp_path / "calm.sqlite", model=options[-1])
    return contents(tmp_path / "calm.sqlite")


def sound(store):
    """No number twice, no report without its row, no row done without its report, and SQLite finds nothing wrong."""
    connection = sqlite3.connect(store)
    try:
        queries = (
            "SELECT count(*) FROM (SELECT 1 FROM quantities GROUP BY checkpoint, part, name, quantity HAVING count(*) > 1)",
            "SELECT count(*) FROM reports WHERE checkpoint NOT IN (SELECT id FROM checkpoints WHERE state = 'done')",
            "SELECT count(*) FROM checkpoints WHERE state = 'done' AND id NOT IN (SELECT checkpoint FROM reports)",
        )
        assert [connection.execute(query).fetchone() for query in queries] == [(0,)] * 3
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


def kill(started, victim, draw):
    """Kill one of the command's processes, or all."""
    if victim == "worker":
        with suppress(FileNotFoundError, ProcessLookupError, IndexError):
            os.kill(draw.choice(started.workers()), signal.SIGKILL)
        return
    with suppress(ProcessLookupError):
        started.signal(signal.SIGKILL, victim == "session")


def disturbed(command, tickets, options, store, victims, draw, longest, workers=2):
    """Run commands and kill something of each, until every kill is spent."""
    options = (*options, "--workers", workers)
    for victim in victims:
        started = command(tickets, "--store", store, *options)
        time.sleep(draw.uniform(0, longest))
        kill(started, victim, draw)
        started.wait()
        if store.exists() and store.stat().st_size:
            sound(store)
        if victim != victims[-1] and not draw.randrange(4):
            forget(store, draw)


def forget(store, draw):
    """Take some results away, so that there is always work to be disturbed at."""
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(store, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM checkpoints WHERE id % 3 = ?", (draw.randrange(3),))
        connection.close()


def test_a_few_kills(command, slow, tmp_path, calm, contents, analyze):
    tickets, options = slow
    store = tmp_path / "killed.sqlite"
    disturbed(command, tickets, options, store, VICTIMS, random.Random(1), 6, workers=1)
    assert analyze(tickets, store=store, model=options[-1]).failed == 0
    sound(store)
    assert contents(store) == calm


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_kills_at_random_times(command, slow, tmp_path, calm, contents, analyze, seed):
    """Eight kills a seed, forty in all; ten more are of Dask workers."""
    tickets, options = slow
    draw = random.Random(seed)
    store = tmp_path / "killed.sqlite"
    victims = [draw.choice(VICTIMS) for _ in range(8)]
    disturbed(command, tickets, options, store, victims, draw, 9)
    assert analyze(tickets, store=store, model=options[-1]).failed == 0
    sound(store)
    assert contents(store) == calm
