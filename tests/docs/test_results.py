"""Experiments whose results are pages of the documentation, in a tiny setting."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from ticket_runs import FULL

ROOT = Path(__file__).parents[2]


def test_attacks(tmp_path):
    attacks = runpy.run_path(str(ROOT / "experiments" / "attacks" / "run.py"))
    attacks["main"](["path_norm", "--trials", "2", "-o", str(tmp_path)])
    assert json.loads((tmp_path / "results.json").read_text())["trials"] == 2
    page = (tmp_path / "results.md").read_text()
    assert page.startswith("# What attacks on the bounds found") and "path\\_norm" in page


def test_sparse_against_dense(tree_of):
    sparse = runpy.run_path(str(ROOT / "experiments" / "sparse" / "run.py"))
    tree = tree_of("lenet300_density02", **FULL)
    kept = json.loads((ROOT / "experiments" / "sparse" / "results.json").read_text())["tickets"]
    now = sparse["figures"](tree)
    assert abs(now["complexity"]["peeling"] / kept["lenet300_density02"]["complexity"]["peeling"] - 1) < 0.03


PAGES = {
    "attacks": ("run.py", "page"),
    "coverage": ("run.py", "page"),
    "house": ("counts.py", "markdown"),
    "sample_complexity": ("markdown.py", "report"),
    "sparse": ("run.py", "page"),
}
"""Experiment -> the file and the function that make its page of its results."""


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_those_of_the_results(name, monkeypatch):
    folder = ROOT / "experiments" / name
    monkeypatch.syspath_prepend(str(folder))
    script, function = PAGES[name]
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    page = runpy.run_path(str(folder / script))[function](results)
    assert (folder / "results.md").read_text(encoding="utf-8") == page, (
        f"experiments/{name}: make results.md again"
    )


def test_every_page_of_results_is_tied_to_its_results():
    """`experiments/certificates` has a test of its own."""
    made = {path.parent.name for path in (ROOT / "experiments").glob("*/results.md")}
    assert made == {*PAGES, "certificates"}
