"""Graphons as pictures: a small PNG of the histogram, degree profiles at its margins, one scale for all layers."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence

from markupsafe import Markup

from boundcalc.report.svg import element, power_of_ten, shortened

SHADES = 255
ANCHORS = ((0xDD, 0xE9, 0xF2), (0x8F, 0xBF, 0xDC), (0x3A, 0x7E, 0xB8), (0x12, 0x45, 0x86), (0x06, 0x1D, 0x45))
NONE = (0xFF, 0xFF, 0xFF)
SIDE, PROFILE, GAP = 192, 44, 6

Matrix = Sequence[Sequence[float]]


def png(shades: Sequence[Sequence[int]]) -> bytes:
    """Return a PNG of palette colours.

    Args:
        shades: rows of equal length, from 0 (nothing there) to 255 (all there).

    Returns:
        The file.
    """
    raw = b"".join(b"\0" + bytes(row) for row in shades)
    header = struct.pack(">IIBBBBB", len(shades[0]), len(shades), 8, 3, 0, 0, 0)
    palette = bytes(channel for shade in range(SHADES + 1) for channel in colour(shade))
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def colour(shade: int) -> tuple[int, ...]:
    """Return red, green and blue of a shade; 0 is white."""
    if shade == 0:
        return NONE
    place = (shade - 1) / (SHADES - 1) * (len(ANCHORS) - 1)
    below = min(int(place), len(ANCHORS) - 2)
    share = place - below
    return tuple(round(a + share * (b - a)) for a, b in zip(ANCHORS[below], ANCHORS[below + 1], strict=True))


def smallest_exponent(matrices: Sequence[Matrix]) -> int:
    """Return the power of ten at the light end of the scale: at or below every positive number."""
    positive = [number for matrix in matrices for row in matrix for number in row if number > 0]
    return min(-1, math.floor(math.log10(min(positive)))) if positive else -1


def shade(number: float, least: int) -> int:
    """Return the shade of a density on the logarithmic scale from 10^`least` to 1.

    Example:
        >>> shade(0.0, -3), shade(0.001, -3), shade(1.0, -3)
        (0, 1, 255)
    """
    if number <= 0:
        return 0
    share = 1 - math.log10(number) / least
    return 1 + round((SHADES - 1) * min(1.0, max(0.0, share)))


def heat_map(
    name: str, label: str, matrix: Matrix, profiles: tuple[Sequence[float], Sequence[float]], least: int
) -> Markup:
    """Draw a histogram with the degree profile of its rows to the right and that of its columns below.

    Args:
        name: written above.
        label: what the picture shows.
        matrix: densities of the cells, rows of equal length.
        profiles: degrees of rows and of columns; empty ones are left out.
        least: the power of ten at the light end of the scale.

    Returns:
        An SVG element with a size of its own, which shrinks where there is less room.
    """
    shades = [[shade(number, least) for number in row] for row in matrix]
    side = SIDE + GAP + PROFILE
    return element(
        "svg",
        element("text", shortened(name, 30), x=0, y=-8, class_="name"),
        _image(png(shades), SIDE, SIDE),
        element("rect", width=SIDE, height=SIDE, class_="frame"),
        *_row_profile(profiles[0]),
        *_column_profile(profiles[1]),
        viewBox=f"-1 -22 {side + 2} {side + 23}",
        width=side + 2,
        class_="heat",
        role="img",
        aria_label=label,
    )


def colour_bar(least: int) -> Markup:
    """Draw the common scale: from 10^`least` to 1, and nothing at all."""
    width, left = 200, 46
    strip = png([list(range(1, SHADES + 1))])
    step = max(1, math.ceil(-least / 4))
    ticks = range(0, least - 1, -step)
    marks = [(left + width * (1 - k / least), power_of_ten(k)) for k in ticks]
    return element(
        "svg",
        element("rect", x=1, y=1, width=24, height=14, fill="#fff", class_="pixels"),
        element("rect", x=1, y=1, width=24, height=14, class_="frame"),
        element("text", "0", x=13, y=30, text_anchor="middle", class_="tick"),
        element("g", _image(strip, width, 14), transform=f"translate({left} 1)"),
        element("rect", x=left, y=1, width=width, height=14, class_="frame"),
        *(
            element("text", words, x=round(x, 1), y=30, text_anchor="middle", class_="tick")
            for x, words in marks
        ),
        viewBox=f"0 0 {left + width + 14} 34",
        width=left + width + 14,
        class_="scale",
        role="img",
        aria_label=f"Scale of densities: nothing, then from {power_of_ten(least)} to 1, logarithmic.",
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _image(data: bytes, width: int, height: int) -> Markup:
    address = "data:image/png;base64," + base64.b64encode(data).decode()
    size = {"width": width, "height": height}
    return element("image", href=address, **size, preserveAspectRatio="none", class_="pixels")


def _row_profile(degrees: Sequence[float]) -> list[Markup]:
    if not degrees:
        return []
    step, most, left = SIDE / len(degrees), max(degrees) or 1.0, SIDE + GAP
    ends = "".join(
        f"V{step * k:.1f}H{left + PROFILE * d / most:.1f}V{step * (k + 1):.1f}" for k, d in enumerate(degrees)
    )
    return [element("path", d=f"M{left},0{ends}H{left}Z", class_="profile")]


def _column_profile(degrees: Sequence[float]) -> list[Markup]:
    if not degrees:
        return []
    step, most, top = SIDE / len(degrees), max(degrees) or 1.0, SIDE + GAP
    ends = "".join(
        f"H{step * k:.1f}V{top + PROFILE * d / most:.1f}H{step * (k + 1):.1f}" for k, d in enumerate(degrees)
    )
    return [element("path", d=f"M0,{top}{ends}V{top}Z", class_="profile")]
