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
    Command("compare", "A B...", "networks side by side, and how far their masks are apart"),
    Command("batch", "PATH...", "checkpoints by the hundred into one store"),
    Command("plot", "SOURCE...", "figures for a paper: pdf, svg or png"),
    Command("explain", "BOUND", "what a bound says, and why it holds"),
    Command("bounds", "", "every bound with its status, source and assumptions"),
    Command("formats", "", "which checkpoints can be read"),
    Command("train", "", "make lottery tickets"),
    Command("verify", "FILE", "whether the certificate of a ticket holds"),
    Command("falsify", "[BOUND...]", "attack what bounds claim"),
    Command("schema", "", "the JSON Schema of a report"),
    Command("completion", "SHELL", "completion of commands and options (bash, zsh)"),
)
"""Words that name a command; anything else is a checkpoint (write ./formats for a file of that name)."""

NAMES = tuple(command.name for command in ALL)


def listing() -> str:
    """Return the list of commands for the help."""
    lines = [("CHECKPOINT", "report on one network (no command)")]
    lines += [(f"{command.name} {command.takes}".rstrip(), command.does) for command in ALL]
    width = max(len(left) for left, _ in lines)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in lines)
