"""The script that counts, the picture, and the files that speak of a release."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

from boundcalc import __version__

ROOT = Path(__file__).parents[2]
COUNTS = runpy.run_path(str(ROOT / "experiments" / "house" / "counts.py"))


def test_counts(tmp_path):
    COUNTS["main"](["--starts", "1", "-o", str(tmp_path)])
    counts = json.loads((tmp_path / "results.json").read_text())
    assert counts["lines of the package"] > 10_000
    assert counts["bytes of README.md"] <= 6000
    assert counts["files that cite outside the repository"] == []
    page = (tmp_path / "results.md").read_text()
    assert page.startswith("# The house in numbers")
    named = re.findall(r"`((?:docs|boundcalc)/[\w/]+\.\w+)`", page.split("## Two files for each theorem")[1])
    assert len(named) == 10 and all((ROOT / name).is_file() for name in named)


def test_a_long_function_is_counted_without_its_docstring(tmp_path, monkeypatch):
    body = "\n".join(f"    x{i} = {i}" for i in range(59))
    path = tmp_path / "long.py"
    monkeypatch.setitem(COUNTS["long_functions"].__globals__, "ROOT", tmp_path)
    path.write_text(f'def f():\n    """One.\n\n    Two."""\n{body}\n')
    assert COUNTS["long_functions"](path) == []
    path.write_text(f'def f():\n    """One."""\n{body}\n    y = 1\n')
    assert COUNTS["long_functions"](path) == [("long.py:f", 61)]


def test_picture_of_the_readme():
    """It names every quantity of the experiment that has a tau."""
    picture = "docs/_static/what-tracks-the-gap.svg"
    assert f"]({picture})" in (ROOT / "README.md").read_text(encoding="utf-8")
    results = json.loads((ROOT / "experiments" / "tickets" / "results.json").read_text(encoding="utf-8"))
    names = {row["quantity"] for row in results["summary"]["gap"] if row["within"] and row["quantity"] != "density"}  # fmt: skip
    drawn = set(re.findall(r">([\w]+)</text>", (ROOT / picture).read_text(encoding="utf-8")))
    assert {"peeling", "occam", "distance"} <= names <= drawn, "make picture"


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == __version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE)


def test_links_of_pages_at_the_top_lead_somewhere():
    for page in (*ROOT.glob("*.md"), ROOT / "docs" / "README.md", ROOT / "data" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
