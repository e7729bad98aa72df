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
