"""The report's tree: checked where it is made, frozen afterwards."""

import ast
import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import boundcalc.report
from boundcalc.errors import UsageError
from boundcalc.report import FORMATS, SCHEMA, Report
from boundcalc.report.document import Column, Grid


def test_there_and_back(tree):
    report = Report.from_dict(tree)
    assert report.to_dict() == tree
    assert Report.from_dict(report.to_dict()) == report
    assert pickle.loads(pickle.dumps(report)) == report
    assert copy.deepcopy(report) == report


def test_later_changes_do_not_reach_the_report(tree):
    before = copy.deepcopy(tree)
    report = Report(tree)
    tree["bounds"].clear()
    report.to_dict()["bounds"].clear()
    assert report.to_dict() == before
    with pytest.raises(TypeError):
        report.tree["bounds"]["peeling"]["value"] = 0.0
    with pytest.raises(AttributeError):
        report.tree = {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused_by_path(lenet300, value):
    lenet300["bounds"]["bartlett2017"]["terms"]["spectral norms"][1] = value
    with pytest.raises(
        ValueError, match=r"^bounds\.bartlett2017\.terms\.spectral norms\[1\]: -?(nan|inf) is not"
    ):
        Report.from_dict(lenet300)


@pytest.mark.parametrize("value", [{1, 2}, b"x", 1j, Path("x")])
def test_what_is_not_plain_is_refused_by_path(value):
    with pytest.raises(ValueError, match=r"^gntk\.eigenvalues\[0\]: \w+ is not a plain value"):
        Report({"schema": SCHEMA, "gntk": {"eigenvalues": [value]}})


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "schema: expected 'boundcalc.report/2', found None"),
        ({"schema": "boundcalc.report/3"}, "found 'boundcalc.report/3'"),
        ([], "a report's tree is a dict, not list"),
        ({"schema": SCHEMA, "bounds": [1]}, "bounds: tuple is not a dict"),
        (
            {"schema": SCHEMA, "bounds": {"a": {"status": "proved"}}},
            r"bounds\.a\.status: 'proved' is none of",
        ),
        ({"schema": SCHEMA, "bounds": {"a": 3}}, r"bounds\.a\.status: None"),
        ({"schema": SCHEMA, "seconds": {3: 1.0}}, "seconds: key 3 is not a string"),
    ],
)
def test_a_wrong_tree_is_refused(tree, message):
    with pytest.raises(ValueError, match=message):
        Report.from_dict(tree)


def test_unknown_formats_are_refused(lenet300):
    with pytest.raises(
        UsageError, match=r"unknown format 'pdf': one of table, csv, html, json, latex, markdown"
    ):
        Report(lenet300).to("pdf")


def test_notebooks_and_consoles(lenet300):
    report = Report(lenet300)
    shown = report._repr_html_()
    assert shown.startswith("<div>") and "<script" not in shown
    assert f"{report}\n" == report.to("table")
    assert repr(report) == "<Report of 'runs/lenet_300_100/level_13.safetensors': 9 bounds>"


@pytest.mark.parametrize("format", FORMATS)
def test_every_view_takes_the_least_tree_and_ends_in_one_newline(format):
    text = Report({"schema": SCHEMA}).to(format)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    "part", ["checkpoint", "network", "data", "bounds", "samples", "empirical", "summary", "verdict"]
)
@pytest.mark.parametrize("format", FORMATS)
def test_every_part_may_be_null(lenet300, part, format):
    lenet300[part] = None
    assert Report(lenet300).to(format)


def test_a_grid_refuses_ragged_rows():
    with pytest.raises(ValueError, match=r"a row of 2 cells in a grid of 1 columns"):
        Grid((Column("a"),), (("1", "2"),))


def test_the_package_imports_no_more_than_it_needs():
    allowed = {"boundcalc", "jinja2", "markupsafe", "pandas", "tabulate", *sys.stdlib_module_names}
    for file in Path(boundcalc.report.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {name.split(".")[0] for name in names} <= allowed, file.name


def test_views_are_imported_when_used():
    code = "import sys, boundcalc.report; print([*sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    mine = {
        name for name in ast.literal_eval(out) if name.startswith("boundcalc.report.") or name == "tabulate"
    }
    assert mine == {f"boundcalc.report.{name}" for name in ("older", "subjects", "tree", "views")}


def test_json_is_the_tree(tree):
    text = Report(tree).to("json")
    assert json.loads(text) == tree
    assert list(json.loads(text))[:4] == ["schema", "version", "seed", "delta"]
    assert Report(dict(reversed(tree.items()))).to("json") == text
