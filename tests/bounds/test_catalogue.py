"""The registry, and a bound that a third party installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import pytest
import torch

from boundcalc.bounds import Bound, NormComplexity, register, registry

SOURCE = """
import math
from boundcalc.bounds import Bound, NormComplexity

def compute(problem):
    if problem.energies.m == 13:
        raise RuntimeError("out of luck")
    return NormComplexity(log_rho=math.log(2.0), log_unit=-math.log(problem.energies.m), terms={"answer": 42})

BOUND = Bound("doe2026", "F", "published", "Doe 2026, Theorem 3", ("iid sample",), compute)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A wheel made by hand and installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    wheel = folder / "boundcalc_doe-1.0-py3-none-any.whl"
    info = "boundcalc_doe-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("boundcalc_doe.py", SOURCE)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: boundcalc-doe\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[boundcalc.bounds]\ndoe2026 = boundcalc_doe:BOUND\n")
        archive.writestr(f"{info}/RECORD", "")
    site = folder / "site"
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def boundcalc(plugin, *words):
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", *words, "--format", "json"],
        env=plugin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_installed_package_adds_a_bound(plugin, tmp_path):
    assert "doe2026" in {row["bound"] for row in boundcalc(plugin, "bounds")}
    torch.save({"fc.weight": torch.ones(2, 3)}, tmp_path / "net.pt")
    entry = boundcalc(plugin, str(tmp_path / "net.pt"), "--samples", "100", "--input-bound", "1")["bounds"][
        "doe2026"
    ]
    assert entry["status"] == "published"
    assert entry["complexity"] == pytest.approx(0.02)
    assert entry["terms"]["answer"] == 42


def test_a_failing_third_party_bound_does_not_take_the_report_down(plugin, tmp_path):
    torch.save({"fc.weight": torch.ones(2, 3)}, tmp_path / "net.pt")
    bounds = boundcalc(plugin, str(tmp_path / "net.pt"), "--samples", "13", "--input-bound", "1")["bounds"]
    assert bounds["doe2026"]["status"] == "not_covered"
    assert "out of luck" in bounds["doe2026"]["reason"]
    assert bounds["peeling"]["status"] == "theorem"


def compute(problem):
    return NormComplexity(0.0, 0.0)


def test_the_subject_of_a_bound_that_declares_none():
    mine = {
        kind: Bound("mine", kind, "published", "nowhere", (), compute)
        for kind in ("F", "loss", "certificate")
    }
    assert {kind: bound.subject for kind, bound in mine.items()} == {
        "F": "network", "loss": "network", "certificate": "compression",
    }  # fmt: skip
    picked = Bound("pick", "certificate", "theorem", "nowhere", (), compute, subject="network", prior="none")
    assert (picked.subject, picked.prior) == ("network", "none")


def test_names_are_unique_and_words_are_checked():
    assert "peeling" in registry  # loaded by now, whichever test ran first
    with pytest.raises(ValueError, match="a bound named peeling is registered already"):
        register(Bound("peeling", "F", "theorem", "elsewhere", (), compute))
    with pytest.raises(ValueError, match="status 'proved' is none of"):
        Bound("mine", "F", "proved", "nowhere", (), compute)
    with pytest.raises(ValueError, match="kind 'risk' is none of"):
        Bound("mine", "risk", "theorem", "nowhere", (), compute)
    with pytest.raises(
        ValueError, match="subject 'mine' is none of network, compression, retrained, interpolant"
    ):
        Bound("mine", "certificate", "theorem", "nowhere", (), compute, subject="mine")
    with pytest.raises(ValueError, match="prior 'good' is none of none, data-free, data-dependent"):
        Bound("mine", "certificate", "theorem", "nowhere", (), compute, prior="good")
    for wrong in ({"subject": "compression"}, {"prior": "none"}):
        with pytest.raises(ValueError, match="kind F speaks of the network at its own margins"):
            Bound("mine", "F", "theorem", "nowhere", (), compute, **wrong)
    assert register(registry["peeling"]) is registry["peeling"]
