"""SVG elements as text: escaped, x in percent of the picture's width, y in pixels, so that letters keep their size."""

from __future__ import annotations

import unicodedata

from markupsafe import Markup, escape

from boundcalc.report.text import one_line

SHAPES = {
    "circle": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "ring": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "diamond": "M0,-6L6,0L0,6L-6,0Z",
    "cross": "M-5,-5L5,5M-5,5L5,-5",
    "triangle": "M0,-6L6,5L-6,5Z",
    "square": "M-4.5,-4.5h9v9h-9Z",
    "bar": "M0,-7V7",
    "dash": "M-7,0H7",
}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; children that are no `Markup` are escaped, attributes of value None left out.

    Args:
        name: of the element.
        *children: texts and elements.
        **attributes: a trailing underscore is dropped, others become hyphens.

    Returns:
        Safe text.

    Example:
        >>> element("text", "a<b", x="3%", text_anchor="end", class_=None)
        Markup('<text x="3%" text-anchor="end">a&lt;b</text>')
    """
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()]
    head = Markup("").join(
        Markup(' {}="{}"').format(key, safe(value)) for key, value in pairs if value is not None
    )
    inner = Markup("").join(safe(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), head, inner)  # noqa: S704


def safe(text: object) -> Markup:
    """Return text on one line, escaped; `Markup` as it is."""
    return text if isinstance(text, Markup) else escape(one_line(str(text)))


def percent(share: float) -> str:
    """Return a share of the width, at two decimals of a percent.

    Example:
        >>> percent(0.5), percent(1 / 3)
        ('50%', '33.33%')
    """
    return f"{round(100 * share, 2):g}%"


def mark(shape: str, x: float, y: float, kind: str, label: str, origin: str) -> Markup:
    """Return a mark that can be pointed at, focused and read out.

    Args:
        shape: a key of `SHAPES`.
        x: share of the width.
        y: pixels from the top.
        kind: class for its colour.
        label: what it says.
        origin: id of its status and source.

    Returns:
        An element.
    """
    return element(
        "svg",
        element("circle", r=9, class_="hit"),
        element("path", d=SHAPES[shape]),
        x=percent(x),
        y=round(y, 2),
        width=1,
        height=1,
        class_=f"mark {shape} {kind}",
        role="img",
        aria_label=label,
        data_o=origin,
        tabindex=-1,
    )


def picture(height: int, label: str, *children: str, kind: str = "chart") -> Markup:
    """Return a picture as wide as its place.

    Args:
        height: in pixels.
        label: what it shows, for those who do not see it.
        *children: its elements.
        kind: class.

    Returns:
        An element.
    """
    return element("svg", *children, width="100%", height=height, class_=kind, role="group", aria_label=label)


def text(
    words: str, x: float, y: float, anchor: str = "start", dx: int = 0, kind: str | None = None
) -> Markup:
    """Return words at a share of the width and a height in pixels."""
    where = None if anchor == "start" else anchor
    return element("text", words, x=percent(x), y=round(y, 2), dx=dx or None, text_anchor=where, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    places = {"x1": percent(x1), "y1": round(y1, 2), "x2": percent(x2), "y2": round(y2, 2)}
    return element("line", **places, class_=kind)


def power_of_ten(exponent: int) -> str:
    """Return a power of ten for an axis.

    Example:
        >>> power_of_ten(-3), power_of_ten(0), power_of_ten(12)
        ('0.001', '1', '10¹²')
    """
    if -3 <= exponent <= 3:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(SUPERSCRIPT)


def shortened(words: str, columns: int) -> str:
    """Return words in at most so many columns, the middle left out.

    Example:
        >>> shortened("features.layer4.1.conv2", 13)
        'featur…conv2'
    """
    line = one_line(words)
    if sum(map(_columns, line)) <= columns:
        return line
    half = (columns - 1) // 2
    return f"{_within(line, half)}…{_within(line[::-1], columns - 2 - half)[::-1]}"


def _within(words: str, columns: int) -> str:
    used, end = 0, 0
    while end < len(words) and used + _columns(words[end]) <= columns:
        used += _columns(words[end])
        end += 1
    return words[:end]


def _columns(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in {"W", "F", "A"} and not char.isascii() else 1
