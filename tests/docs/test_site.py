"""The site's parts fit together: pages that are named exist, and every bound has a page of theory."""

from __future__ import annotations

import runpy
from pathlib import Path

from boundcalc.bounds import registry
from boundcalc.cli.commands import NAMES

ROOT = Path(__file__).parents[2]
MAKE = runpy.run_path(str(ROOT / "docs" / "make_pages.py"))


def test_pages_of_reference_have_every_command_and_bound(tmp_path):
    for folder in ("reference", "theory"):
        (tmp_path / folder).mkdir()
    (tmp_path / "theory" / "peeling.md").touch()
    written = {page.name: page.read_text(encoding="utf-8") for page in MAKE["write"](tmp_path)}
    for command in NAMES:
        assert f"## boundcalc {command}" in written["commands.md"]
        assert f"usage: boundcalc {command}" in written["commands.md"]
    for bound in registry.values():
        assert f"## {bound.name}" in written["bounds.md"]
        assert all(assumption in written["bounds.md"] for assumption in bound.assumptions)
    assert "[peeling](../theory/peeling.md)" in written["bounds.md"]
    assert "## prune-live" in written["formats.md"]


def test_figures_of_the_other_parts_are_those_of_the_demo_ticket():
    golden = (ROOT / "tests" / "golden" / "lenet300_density02.table.txt").read_text(encoding="utf-8")
    known = {" ".join(line.split()) for line in golden.splitlines()}
    page = (ROOT / "docs" / "howto" / "reading-the-other-parts.md").read_text(encoding="utf-8")
    shown = [line for block in page.split("```text\n")[1:] for line in block.split("```")[0].splitlines()]
    assert len(shown) > 20
    for line in shown:
        assert " ".join(line.split()) in known, f"copy it from tests/golden: {line}"
