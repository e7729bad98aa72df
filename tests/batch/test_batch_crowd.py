"""Several batches in one store at once, with hostile files among the tickets, give the table of one alone."""

from __future__ import annotations

import re

import hostile
import pytest

from boundcalc.batch.store import opened
from boundcalc.batch.table import render

OPTIONS = ("--only", "samples", "--workers", 1)
KINDS = (hostile.pipe, hostile.no_utf8, hostile.index_of_devices, hostile.damaged_zip)


@pytest.fixture
def crowd(tmp_path, ticket):
    """Forty files, one in ten of them hostile."""
    home = tmp_path / "tickets"
    home.mkdir()
    for number in range(36):
        ticket(home / f"t{number}.pt", number)
    for make in KINDS:
        make(home)
    return home


def tables(store):
    with opened(store) as found:
        rows = [
            (row.path, row.sha256, row.options, row.state, row.error, row.density) for row in found.rows()
        ]
        return rows, [render(found, format) for format in ("table", "markdown")]


def test_four_batches_at_once_give_the_table_of_one(crowd, command, tmp_path, analyze, inline, rest):
    """And do each checkpoint once."""
    together, alone = tmp_path / "together.sqlite", tmp_path / "alone.sqlite"
    ends = [one.wait() for one in [command(crowd, "--store", together, *OPTIONS) for _ in range(4)]]
    assert [status for status, _ in ends] == [1] * 4, ends
    assert all(err.endswith("4 of 40 failed\n") for _, err in ends), ends
    assert sum(int(re.search(r"(\d+) analyzed", err)[1]) for _, err in ends) == 36
    assert rest(together) == (0, 0)
    done = analyze(crowd, store=alone)
    assert (done.paths, done.done, done.failed) == (40, 36, 4)
    assert tables(together) == tables(alone)
    for name in ("together.sqlite-wal", "together.sqlite-shm"):
        assert not (tmp_path / name).exists(), "all have left"
