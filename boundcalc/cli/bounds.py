"""`boundcalc bounds`: every bound with its kind, status, source and assumptions."""

from __future__ import annotations

from boundcalc.cli import listing
from boundcalc.cli.words import Parser


def make_parser() -> Parser:
    """Return the parser of the command."""
    return listing.make_parser("bounds", "List every bound with its status, source and assumptions.")


def run(words: list[str]) -> int:
    """Print the registry."""
    return listing.show(
        make_parser(), words, ("bound", "kind", "status", "source", "assumptions", "subject"), _rows
    )


def _rows() -> list[tuple[str, ...]]:
    from boundcalc.bounds import registry

    return [
        (bound.name, bound.kind, bound.status, bound.source, "; ".join(bound.assumptions), bound.subject)
        for bound in registry.values()
    ]
