"""The experiment on picked + wrong against density runs in a tiny setting."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "certificates" / "density.py"


def test_the_tiny_setting_runs(tmp_path):
    command = [sys.executable, "-W", "error", str(SCRIPT), "--tiny", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tickets = json.loads((tmp_path / "density.json").read_text())["tickets"]
    assert [(row["pruner"], row["density"]) for row in tickets] == [
        ("dense", 1.0), ("random", 0.3), ("synflow", 0.3), ("imp", 0.3),
    ]  # fmt: skip
    for row in tickets:
        assert row["k"] == row["picked"] + row["wrong"]
        assert row["k"] / 10_000 < row["bound"] <= 1
    assert tickets[0]["ratio"] == 1.0 and tickets[1]["ratio"] == pytest.approx(0.3, rel=0.01)
    assert "picked + wrong" in (tmp_path / "density.svg").read_text()
