"""Stores of the former version of the schema."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path

import pytest

from boundcalc.batch import table
from boundcalc.batch.frame import load_wide
from boundcalc.batch.store import opened
from boundcalc.batch.table import export
from boundcalc.cli.main import main
from boundcalc.report.views import FORMATS

FORMER = Path(__file__).parent / "store_of_report_1.sql.gz"


@pytest.fixture
def former(tmp_path):
    """A store that version 0.1.0 wrote: two tickets and a failure, reports of schema boundcalc.report/1."""
    path = tmp_path / "former.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(gzip.decompress(FORMER.read_bytes()).decode())
    connection.close()
    return path


def test_a_store_of_the_former_version_is_exported(former, capsys):
    for format in FORMATS:
        assert main(["batch", "--store", str(former), "--format", format]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for name in ("level_0.pt", "level_1.pt", "a text file, not a checkpoint"):
            assert name in " ".join(out.replace("\\", "").split())
    with opened(former) as found:
        assert found.report(2)["verdict"]["network"] is None
        reports = json.loads(table.render(found, "json"))["checkpoints"]
        assert [one["state"] for one in reports] == ["failed", "done", "done"]
    pytest.importorskip("pandas")
    assert list(load_wide(former)["checkpoint"]) == ["/runs/tickets/level_0.pt", "/runs/tickets/level_1.pt"]


def test_a_store_of_the_former_version_is_gone_on_with(former, analyze, folder, inline):
    assert analyze(folder, store=former).done == 3
    with opened(former) as found:
        assert len(found.rows()) == 6
        assert {format: export(found, format).damage for format in FORMATS} == dict.fromkeys(FORMATS, ())
