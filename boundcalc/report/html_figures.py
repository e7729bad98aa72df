"""The pictures of one report, made from its tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from boundcalc.report.bound_order import in_group, log10_value
from boundcalc.report.bound_rows import CERTIFIED, marked_value
from boundcalc.report.html_block import Figure
from boundcalc.report.html_origin import References, of_cell
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import of_bound, of_file, of_measurement
from boundcalc.report.statuses import SHOWN_STATUS
from boundcalc.report.subjects import is_excess
from boundcalc.report.svg_rows import Line, Mark, Row, rows_plot
from boundcalc.report.svg_scale import of_numbers, of_powers
from boundcalc.report.values import log10, number

Tree = dict[str, Any]

LOOKS = {
    "theorem": ("circle", "proved"),
    "published": ("diamond", "published"),
    "refuted": ("cross", "refuted"),
    "score": ("triangle", "score"),
}
STATUS_LEGEND = {
    "theorem": "theorem: proved",
    "published": "PUBLISHED: not derived again here",
    "refuted": "REFUTED: a counter-example exists",
    "score": "SCORE: no statement about the error",
}
BELOW_ONE = -1.0
"""The axis of bounds begins at or below 0.1, so that there is room outside the shaded region."""
FIGURE_TITLES = {
    "network": "Bounds of your network",
    "compression": "Certificates of its compression",
    "interpolant": "Certificates of a kernel's interpolant",
    "reference": "For reference: not proved",
}
FIGURE_OF = {
    "network": "of bounds on your network",
    "compression": "of certificates of a compression of your network, which is another network",
    "interpolant": "of certificates of a kernel's interpolant, which is not your network",
    "reference": "of what is not proved",
}
MEASURED = (("gap", "measured gap"), ("train_error", "training error"), ("test_error", "test error"))
Z_LOOKS = (
    ("delta_r", "Dr", "circle", "first"),
    ("delta_r_imdb", "Dr imdb", "square", "second"),
    ("lambda", "lambda", "diamond", "third"),
    ("lambda_imsg", "imsg", "triangle", "fourth"),
    ("narc", "narc", "bar", "fifth"),
)


def bounds(tree: Tree, group: str, ref: References) -> tuple[Figure, ...]:
    """Draw the values of one group of bounds on a logarithmic axis, least first; what was measured of the same network as lines."""
    found = [(name, bound, log10_value(bound)) for name, bound in in_group(tree, group)]
    drawn = [(name, bound, at) for name, bound, at in found if at is not None and math.isfinite(at)]
    if not drawn:
        return ()
    measured = _lines_of_certificates(drawn) if group in CERTIFIED else _measured_lines(tree)
    scale = of_powers([*(at for _, _, at in drawn), *(line.at for line in measured), BELOW_ONE, 0.0])
    rows = tuple(_bound_row(name, bound, at, ref) for name, bound, at in drawn)
    lines = (*measured, Line(0.0, "one", "1: vacuous from here on"))
    label = f"Values of {len(rows)} bounds on a logarithmic axis; the table below has the same numbers."
    statuses = dict.fromkeys(bound["status"] for _, bound, _ in drawn)
    legend = tuple((*LOOKS[status], STATUS_LEGEND[status]) for status in LOOKS if status in statuses)
    missing = [name for name, _, _ in found if name not in {row.name for row in rows}]
    caption = _bounds_caption(tree, group, measured) + (
        f" Without a value: {', '.join(missing)}." if missing else ""
    )
    empirical = tree.get("empirical") and group not in CERTIFIED
    origin = of_measurement(tree) if empirical else of_bound(drawn[0][0], drawn[0][1])
    plot = rows_plot(label, scale, rows, lines, 0.0)
    return (Figure(FIGURE_TITLES[group], (plot,), caption, origin, legend, wide=True),)


def layers(tree: Tree, ref: References) -> tuple[Figure, ...]:
    """Draw the share of weights that survives, layer by layer."""
    part = [one for one in (tree.get("network") or {}).get("layers") or [] if number(one.get("density"))]
    shares = [(one, at) for one in part if (at := log10(one["density"])) is not None]
    if not shares:
        return ()
    origin = of_file(tree)
    whole = log10((tree.get("checkpoint") or {}).get("density"))
    scale = of_powers([*(at for _, at in shares), 0.0])
    rows = tuple(
        Row(
            show(one.get("name")),
            f"{plain(one.get('surviving'))} = {percent(one['density'])}",
            (
                Mark(
                    at, "circle", "plain", f"{show(one.get('name'))}: {percent(one['density'])}", ref(origin)
                ),
            ),
        )
        for one, at in shares
    )
    lines = (
        () if whole is None else (Line(whole, "gap", f"network: {percent(tree['checkpoint']['density'])}"),)
    )
    label = f"Density of {len(rows)} layers on a logarithmic axis."
    empty = len(part) - len(shares)
    caption = "Share of the weights that survives." + (f" {empty} layers have none left." if empty else "")
    return (
        Figure("Density of the layers", (rows_plot(label, scale, rows, lines),), caption, origin, wide=True),
    )


def topology(tree: Tree, ref: References) -> tuple[Figure, ...]:
    """Draw the z-scores of the layers' scores against random masks of the same density."""
    part = (tree.get("topology") or {}).get("layers") or []
    scored = [(show(one.get("name")), _z(one)) for one in part]
    values = [z for _, zs in scored for z in zs.values()]
    if not values:
        return ()
    origin = of_cell(tree, "topology", "", "z")
    rows = tuple(
        Row(
            name,
            "" if zs else "no z-score",
            tuple(
                Mark(zs[key], shape, kind, f"{name}: z of {words} = {plain(zs[key])}", ref(origin))
                for key, words, shape, kind in Z_LOOKS
                if key in zs
            ),
        )
        for name, zs in scored
    )
    present = {key for _, zs in scored for key in zs}
    legend = tuple((shape, kind, words) for key, words, shape, kind in Z_LOOKS if key in present)
    plot = rows_plot(
        f"z-scores of {len(rows)} layers.",
        of_numbers([*values, 0.0]),
        rows,
        (Line(0.0, "zero", "mean of random masks"),),
    )
    caption = "A score less its mean over random masks of the same density, in their standard deviations."
    return (Figure("Topology against random masks", (plot,), caption, origin, legend, wide=True),)


def _bound_row(name: str, bound: Tree, at: float, ref: References) -> Row:
    shape, kind = LOOKS[bound["status"]]
    status = SHOWN_STATUS[bound["status"]]
    value = marked_value(bound)
    says = f"{value} {status}" + (", vacuous" if bound.get("vacuous") else "")
    label = f"{name}: {value}, {status}" + (", vacuous" if bound.get("vacuous") else "")
    return Row(name, says, (Mark(at, shape, kind, label, ref(of_bound(name, bound))),))


def _measured_lines(tree: Tree) -> tuple[Line, ...]:
    measured = tree.get("empirical") or {}
    found = [(key, words, log10(measured.get(key))) for key, words in MEASURED]
    return tuple(
        Line(at, key.replace("_error", ""), f"{words} {plain(measured[key])}")
        for key, words, at in found
        if at is not None
    )


def _lines_of_certificates(drawn: Sequence[tuple[str, Tree, float]]) -> tuple[Line, ...]:
    """Return the training errors of the networks that are certified, which are not the checkpoint's."""
    errors = [(name, (bound.get("terms") or {}).get("train_error")) for name, bound, _ in drawn]
    return tuple(
        Line(at, "train", f"training error of {name}'s network {plain(error)}")
        for name, error in errors
        if (at := log10(error)) is not None
    )


def _bounds_caption(tree: Tree, group: str, lines: Sequence[Line]) -> str:
    measured = "lines: what was measured" if lines else "nothing was measured"
    values = f"Values {FIGURE_OF[group]}"
    if group == "network" and any(is_excess(bound) for _, bound in in_group(tree, group)):
        values += ", of the error less the margin error, which is not known"
    left_out = _not_on_axis(tree) if group not in CERTIFIED else ""
    return f"{values}, rounded up, on a logarithmic axis; {measured}. Shaded: 1 or more, which says nothing.{left_out}"


def _not_on_axis(tree: Tree) -> str:
    measured = tree.get("empirical") or {}
    low = [(words, measured.get(key)) for key, words in MEASURED]
    told = [f"{words} {plain(value)}" for words, value in low if number(value) and value <= 0]
    return f" Not on the axis: {', '.join(told)}." if told else ""


def _z(layer: Tree) -> dict[str, float]:
    found = layer.get("z")
    return {key: z for key, z in found.items() if number(z)} if isinstance(found, dict) else {}
