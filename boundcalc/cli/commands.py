"""The commands, with what each takes and does, as listed at the top of the help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: the word that calls it, and the name of its module in `boundcalc.cli`.
        takes: what follows the name, in short.
        does: what the command does, in one line.
    """

    name: str
    takes: str
    does: str


ALL = (
    Command("compare", "A B...", "show networks side by side, and how their masks differ"),
    Command("batch", "PATH...", "analyze many checkpoints into one store"),
    Command("plot", "SOURCE...", "draw figures for a paper: pdf, svg or png"),
    Command("explain", "BOUND", "show what a bound says, and why it holds"),
    Command("bounds", "", "list every bound with its status, source and assumptions"),
    Command("formats", "", "list the checkpoint formats that can be read"),
    Command("train", "", "make lottery tickets"),
    Command("verify", "FILE", "check the certificate of a ticket"),
    Command("falsify", "[BOUND...]", "search for violations of the bounds"),
    Command("schema", "", "print the JSON Schema of a report"),
    Command("completion", "SHELL", "print a script for shell completion (bash, zsh)"),
)
"""The commands; any other first word is a checkpoint (write ./formats for a file of that name)."""

NAMES = tuple(command.name for command in ALL)


def listing() -> str:
    """Return the list of commands for the help."""
    lines = [("CHECKPOINT", "report on one network (no command word)")]
    lines += [(f"{command.name} {command.takes}".rstrip(), command.does) for command in ALL]
    width = max(len(left) for left, _ in lines)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in lines)
