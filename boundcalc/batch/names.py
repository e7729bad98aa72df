r"""Reversible encoding of paths as text that SQLite, a terminal and a spreadsheet can hold; distinct paths stay distinct.

A file name is a sequence of bytes: it need not be valid UTF-8, and may contain line feeds or marks that reverse the direction of
a line. Such bytes and characters are escaped as ``\x0a``, ``\xff`` (a byte) or ``\u202e`` (a character); a backslash that could
be mistaken for the start of an escape becomes ``\x5c``. All other names are left unchanged.
"""

from __future__ import annotations

import os
import re

_CONFUSABLE = re.compile(r"\\(?=[xuU])")
_SPELLED = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U(000[0-9a-f]{5}|0010[0-9a-f]{4})")


def stored(path: str | os.PathLike[str]) -> str:
    r"""Return a path as it is written in a store.

    Example:
        >>> print(stored("a\nb\udcff.pt"), stored("C:\\models\\x1.pt"), stored("名.pt"))
        a\x0ab\xff.pt C:\models\x5cx1.pt 名.pt
    """
    text = os.fspath(path)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() else _escaped_character(char) for char in _CONFUSABLE.sub(r"\\x5c", text)
    )


def on_disk(name: str) -> str:
    r"""Return the original path of the text that `stored` returned.

    Example:
        >>> all(on_disk(stored(path)) == path for path in ("a\nb\udcff.pt", r"\x41\x5c", "e\u202e\xa0", "\\"))
        True
    """
    return _SPELLED.sub(_character, name) if "\\" in name else name


def valid(text: str) -> str:
    r"""Return text that can be encoded as UTF-8, with surrogates escaped.

    Example:
        >>> print(valid("layer \ud800 of a\udcff.pt"))
        layer \ud800 of a\xff.pt
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_escaped_character(char) if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def _escaped_character(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _character(found: re.Match[str]) -> str:
    byte, short, long = found.groups()
    if byte is not None:
        code = int(byte, 16)
        return chr(code if code < 0x80 else 0xDC00 + code)
    return chr(int(short or long, 16))
