"""How the words of a command line become values, and what is said of a wrong one."""

from __future__ import annotations

import argparse
import difflib
from typing import NoReturn

from boundcalc.errors import UsageError
from boundcalc.options import PARTS


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the option nearest to a mistyped one."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parse all words.

        Raises:
            UsageError: an unknown option; the message proposes the nearest one.
        """
        self._check_names(words)
        options, rest = self.parse_known_intermixed_args(words)
        if rest and not rest[0].startswith("-"):
            raise UsageError(f"one checkpoint at a time: what is {rest[0]}? see {self.prog} --help")
        if rest:
            raise self._unknown(rest[0])
        return options

    def _check_names(self, words: list[str]) -> None:
        """Name a mistyped option before what is missing for it."""
        given = words[: words.index("--")] if "--" in words else words
        for word in given:
            name = word.partition("=")[0]
            if word.startswith("--") and " " not in word and name not in self._option_string_actions:
                raise self._unknown(word)

    def _unknown(self, word: str) -> UsageError:
        near = difflib.get_close_matches(word.partition("=")[0], self._option_string_actions, 1)
        return UsageError(
            f"unknown option {word}" + (f"; did you mean {near[0]}?" if near else f"; see {self.prog} --help")
        )


def numbers(text: str) -> tuple[float, ...]:
    """Read comma-separated numbers.

    Raises:
        ArgumentTypeError: a word that is no number.
    """
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers such as 0.1307,0.3081"
        ) from error


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 1,28,28 or 1x28x28.

    Raises:
        ArgumentTypeError: a word that is no positive integer.
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
        ArgumentTypeError: neither.
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
        ArgumentTypeError: an unknown part; the message proposes the nearest one.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in PARTS:
            near = difflib.get_close_matches(word, PARTS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise argparse.ArgumentTypeError(f"unknown part {word!r}{hint} (parts: {', '.join(PARTS)})")
    if not words:
        raise argparse.ArgumentTypeError(f"name at least one part of {', '.join(PARTS)}")
    return words
