"""Reports of the demo tickets, run afresh, against reports that are kept; `make golden` rewrites these.

Numbers may differ by what other processors round differently; a search whose sums round differently may end elsewhere, so
certificates get more room. After a rewriting the tests are reported as skipped: read the difference before you keep it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ticket_runs import DATA_FREE, FULL

import boundcalc
from boundcalc.parts import registry

HERE = Path(__file__).parent
REWRITE = "BOUNDCALC_REWRITE_GOLDEN"
RUNS: dict[str, dict[str, Any]] = {
    "lenet300_density02": FULL,
    "conv_density10": DATA_FREE,
}
VIEWS = ("table", "markdown", "latex")
VOLATILE = ("seconds", "version")
"""Keys of a report that differ from run to run, or from version to version."""

OFF, OFF_SEARCHED = 1e-3, 0.05
FIGURE = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
RULE = re.compile(r"[-=─━]{2,}")


@pytest.fixture(scope="module", params=RUNS)
def run(request, tree_of) -> tuple[str, dict[str, Any]]:
    """The name of a ticket, and its report."""
    return request.param, tree_of(request.param, **RUNS[request.param])


def kept(tree: dict[str, Any]) -> Any:
    """What of a report does not depend on when, where and by which version it was made."""
    stable = {key: value for key, value in tree.items() if key not in VOLATILE}
    return json.loads(json.dumps(stable).replace(str(HERE.parents[1]) + "/", ""))


def differences(old: Any, new: Any, path: str = "", off: float = OFF) -> list[str]:
    """Where two trees differ by more than `off`, relatively."""
    if path.endswith((".occam", ".compression")):
        off = OFF_SEARCHED
    if isinstance(old, dict) and isinstance(new, dict):
        if old.keys() != new.keys():
            return [f"{path}: keys {sorted(old.keys() ^ new.keys())}"]
        return [line for key in old for line in differences(old[key], new[key], f"{path}.{key}", off)]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{path}: {len(old)} entries, now {len(new)}"]
        return [
            line
            for i, pair in enumerate(zip(old, new, strict=True))
            for line in differences(*pair, f"{path}[{i}]", off)
        ]
    if isinstance(old, float) and isinstance(new, int | float):
        close = abs(old - new) <= off * max(abs(old), abs(new)) + 1e-9
        return [] if close else [f"{path}: {old}, now {new}"]
    if isinstance(old, str) and isinstance(new, str):
        return [] if same_text(old, new, off) else [f"{path}: {old!r}, now {new!r}"]
    return [] if old == new else [f"{path}: {old!r}, now {new!r}"]


def same_text(old: str, new: str, off: float) -> bool:
    """Whether two texts are equal but for blanks, the length of rules, and figures, which may be off by a last digit more."""
    shapes = [FIGURE.sub("#", RULE.sub("-", text)).split() for text in (old, new)]
    if shapes[0] != shapes[1]:
        return False
    pairs = zip(FIGURE.findall(old), FIGURE.findall(new), strict=True)
    figures = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return all(abs(a - b) <= (off + 0.02) * max(abs(a), abs(b)) for a, b in figures)


def check(name: str, text: str, agrees) -> None:
    path = HERE / name
    if os.environ.get(REWRITE):
        path.write_text(text, encoding="utf-8", newline="\n")
        pytest.skip(f"{name} rewritten: read the difference")
    if not path.exists():
        pytest.fail(f"{name} is missing: make golden, and read it")
    agrees(path.read_text(encoding="utf-8"))


def test_report(run):
    name, tree = run[0], kept(run[1])

    def agrees(old: str) -> None:
        before = json.loads(old)
        new_parts = set(registry) - before.keys()  # a part that is added has tests of its own
        found = differences(before, {key: value for key, value in tree.items() if key not in new_parts})
        assert not found, "\n".join(
            [*found[:20], f"{len(found)} differences; make golden, if they are meant"]
        )

    check(f"{name}.json", json.dumps(tree, indent=1) + "\n", agrees)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", RUNS)
def test_view(name, view):
    """What a view makes of the report that is kept, so that its numbers do not move."""
    path = HERE / f"{name}.json"
    if not path.exists():
        pytest.fail(f"{path.name} is missing: make golden, and read it")
    tree = {**json.loads(path.read_text(encoding="utf-8")), "version": "0", "seconds": {}}
    text = boundcalc.Report.from_dict(tree).to(view)

    def agrees(old: str) -> None:
        assert text == old

    check(f"{name}.{view}.txt", text, agrees)


def test_differences_are_found():
    old = {
        "bounds": {"occam": {"value": 1.0}, "peeling": {"value": 1.0, "reason": "at 3 layers"}},
        "x": [1.0, None],
    }
    assert differences(old, json.loads(json.dumps(old))) == []
    new = {
        "bounds": {"occam": {"value": 1.04}, "peeling": {"value": 1.04, "reason": "at 4 layers"}},
        "x": [1.0, 2],
    }
    found = differences(old, new)
    assert [line.split(":")[0] for line in found] == [
        ".bounds.peeling.value",
        ".bounds.peeling.reason",
        ".x[1]",
    ]
    assert differences({"a": 1}, {"b": 1}) == [": keys ['a', 'b']"]
    assert differences([1], [1, 2]) == [": 1 entries, now 2"]


def test_a_missing_file_fails_and_rewriting_is_not_passing(monkeypatch, tmp_path):
    monkeypatch.delenv(REWRITE, raising=False)
    monkeypatch.setitem(check.__globals__, "HERE", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="x is missing"):
        check("x", "text", print)
    monkeypatch.setenv(REWRITE, "1")
    with pytest.raises(pytest.skip.Exception, match="rewritten"):
        check("x", "text", print)
    assert (tmp_path / "x").read_text() == "text"
