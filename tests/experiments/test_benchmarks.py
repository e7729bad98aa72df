"""Benchmarks are run by one command, which keeps their tables; the page is that of these (test_papers.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TWICE = """
import sys
from experiments.benchmarks import run
run.SCRIPTS = {"discovery": ("--files", "40"), "throughput": (), "train": (), "samples": ("--size", "64")}
run.main(["--only", "samples", "train", "--out", sys.argv[1]])
run.main(["--only", "discovery", "--out", sys.argv[1]])
"""


def test_run_keeps_the_tables_of_other_scripts(tmp_path):
    command = [sys.executable, "-W", "error", "-c", TWICE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "train: left out, needs --data mnist:DIR" in done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == ["discovery", "samples"]
    assert results["samples"]["command"] == "python experiments/benchmarks/samples.py --size 64"
    assert [len(found["rows"]) for found in results.values()] == [4, 5]
    (first, *others) = results["samples"]["rows"]
    assert (
        first["case"].startswith("64 x 64, density 0.01, r~ ") and first["target"] == "<= 5" and first["met"]
    )
    assert {row["target"] for row in others} == {"-"} and {row["met"] for row in others} == {None}
    assert str(ROOT) not in json.dumps(results)


def test_every_script_has_a_section_on_the_page():
    code = "from experiments.benchmarks import page, run; assert list(page.TITLES) == list(run.SCRIPTS)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
