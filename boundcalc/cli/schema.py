"""`boundcalc schema`: the JSON Schema of a report."""

from __future__ import annotations

from boundcalc.cli.output import write
from boundcalc.cli.words import Parser


def make_parser() -> Parser:
    """Return the parser of the command."""
    return Parser(
        prog="boundcalc schema",
        description="Print the JSON Schema (draft 2020-12) of what --format json writes.",
        epilog="examples:\n  boundcalc schema > report.schema.json\n",
    )


def run(words: list[str]) -> int:
    """Print the schema.

    Args:
        words: the command line after the command.

    Returns:
        0.
    """
    make_parser().parse_all(words)
    from boundcalc.report.schema import text

    write(text(), None)
    return 0
