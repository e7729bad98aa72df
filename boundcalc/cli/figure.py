"""`--figure FILE`: the graphons of a checkpoint, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boundcalc.cli import output
from boundcalc.errors import UsageError
from boundcalc.options import Options

KINDS = ("png", "pdf", "svg")


def check(place: str, options: Options) -> None:
    """Refuse a figure that cannot be drawn, before anything is computed for it.

    Args:
        place: the file; its ending says what kind.
        options: of the analysis.

    Raises:
        UsageError: an unknown ending, no graphons asked for, or a place that cannot be written.
    """
    if _kind(place) not in KINDS:
        raise UsageError(
            f"--figure {place}: name a file that ends in {', '.join(f'.{kind}' for kind in KINDS)}"
        )
    if not options.wants("graphon"):
        raise UsageError("--figure draws the part graphon: name it in --only")
    output.check(place)


def draw(tree: dict[str, Any], place: str) -> None:
    """Draw the graphons of a report into a file.

    Raises:
        UsageError: it cannot be written, or the network has no masks to draw.
    """
    from boundcalc.figures.files import render
    from boundcalc.figures.graphons import PICTURE
    from boundcalc.figures.picture import tickets_of

    drawn = PICTURE.of(tickets_of([tree]))
    if drawn is None:
        raise UsageError(f"--figure {place}: nothing to draw: no layer has a graphon")
    output.write_bytes(render(drawn, _kind(place)), place)


def _kind(place: str) -> str:
    return Path(place).suffix.lower().removeprefix(".")
