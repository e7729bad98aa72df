"""Text from outside (layer names, paths, reasons) made safe for one line of a terminal."""

from __future__ import annotations

import unicodedata

JAMO_WITHOUT_WIDTH = range(0x1160, 0x1200)


def one_line(text: str) -> str:
    r"""Fold white space and spell out unprintable characters, terminal escapes among them.

    Example:
        >>> one_line("fc\x1b[31m 1")
        'fc\\x1b[31m 1'
    """
    folded = " ".join(text.split())
    return folded if folded.isprintable() else "".join(c if c.isprintable() else _spelled(c) for c in folded)


def narrow(text: str) -> str:
    r"""Make one line in which every character is one column wide; others are spelled out.

    Example:
        >>> narrow("\u5c42 1")
        '\\u5c42 1'
    """
    line = one_line(text)
    return line if line.isascii() else "".join(c if _is_narrow(c) else _spelled(c) for c in line)


def _is_narrow(char: str) -> bool:
    wide = unicodedata.east_asian_width(char) in {"W", "F"}
    combining = unicodedata.category(char).startswith("M") or ord(char) in JAMO_WITHOUT_WIDTH
    return not wide and not combining


def _spelled(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 0x7F else f"\\x{ord(char):02x}"
