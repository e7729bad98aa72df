"""`boundcalc formats`: which checkpoints can be read."""

from __future__ import annotations

from boundcalc.cli import listing
from boundcalc.cli.words import Parser


def make_parser() -> Parser:
    """Return the parser of the command."""
    return listing.make_parser("formats", "Which checkpoints can be read.")


def run(words: list[str]) -> int:
    """Print every convention with its evidence and how weight and mask are obtained."""
    from boundcalc.checkpoint import formats

    return listing.show(
        make_parser(), words, ("format", "looks like", "weight and mask", "tried with"), formats
    )
