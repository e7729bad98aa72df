"""Text from files, made safe for a terminal: nothing in it moves the cursor, is hidden, or changes the direction of a line."""

from __future__ import annotations

import unicodedata

LONGEST_MESSAGE = 500
"""Largest length of a message, in characters."""

_HEAD = 340
_ELLIPSIS = " ... "
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT = frozenset("\n\t")
_WITHOUT_WIDTH = (
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
)
"""Letters and marks that no terminal shows, besides the control and format characters."""


def visible(text: str) -> str:
    r"""Escape what a terminal would act on or not show: control characters, escape sequences, marks of direction or of zero width.

    Args:
        text: any text, possibly with surrogates for the undecodable bytes of file names.

    Returns:
        The same text with each such character as ``\x1b``, ``\u202e`` or ``\U000e0001``; line feeds and tabs are kept.

    Example:
        >>> print(visible("a\x1b[31mb\u202ec"))
        a\x1b[31mb\u202ec
    """
    if text.isprintable() and text.isascii():
        return text
    unsafe = {ord(letter): spelled(letter) for letter in set(text) if _is_unsafe(letter)}
    return text.translate(unsafe) if unsafe else text


def one_line(text: str) -> str:
    r"""Collapse white space, and escape what a terminal would act on or hide.

    Args:
        text: any text.

    Example:
        >>> one_line("fc\x1b[31m 1")
        'fc\\x1b[31m 1'
    """
    return visible(" ".join(text.split()))


def message(text: str) -> str:
    r"""Shorten a message to one visible line of at most `LONGEST_MESSAGE` characters.

    Args:
        text: the message, which starts with its subject and ends with what to do.

    Returns:
        The line; if it is too long, its middle is left out.

    Example:
        >>> message("net.pt: truncated\n  re-save it")
        'net.pt: truncated re-save it'
    """
    line = one_line(text)
    if len(line) <= LONGEST_MESSAGE:
        return line
    return line[:_HEAD] + _ELLIPSIS + line[_HEAD + len(_ELLIPSIS) - LONGEST_MESSAGE :]


def short_path(path: object, most: int = 310) -> str:
    """Return a path for a message; the start of a very long path is left out, so that the file name remains.

    Args:
        path: any path.
        most: largest number of characters.
    """
    text = str(path)
    return text if len(text) <= most else f"...{text[3 - most :]}"


def _is_unsafe(letter: str) -> bool:
    if letter in _KEPT:
        return False
    return unicodedata.category(letter) in _UNSAFE or ord(letter) in _WITHOUT_WIDTH


def spelled(letter: str) -> str:
    """Return a character as an escape.

    Args:
        letter: one character.
    """
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
