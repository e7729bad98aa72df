"""Reports of the schema before this one are read, and what they cannot tell is said."""

from __future__ import annotations

import csv
import io
import json
import zlib

import pytest

from boundcalc.batch.figures import figures
from boundcalc.batch.store import connect, opened
from boundcalc.batch.table import render
from boundcalc.batch.worker import quantities
from boundcalc.report import FORMATS, SCHEMA, Report

OCCAM = {
    "status": "theorem", "kind": "certificate", "complexity": None, "log10_complexity": None, "value": 0.25,
    "log10_value": -0.6020599913279624, "vacuous": False, "margin": None, "terms": {"bits": 2000.0, "train_error": 0.1},
    "source": "Chernoff", "assumptions": [], "reason": None,
}  # fmt: skip


@pytest.fixture
def older(older_tree):
    """A report as version 0.1 wrote it, with a certificate smaller than every bound of the network."""
    older_tree["bounds"]["occam"] = dict(OCCAM)
    older_tree["topology"] = older_tree["graphon"] = None
    older_tree["options"]["normalize"] = [0.1307, 0.3081]
    older_tree["summary"] = [
        "Proved: error <= 0.250 by occam, with probability 0.95.",
        *older_tree["summary"],
    ]
    return older_tree


def test_subjects_are_filled_in_and_the_verdict_is_empty_with_its_reason(older):
    report = Report.from_dict(older)
    tree = report.to_dict()
    assert (tree["schema"], tree["upgraded_from"]) == (SCHEMA, "boundcalc.report/1")
    assert {name: bound["subject"] for name, bound in tree["bounds"].items()} == {
        **dict.fromkeys(tree["bounds"], "network"), "occam": "compression",
    }  # fmt: skip
    assert report.verdict["network"] is None
    assert (
        "whose reports contain no verdict: analyze the checkpoint again"
        in report.verdict["reasons"]["network"]
    )
    assert any("did not pay for it" in line for line in tree["bounds"]["peeling"]["assumptions"])
    assert older["schema"] == "boundcalc.report/1", "the tree that was given is not changed"
    assert Report.from_dict(tree) == report


@pytest.mark.parametrize("format", FORMATS)
def test_no_view_repeats_its_minimum_over_two_networks(older, format):
    text = Report(older).to(format)
    assert "Proved: error" not in text
    if format not in {"csv", "json"}:
        assert (
            "Nothing is stated about your network or its compression" in " ".join(text.split())
            or format == "latex"
        )


def test_margins_that_are_not_known_are_told_by_the_terms(older):
    older["bounds"]["peeling"]["terms"]["margin_error"] = None
    tree = Report(older).to_dict()
    assert tree["bounds"]["peeling"]["bounds"] == "error - margin error"
    assert tree["bounds"]["path_norm"]["bounds"] == "error"


def test_a_tree_of_any_shape_is_upgraded_without_a_traceback():
    for part, value in (("options", [1]), ("summary", 3), ("bounds", {}), ("options", {"normalize": 3})):
        assert Report({"schema": "boundcalc.report/1", part: value}).verdict["network"] is None
    with pytest.raises(ValueError, match=r"bounds\.a\.status"):
        Report({"schema": "boundcalc.report/1", "bounds": {"a": 3}})


def test_a_store_of_older_reports_has_every_view_and_its_columns_apart(older, tmp_path):
    place = tmp_path / "s.sqlite"
    connection = connect(place)
    connection.execute(
        "INSERT INTO checkpoints VALUES (1, '/a.pt', 'x', 'o', 's', '0.1.0', 'done', NULL, 'f', 10, 5, 0.5, 1.0, NULL, 0, 1.0)"
    )
    connection.execute("INSERT INTO settings VALUES ('s', '{}')")
    rows = [(1, *quantity) for quantity in quantities(older)]
    connection.executemany("INSERT INTO quantities VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("INSERT INTO reports VALUES (1, ?)", (zlib.compress(json.dumps(older).encode()),))
    connection.close()
    with opened(place) as store:
        line = figures(store)[1]
        assert (line.network.name, line.network.value) == ("peeling", older["bounds"]["peeling"]["value"])
        assert (line.compression.name, line.compression.value) == ("occam", 0.25)
        for format in ("html", "json"):
            assert "occam" in render(store, format)
        for format in ("table", "markdown", "latex"):
            assert "0.250" in render(store, format)
        found = list(csv.DictReader(io.StringIO(render(store, "csv"))))
        subjects = {row["name"]: row["subject"] for row in found if row["part"] == "bounds"}
        assert subjects["occam"] == "compression"
        assert subjects["peeling"] == "network"


def test_where_every_report_is_damaged_a_bound_stands_in_no_column(older, tmp_path):
    place = tmp_path / "s.sqlite"
    connection = connect(place)
    connection.execute(
        "INSERT INTO checkpoints VALUES (1, '/a.pt', 'x', 'o', 's', '0.1.0', 'done', NULL, 'f', 10, 5, 0.5, 1.0, NULL, 0, 1.0)"
    )
    connection.executemany(
        "INSERT INTO quantities VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(1, *q) for q in quantities(older)]
    )
    connection.execute("INSERT INTO reports VALUES (1, ?)", (b"spoilt",))
    connection.close()
    with opened(place) as store:
        line = figures(store)[1]
    assert line.network.name is line.compression.name is None
