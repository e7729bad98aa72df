"""`--figure FILE`: the graphons of a checkpoint, drawn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.cli import output
from boundcalc.errors import UsageError
from boundcalc.extras import install
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.findings import Findings

KINDS = ("png", "pdf", "svg")


def check(place: str, options: Options) -> None:
    """Refuse a figure that cannot be drawn, before anything is computed for it.

    Args:
        place: the file; its ending says what kind.
        options: of the analysis.

    Raises:
        UsageError: an unknown ending, no graphons asked for, no matplotlib, or a place that cannot be written.
    """
    if _kind(place) not in KINDS:
        raise UsageError(
            f"--figure {place}: name a file that ends in {', '.join(f'.{kind}' for kind in KINDS)}"
        )
    if not options.wants("graphon"):
        raise UsageError("--figure draws the part graphon: name it in --only")
    if find_spec("matplotlib") is None:
        raise UsageError(f"--figure needs matplotlib: {install('plot')}")
    output.check(place)


def draw(findings: Findings, place: str) -> None:
    """Draw the graphons of an analysis into a file.

    Raises:
        UsageError: it cannot be written.
    """
    from boundcalc.graphon.plot import render

    output.write_bytes(render(findings.results["graphon"], findings.checkpoint.path, _kind(place)), place)


def _kind(place: str) -> str:
    return Path(place).suffix.lower().removeprefix(".")
