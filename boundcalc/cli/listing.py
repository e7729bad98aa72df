"""Lists of what boundcalc knows, for people or for other programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence

from boundcalc.cli.output import write
from boundcalc.cli.words import Parser, option

WIDTH = 100


def make_parser(command: str, description: str) -> Parser:
    """Return the parser of a command that lists something.

    Args:
        command: name of the command.
        description: the description for --help.
    """
    parser = Parser(
        prog=f"boundcalc {command}",
        description=description,
        epilog=f"examples:\n  boundcalc {command}\n  boundcalc {command} --format json\n",
    )
    option(parser, "--format", "format of the list (table)", choices=("table", "json"), default="table")
    return parser


def show(
    parser: Parser, words: list[str], columns: tuple[str, ...], rows: Callable[[], Sequence[tuple[str, ...]]]
) -> int:
    """Print rows as an indented list, or as JSON with --format json.

    Args:
        parser: parser of the command.
        words: the command line after the command.
        columns: names of the fields.
        rows: function that returns the rows; their first field is the name.

    Returns:
        0.
    """
    given = parser.parse_all(words)
    found = rows()
    if given.format == "json":
        write(json.dumps([dict(zip(columns, row, strict=True)) for row in found], indent=2), None)
    else:
        write("\n\n".join(_entry(columns, row) for row in found), None)
    return 0


def _entry(columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    indent = max(len(column) for column in columns) + 4
    lines = [row[0]]
    for column, cell in zip(columns[1:], row[1:], strict=True):
        wrapped = textwrap.wrap(cell, WIDTH - indent, break_long_words=True) or ["-"]
        lines.append(f"  {column:<{indent - 2}}{wrapped[0]}")
        lines += [" " * indent + line for line in wrapped[1:]]
    return "\n".join(lines)
