"""Which known name somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 3
"""Names that are proposed."""


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the known names nearest to one that is not known, at most `MOST`, whatever the case.

    Names that begin with it come first, then those that are spelled alike.

    Args:
        name: as typed.
        known: names, lower case.

    Example:
        >>> nearest("gouk", ["peeling", "gouk2021_1inf", "gouk2021_fro"]), nearest("zzz", ["peeling"])
        (('gouk2021_1inf', 'gouk2021_fro'), ())
    """
    typed, every = name.lower(), list(known)
    begins = [one for one in every if typed and one.startswith(typed)]
    alike = difflib.get_close_matches(typed, every, MOST, 0.5)
    return tuple(dict.fromkeys(begins or alike))[:MOST]
