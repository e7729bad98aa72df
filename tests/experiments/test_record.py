"""results.json: what is told of the versions that its cells were run by, and its numbers on pages."""

from __future__ import annotations

import json

from experiments.common.page import made, signed, span
from experiments.common.record import Record, all_versions


def test_versions_of_every_run_are_kept(tmp_path):
    """A run that adds no cell leaves them alone; one that does names its own beside the earlier ones, once."""
    first = Record(tmp_path, {}, {}, "command")
    first.add("a", {})
    file = tmp_path / "results.json"
    written = json.loads(file.read_text())
    written["versions"]["torch"] = "1.0"
    file.write_text(json.dumps(written))
    later = Record(tmp_path, {}, {}, "command")
    later.write()
    assert json.loads(file.read_text())["versions"]["torch"] == "1.0"
    later.add("b", {})
    later.add("c", {})
    told = json.loads(file.read_text())
    assert told["versions"] == {**first.versions, "torch": ["1.0", first.versions["torch"]]}
    assert f"torch 1.0 and {first.versions['torch']}. " in made({**told, "inputs": {"x": "0"}}, "any")


def test_versions_unknown_before():
    assert all_versions({"numpy": "1"}, {"numpy": "1", "new": "2"}) == {"numpy": "1", "new": "2"}
    assert all_versions({"numpy": ["1", "2"]}, {"numpy": "3"}) == {"numpy": ["1", "2", "3"]}


def test_no_rounding_hides_a_sign():
    assert span((0.5, 0.0014, 0.61)) == "0.50 [0.001, 0.61]"
    assert (signed(0.0), signed(-0.0049), signed(-0.005)) == ("0.00", "-0.005", "-0.01")
