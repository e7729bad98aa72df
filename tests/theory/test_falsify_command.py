"""`boundcalc falsify` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from boundcalc.bounds.catalogue import registry
from boundcalc.cli.main import main


def run(capsys, *words):
    status = main(["falsify", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_and_its_replay(capsys, tmp_path):
    place = str(tmp_path / "found.json")
    status, out, err = run(
        capsys, "galanti2023", "path_norm", "--trials", "2", "--format", "json", "-o", place
    )
    assert (status, out, err) == (0, "", "")
    with open(place) as file:
        assert json.load(file)["schema"] == "boundcalc.falsify/1"
    status, out, _ = run(capsys, "--replay", place)
    assert status == 0 and "no theorem is violated" in out and "stored counter-example" in out


def test_a_violated_theorem_is_exit_4(capsys, monkeypatch):
    bound = registry["galanti2023"]
    object.__setattr__(bound, "status", "theorem")
    try:
        status, out, err = run(capsys, "galanti2023", "--trials", "1")
    finally:
        object.__setattr__(bound, "status", "refuted")
    assert status == 4
    assert err == "boundcalc: galanti2023 is violated although its status is theorem\n"
    assert "violated although its status is theorem: galanti2023" in out


def test_a_refuted_bound_that_holds_is_exit_1_and_a_violated_theorem_still_4(capsys, monkeypatch):
    holds, galanti = registry["path_norm"], registry["galanti2023"]
    monkeypatch.setitem(registry._bounds, "path_norm", replace(holds, status="refuted"))
    status, out, err = run(capsys, "path_norm", "--trials", "1")
    assert status == 1 and "path_norm" in out
    assert err == "boundcalc: path_norm has status refuted, but no counter-example violates it\n"
    monkeypatch.setitem(registry._bounds, "galanti2023", replace(galanti, status="theorem"))
    status, out, err = run(capsys, "path_norm", "galanti2023", "--trials", "1")
    assert status == 4 and "violated although its status is theorem: galanti2023" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["GOUK"], "unknown bound 'GOUK'; did you mean gouk2021_1inf or gouk2021_fro?"),
        (["peelign"], "unknown bound 'peelign'; did you mean peeling?"),
        (["zzz"], "unknown bound 'zzz'; boundcalc bounds lists them"),
        (["--trials", "0"], "--trials 0: give at least 1"),
        (["--trails", "3"], "unknown option --trails; did you mean --trials?"),
        (["peeling", "--replay", "x.json"], "--replay takes its bounds from the file: name no BOUND"),
    ],
)
def test_wrong_usage_is_one_line(capsys, words, message):
    status, out, err = run(capsys, *words)
    assert (status, out, err) == (2, "", f"boundcalc: {message}\n")


def test_a_missing_replay_file_is_unreadable_input(capsys, tmp_path):
    status, _, err = run(capsys, "--replay", str(tmp_path / "none.json"))
    assert status == 3 and err.endswith("none.json: no such file or folder\n")


def test_help_needs_no_torch():
    code = "import sys; from boundcalc.cli.falsify import make_parser; make_parser().format_help(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
