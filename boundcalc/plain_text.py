"""Text that came from a file, made fit for a terminal: nothing in it moves the cursor, hides, or turns the line around."""

from __future__ import annotations

import unicodedata

MOST = 500
"""The longest message, in characters."""

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
    r"""Escape what a terminal would act on or not show: control characters, escape sequences, marks of direction or without width.

    Args:
        text: any text, with the surrogates that stand for undecodable bytes of file names perhaps.

    Returns:
        The same with each of these as ``\x1b``, ``\u202e`` or ``\U000e0001``; line feeds and tabs stay.

    Example:
        >>> print(visible("a\x1b[31mb\u202ec"))
        a\x1b[31mb\u202ec
    """
    if text.isprintable() and text.isascii():
        return text
    unsafe = {ord(letter): spelled(letter) for letter in set(text) if _is_unsafe(letter)}
    return text.translate(unsafe) if unsafe else text


def one_line(text: str) -> str:
    r"""Fold white space and spell out what a terminal would act on or hide.

    Args:
        text: any text.

    Example:
        >>> one_line("fc\x1b[31m 1")
        'fc\\x1b[31m 1'
    """
    return visible(" ".join(text.split()))


def message(text: str) -> str:
    r"""Fold a message to one visible line of at most `MOST` characters.

    Args:
        text: the message; it begins with what it is about and ends with what to do.

    Returns:
        The line; what is too much of it is left out of its middle.

    Example:
        >>> message("net.pt: truncated\n  re-save it")
        'net.pt: truncated re-save it'
    """
    line = one_line(text)
    if len(line) <= MOST:
        return line
    return line[:_HEAD] + _ELLIPSIS + line[_HEAD + len(_ELLIPSIS) - MOST :]


def short_path(path: object, most: int = 310) -> str:
    """Return a path for a message: a very long one without its beginning, so that the file's own name stays.

    Args:
        path: any path.
        most: characters.
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
