"""What to install for the parts of boundcalc that need more than its dependencies."""

from __future__ import annotations


def install(extra: str) -> str:
    """Return the command that installs an extra of ``setup.cfg``, from a clone of boundcalc.

    Args:
        extra: its name, such as ``"pandas"``.

    Example:
        >>> install("pandas")
        "pip install -e '.[pandas]' in the clone of boundcalc"
    """
    return f"pip install -e '.[{extra}]' in the clone of boundcalc"
