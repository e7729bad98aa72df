"""The experiment and the benchmark run, in a tiny setting."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boundcalc.samples.calibration import Calibration

ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "experiments" / "sample_complexity"
SCRIPT = ("-m", "experiments.sample_complexity.run")


def run(*words):
    command = [sys.executable, "-W", "error", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    calibration = str(folder / "calibration.json")
    done = run(*SCRIPT, "--tiny", "--out", str(folder), "--calibration", calibration)
    assert done.returncode == 0, done.stderr
    return folder


def test_results(out):
    results = json.loads((out / "results.json").read_text())
    assert len(results["thresholds"]) == 4
    for cell in results["thresholds"]:
        assert cell["censored"] == 0
        assert cell["K"] * cell["r"] / 2 < cell["median_N"] < 10 * cell["K"] * cell["r"]
    assert "exponent of r~" in (out / "results.md").read_text()


def test_calibration(out):
    fit = json.loads((out / "results.json").read_text())["fit"]
    found = Calibration.load(out / "calibration.json")
    assert found.c == fit["c"] and [found.low, found.high] == fit["c_interval"]


def test_tiny_never_overwrites_the_shipped_calibration():
    done = run(*SCRIPT, "--tiny")
    assert done.returncode == 2 and "--tiny needs --calibration" in done.stderr


def test_shipped_calibration_is_that_of_the_shipped_results():
    results = json.loads((EXPERIMENT / "results.json").read_text())
    shipped = Calibration.load(ROOT / "data" / "calibration.json")
    assert shipped.c == results["fit"]["c"]
    assert dict(shipped.fit) == results["fit"] and dict(shipped.setting) == results["setting"]


def test_pruning_speeds_up_convergence_in_the_shipped_results():
    rates = json.loads((EXPERIMENT / "results.json").read_text())["rates"]
    for method in ("gradient descent", "heavy ball"):
        factors = [rate["contraction"] for rate in rates if rate["method"] == method]
        assert factors == sorted(factors) and factors[-1] < 1


def test_benchmark():
    done = run(ROOT / "experiments" / "benchmarks" / "samples.py", "--size", "64", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 7
