"""`boundcalc formats`: the checkpoint conventions that can be read."""

from __future__ import annotations

from boundcalc.cli import listing
from boundcalc.cli.words import Parser


def make_parser() -> Parser:
    """Return the parser of the command."""
    return listing.make_parser("formats", "List the checkpoint formats that can be read.")


def run(words: list[str]) -> int:
    """Print every convention, how it is recognized, and how weight and mask are obtained from it."""
    from boundcalc.checkpoint import formats

    return listing.show(
        make_parser(), words, ("format", "looks like", "weight and mask", "tried with"), formats
    )
