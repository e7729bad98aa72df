"""Conversion of the words of a command line to values, and the messages about wrong words."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from typing import Any, NoReturn

from boundcalc.data.normalizations import parsed
from boundcalc.errors import DataError, UsageError
from boundcalc.nearest import hint
from boundcalc.parts import registry

NARROWEST, WIDEST = 60, 200
DATA_WORDS = ("sample", "digits")
"""Data sets that are named by a single word."""


def terminal_width() -> int:
    """Return the number of columns for a text: that of the terminal (or COLUMNS), within 60 to 200; 80 without a terminal."""
    return max(NARROWEST, min(shutil.get_terminal_size((80, 24)).columns, WIDEST))


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; descriptions and examples are left as written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=terminal_width())


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that propose the option or choice nearest to a mistyped one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise an error instead of printing the usage.

        Raises:
            UsageError: In every case.
        """
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parse all words.

        Raises:
            UsageError: an option is unknown; the message proposes the nearest one.
        """
        self._check_names(words)
        options, rest = self.parse_known_intermixed_args(words)
        if rest and not rest[0].startswith("-"):
            raise UsageError(self._second_checkpoint_message(rest[0]))
        if rest:
            raise self._unknown(rest[0])
        return options

    def _check_names(self, words: list[str]) -> None:
        """Report a mistyped option before any missing argument."""
        given = words[: words.index("--")] if "--" in words else words
        for word in given:
            name = word.partition("=")[0]
            if word.startswith("--") and " " not in word and name not in self._option_string_actions:
                raise self._unknown(word)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check a word against the choices of an option.

        Raises:
            ArgumentError: the word is none of the choices; the message proposes the nearest one.
        """
        if action.choices is not None and value not in action.choices:
            choices: Iterable[str] = action.choices
            near = hint(str(value), choices)
            raise argparse.ArgumentError(
                action, f"invalid choice {value!r}{near} (choose from {', '.join(choices)})"
            )

    def _second_checkpoint_message(self, word: str) -> str:
        """Return the message for a second checkpoint."""
        if word in DATA_WORDS or word.partition(":")[0] in {"mnist", "npz"}:
            return f"unexpected argument {word}: did you mean --data {word}?"
        return (
            f"unexpected argument {word}: this command takes one checkpoint; boundcalc compare takes "
            f"several; see {self.prog} --help"
        )

    def _unknown(self, word: str) -> UsageError:
        name = word.partition("=")[0]
        return UsageError(
            f"unknown option {word}{hint(name, self._option_string_actions, f'see {self.prog} --help')}"
        )


def option(group: argparse._ActionsContainer, words: str, help: str, **settings: Any) -> None:
    """Add an option to a parser or to a group of one.

    Args:
        group: the parser or group.
        words: names of the option, then the placeholder of its value in the help. Without a placeholder, and without a setting
            that implies a value, the option is a flag.
        help: help text of the option.
        settings: settings of `argparse.ArgumentParser.add_argument`.
    """
    names = [word for word in words.split() if word.startswith("-")]
    value = words.split()[len(names) :]
    if value:
        settings["metavar"] = value[0]
    elif settings.keys().isdisjoint(("action", "choices", "type")):
        settings["action"] = "store_true"
    group.add_argument(*names, help=help, **settings)


def numbers(text: str) -> tuple[float, ...]:
    """Read comma-separated numbers.

    Raises:
        ArgumentTypeError: a word is not a number.
    """
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 0.1,0.05") from error


def normalization(text: str) -> tuple[float, ...]:
    """Parse the value of --normalize.

    Raises:
        ArgumentTypeError: the text is neither numbers nor a name.
    """
    try:
        return parsed(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--normalize ")) from error


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 1,28,28 or 1x28x28.

    Raises:
        ArgumentTypeError: a word is not a positive integer.
    """
    try:
        sizes = tuple(int(word) for word in text.replace("x", ",").split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 1,28,28") from error
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: sizes are positive")
    return sizes


def margin(text: str) -> float | None:
    """Read a margin: a number, or None for auto.

    Raises:
        ArgumentTypeError: the text is neither a number nor auto.
    """
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number") from error


def parts(text: str) -> tuple[str, ...]:
    """Read comma-separated parts.

    Raises:
        ArgumentTypeError: a part is unknown; the message proposes the nearest one.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in registry:
            raise argparse.ArgumentTypeError(
                f"unknown part {word!r}{hint(word, registry)} (parts: {', '.join(registry)})"
            )
    if not words:
        raise argparse.ArgumentTypeError(f"name at least one part of {', '.join(registry)}")
    return words
