"""Experiments on what papers claim: each runs in a tiny setting and goes on where it stopped; its page is that of its results."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(
    path.parent.name
    for path in (ROOT / "experiments").glob("*/run.py")
    if "experiments.common.command" in path.read_text(encoding="utf-8")
)

PAGES = [
    page
    for page in sorted((ROOT / "experiments").glob("*/page.py"))
    if "experiments.common.page" in page.read_text(encoding="utf-8")
]
TWICE = """
import json, runpy, sys
from importlib import import_module
from pathlib import Path
main, out = import_module(f"experiments.{sys.argv[1]}.run").main, Path(sys.argv[2]) / sys.argv[1]
words = ["--data", "digits", "--tiny", "--out", str(out)]
main(words)
first = json.loads((out / "results.json").read_text())
kept = dict(list(first["cells"].items())[:-1])
(out / "results.json").write_text(json.dumps({**first, "cells": kept}))
main(words)
assert json.loads((out / "results.json").read_text()) == first
sys.argv = ["page", "--results", str(out / "results.json"), "--out", str(out / "docs")]
runpy.run_module(f"experiments.{out.name}.page", run_name="__main__")
main([*words[:2], "--out", str(out)])
"""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_tiny(name, tmp_path):
    command = [sys.executable, "-W", "error", "-c", TWICE, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1 and "made with other setting; give another --out" in done.stderr, done.stderr
    results = json.loads((tmp_path / name / "results.json").read_text())
    pages = sorted((tmp_path / name / "docs" / "results").glob("*.md"))
    pictures = {path.name for path in (tmp_path / name / "docs" / "_static").glob("*.svg")}
    assert pages and pictures == {f"{path.stem}.svg" for path in pages}
    assert all("nan" not in path.read_text().split() for path in pages)
    assert results["cells"] and results["summary"] and results["versions"]["boundcalc"]
    assert results["command"].startswith(f"python -m experiments.{name}.run --data ")


def test_every_results_file_says_how_it_is_made():
    """Its command stands in it, or on the page that is made from it."""
    pages = [path.read_text() for path in (ROOT / "docs" / "results").glob("*.md")]
    for file in sorted((ROOT / "experiments").glob("*/results.json")):
        own = [path.read_text() for path in file.parent.glob("results.*")]
        name = file.parent.name
        script = re.compile(rf"python (-m experiments\.{name}\.|experiments/{name}/)")
        trained = any("boundcalc train " in text for text in own)
        assert trained or any(script.search(text) for text in (*own, *pages)), file


def test_pages_are_those_of_the_results(tmp_path):
    """What a page says, results.json holds; figures are left out, whose bytes depend on matplotlib's version."""
    modules = [f"experiments.{page.parent.name}.page" for page in PAGES]
    code = (
        "import runpy, sys\nfor name in sys.argv[2:]:\n"
        " sys.argv[1:] = ['--out', OUT]\n runpy.run_module(name, run_name='__main__')"
    ).replace("OUT", repr(str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "-", *modules],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    written = {page.name for page in (tmp_path / "results").glob("*.md")}
    pages = (ROOT / "docs" / "results").glob("*.md")
    assert {page.name for page in pages if "writes this page and its pictures" in page.read_text()} <= written
    for page in (tmp_path / "results").glob("*.md"):
        assert page.read_text() == (ROOT / "docs" / "results" / page.name).read_text(), (
            f"run {page.stem}'s page.py"
        )


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent.name != "benchmarks"], ids=lambda page: page.parent.name
)
def test_no_measured_number_is_typed_into_a_page(page):
    """Texts hold no decimal fraction: what is measured has one, and comes from results.json; targets of benchmarks are left out."""
    tree = ast.parse(page.read_text(encoding="utf-8"))
    formats = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and node.format_spec
        for part in ast.walk(node.format_spec)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in formats
    ]
    assert not [text for text in texts if re.search(r"\d\.\d", text)]
