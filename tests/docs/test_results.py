"""Experiments whose results are pages of the documentation, in a tiny setting."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

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
    kept = json.loads((ROOT / "experiments" / "sparse" / "results.json").read_text())
    now = sparse["figures"](tree)
    assert abs(now["complexity"]["peeling"] / kept["lenet300_density02"]["complexity"]["peeling"] - 1) < 0.03
    assert "| lenet300_density02 | 2.00% | 4.00% |" in sparse["page"]({"lenet300_density02": now})
