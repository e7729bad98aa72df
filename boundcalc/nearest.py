"""Which known name somebody may have meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

MOST = 3
"""Names that are proposed."""
MOST_ENTRIES = 64
"""Entries of a folder that are compared with a path that is not there; a larger one costs too much where many are missing."""


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the known names nearest to one that is not known, at most `MOST`, whatever the case.

    Names that begin with it come first, then the one that is spelled nearly so, then those that are spelled alike.

    Args:
        name: as typed.
        known: names, lower case.

    Example:
        >>> nearest("gouk", ["peeling", "gouk2021_1inf", "gouk2021_fro"]), nearest("zzz", ["peeling"])
        (('gouk2021_1inf', 'gouk2021_fro'), ())
    """
    typed, every = name.lower(), list(known)
    begins = [one for one in every if typed and one.startswith(typed)]
    alike = difflib.get_close_matches(typed, every, 1, 0.8) or difflib.get_close_matches(
        typed, every, MOST, 0.5
    )
    return tuple(dict.fromkeys(begins or alike))[:MOST]


def hint(name: str, known: Iterable[str], otherwise: str = "", before: str = "; ") -> str:
    """Return the end of a message about an unknown name: what it may have meant, else something else.

    Args:
        name: as typed.
        known: names.
        otherwise: what to say where no known name is near.
        before: put before whatever is said.

    Example:
        >>> hint("comapre", ["compare", "batch"]), hint("x", ["compare"], "see --help"), hint("x", [])
        ('; did you mean compare?', '; see --help', '')
    """
    near = nearest(name, known)
    said = f"did you mean {' or '.join(near)}?" if near else otherwise
    return before + said if said else ""


def path_hint(path: str | os.PathLike[str]) -> str:
    """Return ``"; did you mean PATH?"`` for a path that is not there, or nothing.

    The first part of the path that is missing is compared with what lies beside it, unless that is more than `MOST_ENTRIES`.

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
