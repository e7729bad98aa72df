"""The report in pandas and in a notebook."""

from __future__ import annotations

import math
import sys

import pytest

from boundcalc.errors import UsageError
from boundcalc.report import SCHEMA, Report
from boundcalc.report.views.csv import HEADER


def test_one_row_a_number_and_graphons_apart(lenet300):
    report = Report(lenet300)
    frame = report.to_pandas()
    assert tuple(frame.columns) == HEADER
    assert frame["value"].dtype == "float64"
    peeling = frame[(frame["name"] == "peeling") & (frame["quantity"] == "value")]
    assert peeling["value"].tolist() == [lenet300["bounds"]["peeling"]["value"]]
    assert not frame["quantity"].str.startswith("histogram").any()
    entries = report.to_pandas(graphons=True)
    for layer in lenet300["graphon"]["layers"]:
        found = entries[entries["layer"] == layer["name"]]
        assert (
            found.pivot(index="row", columns="column", values="density").to_numpy().tolist()
            == layer["histogram"]
        )


def test_nulls_are_nan_and_empty_reports_are_empty_frames(declared):
    frame = Report(declared).to_pandas()
    nulls = [name for name, bound in declared["bounds"].items() if bound["value"] is None]
    for name in nulls:
        (value,) = frame[(frame["name"] == name) & (frame["quantity"] == "value")]["value"]
        assert math.isnan(value)
    assert Report({"schema": SCHEMA}).to_pandas(graphons=True).empty


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"need pandas: pip install -e '.\[pandas\]'"):
        Report({"schema": SCHEMA}).to_pandas()


def test_a_notebook_shows_names_as_text():
    path = "<script>alert(1)</script>\x1b[31m"
    shown = Report({"schema": SCHEMA, "checkpoint": {"path": path}})._repr_html_()
    assert "<script" not in shown and "\x1b" not in shown and "&lt;script&gt;" in shown
