"""Suggestions of known names for a mistyped one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

MOST_NAMES = 3
"""Largest number of proposed names."""
MOST_ENTRIES = 64
"""Largest number of folder entries that are compared with a missing path; larger folders would take too long if many paths are
missing."""


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most `MOST_NAMES` known names that are nearest to an unknown one, ignoring case.

    Names that start with it are preferred, then the one with nearly the same spelling, then names with a similar spelling.

    Args:
        name: the name as typed.
        known: names, lower case.

    Example:
        >>> nearest("gouk", ["peeling", "gouk2021_1inf", "gouk2021_fro"]), nearest("zzz", ["peeling"])
        (('gouk2021_1inf', 'gouk2021_fro'), ())
    """
    typed, every = name.lower(), list(known)
    begins = [one for one in every if typed and one.startswith(typed)]
    alike = difflib.get_close_matches(typed, every, 1, 0.8) or difflib.get_close_matches(
        typed, every, MOST_NAMES, 0.5
    )
    return tuple(dict.fromkeys(begins or alike))[:MOST_NAMES]


def hint(name: str, known: Iterable[str], otherwise: str = "", before: str = "; ") -> str:
    """Return the end of a message about an unknown name: the known names that may be meant, else another text.

    Args:
        name: the name as typed.
        known: names.
        otherwise: text to use if no known name is near.
        before: prefix of a nonempty result.

    Example:
        >>> hint("comapre", ["compare", "batch"]), hint("x", ["compare"], "see --help"), hint("x", [])
        ('; did you mean compare?', '; see --help', '')
    """
    near = nearest(name, known)
    said = f"did you mean {' or '.join(near)}?" if near else otherwise
    return before + said if said else ""


def path_hint(path: str | os.PathLike[str]) -> str:
    """Return ``"; did you mean PATH?"`` for a missing path, or an empty text.

    The first missing component of the path is compared with the entries beside it, unless there are more than `MOST_ENTRIES`.

    Args:
        path: the missing file or folder.
    """
    wanted = Path(path)
    missing, found = wanted, wanted.parent
    while not found.is_dir():
        if found == found.parent:
            return ""
        missing, found = found, found.parent
    try:
        with os.scandir(found) as entries:
            beside = [entry.name for entry in islice(entries, MOST_ENTRIES + 1)]
    except OSError:
        return ""
    if len(beside) > MOST_ENTRIES:
        return ""
    near = difflib.get_close_matches(missing.name, sorted(beside), 1, 0.7)
    return f"; did you mean {found / near[0] / wanted.relative_to(missing)}?" if near else ""
