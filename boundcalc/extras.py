"""Instructions to install the optional dependencies of boundcalc."""

from __future__ import annotations


def install(extra: str) -> str:
    """Return the command that installs an extra of ``setup.cfg``, from a clone of boundcalc.

    Args:
        extra: name of the extra, such as ``"pandas"``.

    Example:
        >>> install("pandas")
        "pip install -e '.[pandas]' in the clone of boundcalc"
    """
    return f"pip install -e '.[{extra}]' in the clone of boundcalc"
