"""`boundcalc formats`: which checkpoints can be read."""

from __future__ import annotations

from boundcalc.cli.listing import show


def run(words: list[str]) -> int:
    """Print every convention with its evidence and how weight and mask are obtained."""
    from boundcalc.checkpoint import formats

    return show(
        "formats",
        "Which checkpoints can be read.",
        words,
        ("format", "looks like", "weight and mask", "tried with"),
        formats,
    )
