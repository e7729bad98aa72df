"""A store as text, and as a table in memory."""

from __future__ import annotations

import csv
import io
import json
import math
import sys

import numpy as np
import pyarrow.parquet
import pytest

import boundcalc
from boundcalc.batch import load, load_wide, long_table, opened, records
from boundcalc.batch.figures import best_tested, figures
from boundcalc.batch.frame import LONG_COLUMNS
from boundcalc.batch.table import CSV_HEADER, render
from boundcalc.certificates.test_set import error_bound
from boundcalc.errors import UsageError
from boundcalc.report.views import FORMATS

BOUNDS = {"only": ("bounds", "samples"), "samples": 1000, "input_bound": 1.0}


@pytest.fixture
def filled(analyze, folder, tmp_path, inline):
    """A store of three checkpoints and a failure."""
    (folder / "broken.pt").write_text("no checkpoint")
    analyze(folder, **BOUNDS)
    return tmp_path / "store.sqlite"


def test_csv_has_every_number_and_every_failure(filled, folder):
    with opened(filled) as store:
        lines = list(csv.reader(io.StringIO(render(store, "csv"))))
    assert tuple(lines[0]) == CSV_HEADER
    assert {len(line) for line in lines} == {len(CSV_HEADER)}
    fresh = boundcalc.analyze(folder / "t2.pt", **BOUNDS).to("csv")
    expected = [line for line in csv.reader(io.StringIO(fresh)) if line[1] != "seconds"]
    found = [[*line[:8], line[-1]] for line in lines if line[0].endswith("t2.pt") and line[1] != "seconds"]
    assert found == expected[1:]
    assert [line[:8] for line in lines if line[1] == "failed"] == [
        [
            str(folder / "broken.pt"),
            "failed",
            "",
            "",
            "",
            "",
            "",
            f"{folder / 'broken.pt'}: a text file, not a checkpoint",
        ]
    ]


def test_json_has_whole_reports(filled, folder):
    with opened(filled) as store:
        tree = json.loads(render(store, "json"))
    assert tree["schema"] == "boundcalc.batch/1"
    by_path = {one["path"]: one for one in tree["checkpoints"]}
    broken, fine = by_path[str(folder / "broken.pt")], by_path[str(folder / "t1.pt")]
    assert (broken["state"], broken["report"]) == ("failed", None)
    assert fine["paths"] == [str(folder / "t1.pt")]
    assert fine["report"]["checkpoint"]["sha256"] == fine["sha256"]
    assert (
        fine["report"]["bounds"]
        == json.loads(boundcalc.analyze(folder / "t1.pt", **BOUNDS).to("json"))["bounds"]
    )
    assert tree["settings"][fine["settings"]]["samples"] == 1000


def test_pages_have_a_line_a_checkpoint_in_order_and_the_failures(filled, folder):
    with opened(filled) as store:
        for format in ("table", "markdown", "latex", "html"):
            text = render(store, format)
            places = [text.index(f"t{number}.pt") for number in range(3)]
            assert places == sorted(places)
            assert "a text file, not a checkpoint" in " ".join(text.split())
        with pytest.raises(UsageError, match="unknown format 'xml': one of table, csv"):
            render(store, "xml")


def test_the_line_of_a_checkpoint_has_the_smallest_theorem_about_it(filled, folder):
    with opened(filled) as store:
        found = figures(store)
        for row in store.rows():
            if row.state == "failed":
                assert row.id not in found
                continue
            tree = store.report(row.id)
            theorems = {
                name: bound for name, bound in tree["bounds"].items()
                if bound["status"] == "theorem" and bound["log10_value"] is not None and bound["subject"] == "network"
            }  # fmt: skip
            best = min(theorems, key=lambda name: theorems[name]["log10_value"])
            line = found[row.id]
            assert (line.network.name, line.network.value) == (best, theorems[best]["value"])
            assert line.network.log10 == theorems[best]["log10_value"]
            assert line.compression.name is None
            assert not line.measured
            assert line.ratio == tree["samples"]["ratio"]
            assert figures(store, [row.id]) == {row.id: line}
        text = " ".join(render(store, "table").split())
    assert "error - margin error" in text and "the error itself is not bounded" in text


def test_settings_are_told_apart_where_there_are_several(filled, analyze, folder):
    with opened(filled) as store:
        assert not any(row.settings[:8] in render(store, "table") for row in store.rows())
    analyze(folder / "t0.pt", **{**BOUNDS, "samples": 2000})
    with opened(filled) as store:
        text = render(store, "table")
        hashes = {row.settings for row in store.rows()}
    assert len(hashes) == 2
    for one in hashes:
        assert text.count(one[:8]) >= 2
    assert "samples 1000" in text
    assert "samples 2000" in text
    assert "delta" not in text.partition("checkpoint ")[0], "what is the same is not listed"


def test_an_empty_store_has_every_view(analyze, folder, tmp_path, inline):
    (folder / "broken.pt").write_text("no checkpoint")
    analyze(folder / "broken.pt")
    with opened(tmp_path / "store.sqlite") as store:
        for format in FORMATS:
            assert "a text file, not a checkpoint" in " ".join(render(store, format).split())
            assert render(store, format, []).endswith("\n")


def test_very_many_rows_are_all_there(filled, monkeypatch):
    with opened(filled) as store:
        usual = render(store, "table")
        monkeypatch.setattr(long_table, "MOST_ROWS", 2)
        text = render(store, "table")
    assert text != usual
    for word in {word for word in usual.split() if not set(word) <= {"-", "="}} - {"folder"}:
        assert word in text


def test_load_is_the_long_table(filled, folder):
    pandas = pytest.importorskip("pandas")
    frame = load(filled)
    rows = list(records(filled))
    assert tuple(frame.columns) == LONG_COLUMNS == tuple(rows[0])
    assert len(frame) == len(rows)
    assert frame["value"].dtype == frame["density"].dtype == "float64"
    for row, (_, line) in zip(rows, frame.iterrows(), strict=True):
        assert row["value"] == line["value"] or (row["value"] is None and math.isnan(line["value"]))
    peeling = frame.query("part == 'bounds' and name == 'peeling' and quantity == 'value'")
    expected = boundcalc.analyze(folder / "t0.pt", **BOUNDS).to_dict()["bounds"]["peeling"]
    assert peeling.set_index("checkpoint").loc[str(folder / "t0.pt"), "value"] == expected["value"]
    assert set(peeling["status"]) == {"theorem"}
    assert isinstance(frame, pandas.DataFrame)


def test_load_wide_has_a_row_a_checkpoint(filled, folder):
    pytest.importorskip("pandas")
    frame = load_wide(filled)
    assert list(frame["checkpoint"]) == [str(folder / f"t{number}.pt") for number in range(3)]
    long = load(filled)
    for name, part, bound, quantity in (
        ("bounds.peeling.value", "bounds", "peeling", "value"),
        ("samples.ratio", "samples", "", "ratio"),
        ("samples.0.K", "samples", "0", "K"),
    ):
        chosen = long[(long["part"] == part) & (long["name"] == bound) & (long["quantity"] == quantity)]
        assert list(frame[name]) == list(chosen["value"]), name
    assert frame["checkpoint.surviving"].dtype == "float64"


def test_parquet_is_the_long_table(filled, tmp_path, capsys):
    from boundcalc.cli.main import main

    place = tmp_path / "store.parquet"
    assert main(["batch", "--store", str(filled), "--format", "parquet", "-o", str(place)]) == 0
    read = pyarrow.parquet.read_table(place).to_pylist()
    expected = [
        {**row, "value": None if row["value"] is None else float(row["value"])} for row in records(filled)
    ]
    assert len(read) == len(expected) > 100
    for found, row in zip(read, expected, strict=True):
        assert {key: found[key] for key in ("checkpoint", "part", "name", "quantity", "value")} == {
            key: row[key] for key in ("checkpoint", "part", "name", "quantity", "value")
        }
    capsys.readouterr()
    assert main(["batch", "--store", str(filled), "--format", "parquet"]) == 2
    assert "give -o FILE.parquet" in capsys.readouterr().err


def test_without_pandas_records_do_and_load_says_so(filled, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert len(list(records(filled))) > 100
    for function in (load, load_wide):
        with pytest.raises(UsageError, match=r"need pandas: pip install -e '.\[pandas\]'"):
            function(filled)


def test_long_arrays_are_in_the_report_alone(analyze, folder, tmp_path, inline):
    analyze(folder / "t0.pt", only=("graphon",))
    with opened(tmp_path / "store.sqlite") as store:
        (row,) = store.rows()
        names = {quantity.quantity.partition("[")[0] for _, quantity in store.quantities()}
        assert "histogram" not in names
        assert len(store.report(row.id)["graphon"]["layers"][0]["histogram"]) > 1
        assert "l2_from_constant" in names


def test_choosing_the_best_by_the_test_set_is_paid(analyze, folder, tmp_path, inline):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((40, 12)), "y_train": rng.integers(0, 3, 40)}
    np.savez(tmp_path / "d.npz", **arrays, x_test=rng.random((50, 12)), y_test=rng.integers(0, 3, 50))
    analyze(folder, only=("bounds",), passes=0, data=f"npz:{tmp_path / 'd.npz'}")
    with opened(tmp_path / "store.sqlite") as store:
        rows = [row for row in store.rows() if row.state == "done"]
        found = best_tested(store, [row.id for row in rows])
        tests = {row.id: store.report(row.id)["verdict"]["test_set"] for row in rows}
        text = " ".join(render(store, "table").split())
        assert best_tested(store, [rows[0].id]) is None
    errors = min(one["errors"] for one in tests.values())
    assert tests[found.id]["errors"] == errors
    assert found.tickets == len(rows) == 3
    assert found.alone == error_bound(errors, 50, 0.05) < found.chosen == error_bound(errors, 50, 0.05 / 3)
    assert "If the best of these 3 is chosen by its test error, each gets delta / 3" in text
