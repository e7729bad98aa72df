"""A figure as a file, or as an element of a page; the same figure always gives the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from boundcalc.figures.picture import DrawnFigure
from boundcalc.figures.style import VARIABLES, styled
from boundcalc.report.origin import Origin

SUFFIXES = ("pdf", "svg", "png")
DPI = 300
SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_URL = re.compile(r"url\(#([^)]*)\)")
_FONT = re.compile(r"([\d.]+)px")


def render(drawn: DrawnFigure, kind: str) -> bytes:
    """Return a figure as the bytes of a file.

    Args:
        drawn: the figure.
        kind: one of `SUFFIXES`.
    """
    undated: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    file = io.BytesIO()
    with styled():
        drawn.figure.savefig(file, format=kind, dpi=DPI, metadata=undated.get(kind, {}), facecolor="white")
    return file.getvalue()


def element(drawn: DrawnFigure, name: str, ref: Callable[[Origin], str]) -> str:
    """Return a figure as an SVG element of a page: its text is text, it has the page's colors, and its marks refer to their origins.

    Matplotlib writes style attributes, which the page's content policy forbids; they are replaced by presentation attributes.

    Args:
        drawn: the figure.
        name: name that is unique on the page; ids start with it.
        ref: function that gives ids to origins.
    """
    file = io.BytesIO()
    with styled():
        drawn.figure.savefig(
            file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}:
                parent.remove(child)
    named = _referred(root)
    for node in root.iter():
        node.tag = node.tag.removeprefix(f"{{{SVG}}}")
        _restyle(node)
        _rename(node, name, named, drawn, ref)
    width, height = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    for attribute in ("version", "id"):
        root.attrib.pop(attribute, None)
    root.attrib |= {
        "class": "chart", "role": "group" if drawn.marks else "img", "aria-label": drawn.label,
        "width": f"{float(width) * 4 / 3:.0f}", "height": f"{float(height) * 4 / 3:.0f}",
    }  # fmt: skip
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _restyle(node: ElementTree.Element) -> None:
    """Split a style attribute into separate attributes, and replace the colors of figures by those of the page."""
    for declaration in node.attrib.pop("style", "").split(";"):
        key, _, value = (word.strip() for word in declaration.partition(":"))
        if key == "font":
            size = _FONT.search(value)
            node.set("font-size", size.group(1) if size else "10")
        elif key and key != "font-family":
            node.set(key, value)
    for key in ("fill", "stroke"):
        if node.get(key) in VARIABLES:
            node.set(key, f"var({VARIABLES[node.attrib[key]]})")
    if node.tag == "text" and "fill" not in node.attrib:
        node.set("fill", "var(--ink)")
    if node.tag == "image":
        node.set("class", "pixels")


def _referred(root: ElementTree.Element) -> set[str]:
    """Return the ids to which elements refer; other ids may occur twice."""
    texts = [text for node in root.iter() for text in node.attrib.values()]
    links = [node.attrib.get(f"{{{LINK}}}href", "").removeprefix("#") for node in root.iter()]
    return {*links, *(found for text in texts for found in _URL.findall(text))} - {""}


def _rename(
    node: ElementTree.Element, name: str, named: set[str], drawn: DrawnFigure, ref: Callable[[Origin], str]
) -> None:
    """Make ids unique on the page, and give marks their labels and origins."""
    gid = node.attrib.pop("id", "")
    mark = drawn.marks.get(gid)
    if mark is not None:
        node.attrib |= {
            "class": "mark", "data-o": ref(mark.origin), "tabindex": "-1", "role": "img", "aria-label": mark.label,
        }  # fmt: skip
    elif gid in named:
        node.set("id", f"{name}-{gid}")
    link = node.attrib.pop(f"{{{LINK}}}href", "")
    if link:
        node.set("href", f"#{name}-{link[1:]}" if link.startswith("#") else link)
    for key, value in list(node.attrib.items()):
        if "url(#" in value:
            node.set(key, _URL.sub(rf"url(#{name}-\1)", value))
