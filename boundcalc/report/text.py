"""External text (layer names, paths, reasons), made safe for one line of a terminal."""

from __future__ import annotations

import unicodedata

from boundcalc.plain_text import one_line, spelled

__all__ = ["narrow", "one_line"]

JAMO_WITHOUT_WIDTH = range(0x1160, 0x1200)


def narrow(text: str) -> str:
    r"""Return one line in which every character is one column wide; other characters are escaped.

    Example:
        >>> narrow("\u5c42 1")
        '\\u5c42 1'
    """
    line = one_line(text)
    return line if line.isascii() else "".join(c if _is_narrow(c) else spelled(c) for c in line)


def _is_narrow(char: str) -> bool:
    wide = unicodedata.east_asian_width(char) in {"W", "F"}
    combining = unicodedata.category(char).startswith("M") or ord(char) in JAMO_WITHOUT_WIDTH
    return not wide and not combining
