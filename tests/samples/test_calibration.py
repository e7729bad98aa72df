"""Calibration files: there and back, and every way they can be broken."""

import json
import re
from dataclasses import replace

import pytest

from boundcalc.errors import DataError
from boundcalc.samples.calibration import NUMBERS, Calibration


@pytest.fixture
def calibration():
    return Calibration(
        c=0.02, low=0.01, high=0.04, level=0.95, eps0=0.5, log_q=1.0, misfit=3.0, largest_k=16,
        largest_conditioning=1.5, setting={"K": [2, 16]}, fit={"r_squared": -1.5}, command="python run.py",
    )  # fmt: skip


@pytest.fixture
def path(calibration, tmp_path):
    calibration.save(tmp_path / "c.json")
    return tmp_path / "c.json"


def test_there_and_back(calibration, path):
    assert Calibration.load(path) == replace(calibration, path=str(path))
    assert "path" not in json.loads(path.read_text())


def test_the_shipped_file(tickets):
    found = Calibration.load(tickets.parent / "calibration.json")
    assert 0 < found.low < found.c < found.high
    assert found.command == "python -m experiments.sample_complexity.run"
    assert {"r_squared", "r_tilde_exponent_interval", "c_by_K"} <= set(found.fit)


def broken(path, change):
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    with pytest.raises(DataError) as caught:
        Calibration.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


@pytest.mark.parametrize("key", [*NUMBERS, "schema", "formula", "setting", "fit", "command"])
@pytest.mark.parametrize("value", ["missing", None, "1", True, [1]])
def test_a_wrong_key_is_named(path, key, value):
    def change(tree):
        tree[key] = value
        if value == "missing":
            del tree[key]

    if (key, value) == ("command", "1"):
        pytest.skip("any string may be a command")
    assert f" {key}: expected" in broken(path, change)


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [0, -1.0])
def test_numbers_are_positive(path, key, value):
    assert f"{key}: expected a positive number" in broken(path, lambda tree: tree.update({key: value}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.03}, "low: expected low <= c <= high"),
        ({"high": 0.015}, "low: expected low <= c <= high"),
        ({"level": 1}, "level: expected a number between 0 and 1"),
        ({"eps0": 1.5}, "eps0: expected a number between 0 and 1"),
        ({"misfit": 0.5}, "misfit: expected a factor of at least 1"),
        ({"formula": "N = c r"}, "formula: expected 'N = c eps0^-2"),
        ({"schema": "boundcalc.calibration/2"}, "schema: expected 'boundcalc.calibration/1'"),
    ],
)
def test_values_that_do_not_fit(path, change, message):
    assert message in broken(path, lambda tree: tree.update(change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "expected a JSON object"),
        (b'"c"', "expected a JSON object"),
        (b'{"c": NaN}', "not JSON: NaN is not a number of JSON"),
        (b'{"c": -Infinity}', "not JSON: -Infinity"),
        (b'{"c": 1e999}', "not JSON: 1e999 does not fit a double"),
        (b'{"c": 1' + b"0" * 400 + b"}", "does not fit a double"),
        (b"[" * 200_000, "nested too deeply"),
        (b"\xff\xfe{", "not a text file in UTF-8"),
    ],
    ids=str,
)
def test_files_that_are_no_calibration(tmp_path, text, message):
    path = tmp_path / "c.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=re.escape(f"{path}: ") + ".*" + re.escape(message)):
        Calibration.load(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"none.json: no such file"):
        Calibration.load(tmp_path / "none.json")
    with pytest.raises(DataError, match=r"is a folder, not a file"):
        Calibration.load(tmp_path)
