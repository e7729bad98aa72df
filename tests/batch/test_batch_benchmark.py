"""The benchmark runs in a tiny setting."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from boundcalc.batch.store import opened
from boundcalc.options import Options

PATH = Path(__file__).parents[2] / "experiments" / "benchmarks" / "batch.py"


@pytest.fixture
def benchmark(monkeypatch, inline):
    monkeypatch.syspath_prepend(str(PATH.parent))
    spec = importlib.util.spec_from_file_location("batch_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_throughput_analyses_every_ticket_once_for_each_number_of_workers(benchmark, inline, monkeypatch):
    monkeypatch.setattr(benchmark, "OPTIONS", Options(only=("samples",)))
    rows = list(benchmark.throughput(2))
    assert len(inline) == 4
    assert [unit for *_, unit, _ in rows] == ["tickets/s", "tickets/s", "times", "s"]
    assert all(value > 0 for _, value, *_ in rows)


def test_made_up_stores_have_the_rows_they_claim(benchmark, tmp_path):
    benchmark.make_store(tmp_path / "s.sqlite", 3, 20)
    with opened(tmp_path / "s.sqlite") as store:
        assert (len(store.rows()), len(list(store.quantities()))) == (3, 60)
        assert [row.path[-12:] for row in store.rows()] == [f"level_{i}/main" for i in range(3)]
    assert [met for *_, met in benchmark.exports(500)] == [True] * 4
