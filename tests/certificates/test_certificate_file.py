"""Certificates on disk: they come back whole, and a changed one is noticed, by its checksum or by what is computed afresh."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boundcalc.certificates import file
from boundcalc.certificates.file import Certificate, Item
from boundcalc.errors import CheckpointError

PLAN = {"picking": {"tried": 3}}


def certificate(**changes: object) -> Certificate:
    made = Certificate(
        "pick", "network", "none", "sample", "ab" * 32, 50, (0.1307, 0.3081), 0.05, 0.25, ((3, 1), (7,)), 2,
        (Item("digits", 33.3),), "cd" * 32, {"plan": {**PLAN, "normalize_fixed": False}, "seed": 0},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(st.lists(st.integers(0, 10**9), max_size=5).map(tuple), max_size=4).map(tuple),
    wrong=st.integers(0, 10**9),
    value=finite,
    normalize=st.none() | st.tuples(finite, finite),
    ledger=st.lists(st.builds(Item, st.text(max_size=20), finite), max_size=4).map(tuple),
    data=st.text(max_size=30),
    coded=st.dictionaries(
        st.text(max_size=8), st.lists(st.integers(), max_size=3) | st.text(max_size=9), max_size=3
    ),
)
def test_it_comes_back_whole(tmp_path: Path, **parts: object) -> None:
    made = certificate(**parts)
    place = tmp_path / "certificate.json"
    place.write_text(made.text(), encoding="utf-8")
    assert file.read_certificate(place) == made


ENTRIES = [
    "delta",
    "value",
    "wrong",
    "rounds",
    "ledger",
    "normalize",
    "data",
    "network",
    "made_by",
    "checksum",
    "schema",
]


@pytest.mark.parametrize("key", ENTRIES)
def test_no_entry_changes_unnoticed(tmp_path: Path, key: str) -> None:
    tree = json.loads(certificate().text())
    other = {"delta": 0.5, "value": 0.1, "wrong": 0, "rounds": [[3]], "ledger": [], "normalize": None}
    tree[key] = other.get(key, "else")
    place = tmp_path / "certificate.json"
    place.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"certificate\.json"):
        file.read_certificate(place)


NONE = [
    "",
    "{",
    "[]",
    "null",
    '{"schema": 3}',
    "[" * 100_000,
    '{"schema": "boundcalc.certificate/1"}',
    "\x00",
    "1e999",
]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_certificate_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    place = tmp_path / "certificate.json"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="not a certificate") as caught:
        file.read_certificate(place)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        file.read_certificate(tmp_path / "none.json")
