"""Experiments on what papers claim: each runs in a tiny setting and goes on where it stopped; its page is that of its results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(
    path.parent.name
    for path in (ROOT / "experiments").glob("*/run.py")
    if "experiments.common.record" in path.read_text(encoding="utf-8")
)


TWICE = """
import json, sys
from importlib import import_module
from pathlib import Path
main, out = import_module(f"experiments.{sys.argv[1]}.run").main, Path(sys.argv[2])
words = ["--data", "digits", "--tiny", "--out", str(out)]
main(words)
first = json.loads((out / "results.json").read_text())
kept = dict(list(first["cells"].items())[:-1])
(out / "results.json").write_text(json.dumps({**first, "cells": kept}))
main(words)
assert json.loads((out / "results.json").read_text()) == first
main([*words[:2], "--out", str(out)])
"""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_tiny(name, tmp_path):
    command = [sys.executable, "-W", "error", "-c", TWICE, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1 and "made with other setting; give another --out" in done.stderr, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["cells"] and results["summary"] and results["versions"]["boundcalc"]
