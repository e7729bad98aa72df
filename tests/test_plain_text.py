"""Text from files: nothing in it reaches a terminal that moves the cursor, hides or turns a line around."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcalc.errors import CheckpointError, DataError
from boundcalc.plain_text import LONGEST_MESSAGE, message, one_line, short_path, visible

HOSTILE = {
    "\x1b[31mred\x1b]0;title\x07": r"\x1b[31mred\x1b]0;title\x07",
    "a\u202eb\u2066c\u200bd\ufeff": r"a\u202eb\u2066c\u200bd\ufeff",
    "\x9b31m\x7f\x00": r"\x9b31m\x7f\x00",
    "\udcff.pt": r"\udcff.pt",
    "\U000e0041": r"\U000e0041",
    "\u3164\u115f": r"\u3164\u115f",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items())
def test_escapes(text, shown):
    assert visible(text) == shown
    assert str(CheckpointError("net.pt", text)) == f"net.pt: {shown}"


def test_what_is_left_alone():
    for text in ("plain", "caf\u00e9 \u5c42 \u03b5 \U0001f600", "a\tb\nc\n", "1\u00a0000"):
        assert visible(text) == text


@given(st.text())
def test_nothing_but_letters_marks_and_spaces_is_left(text):
    shown = visible(text)
    assert not {unicodedata.category(letter) for letter in shown if letter not in "\n\t"} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    }
    shown.encode()
    assert "\n" not in one_line(text) and visible(shown) == shown


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_messages_are_one_line_and_short(path, problem):
    for error in (CheckpointError(path, problem), DataError.at(path, problem)):
        assert len(str(error)) <= LONGEST_MESSAGE
        assert str(error) == one_line(str(error))


def test_the_middle_of_a_long_message_goes():
    text = message("net.pt: " + "layer, " * 500 + "re-save it")
    assert len(text) == LONGEST_MESSAGE
    assert text.startswith("net.pt: layer") and text.endswith("layer, re-save it") and " ... " in text


def test_the_name_at_the_end_of_a_long_path_stays():
    assert short_path("/a" * 500 + "/net.pt").endswith("/a/net.pt")
    assert "/net.pt: truncated" in str(CheckpointError("/a" * 500 + "/net.pt", "truncated"))
    assert short_path("/a/net.pt") == "/a/net.pt"
