"""The page of measured certificates is that of its numbers, and its numbers are those of the certificates that ship."""

import importlib.util
import json
from pathlib import Path

import pytest

from boundcalc.certificates import file

ROOT = Path(__file__).parents[2]
HERE = ROOT / "experiments" / "certificates"


def test_the_page_is_that_of_its_numbers():
    spec = importlib.util.spec_from_file_location("certificates_page", HERE / "page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (HERE / "results.md").read_text(encoding="utf-8") == module.written()


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "data" / "certificates").iterdir()))
def test_what_ships_is_what_was_measured(name):
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    (run,) = [run for run in (*results["trained"], *results["coded"]) if run["name"] == name]
    certificate = file.read_certificate(ROOT / "data" / "certificates" / name / file.NAME)
    assert (run["value"], run["wrong"]) == (certificate.value, certificate.wrong)
    assert run.get("picked", 0) == len(certificate.picked)
    assert "bits" not in run or run["bits"] == sum(item.bits for item in certificate.ledger)
