"""The pictures of one report with two axes: sample complexity, graphons, the spectrum of the graphon NTK."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from boundcalc.report.html_block import Figure
from boundcalc.report.html_origin import References, of_cell
from boundcalc.report.numbers import interval, percent, plain, show
from boundcalc.report.svg_heat import Matrix, colour_bar, heat_map, smallest_exponent
from boundcalc.report.svg_plane import Axes, Curve, Point, plane_plot
from boundcalc.report.svg_scale import Scale, of_numbers, of_powers
from boundcalc.report.values import log10, number, numbers

Tree = dict[str, Any]

MOST_POINTS = 120


def samples(tree: Tree, ref: References) -> tuple[Figure, ...]:
    """Draw the share of samples needed against density, of each layer and of the network."""
    part, network = tree.get("samples") or {}, tree.get("network") or {}
    densities = {show(one.get("name")): one.get("density") for one in network.get("layers") or []}
    placed = [
        (
            show(one.get("name")),
            log10(densities.get(show(one.get("name")))),
            log10(one.get("ratio")),
            "circle",
            "first",
        )
        for one in part.get("layers") or []
    ]
    whole = log10((tree.get("checkpoint") or {}).get("density")), log10(part.get("ratio"))
    placed.append(("network", *whole, "square", "second"))
    origin = of_cell(tree, "samples", "", "ratio")
    points = [
        Point(x, y, shape, kind, f"{name}: density {_power(x)}, N / N dense {_power(y)}", ref(origin), name)
        for name, x, y, shape, kind in placed
        if x is not None and y is not None
    ]
    if not points:
        return ()
    scale = of_powers([*(p.x for p in points), *(p.y for p in points), 0.0])
    axes = Axes(scale, scale, "density", "N / N dense")
    diagonal = Curve(((scale.low, scale.low), (scale.high, scale.high)), "level")
    plot = plane_plot(f"Samples needed against density: {len(points)} points.", axes, points, [diagonal])
    legend = (("circle", "first", "layer"), ("square", "second", "network"))
    caption = (
        "Samples a layer needs, relative to itself unpruned; on the dashed line, as few as its density says."
    )
    return (Figure("Samples needed against density", (plot,), caption, origin, legend),)


def graphon(tree: Tree, ref: References) -> tuple[Figure, ...]:
    """Draw the histograms of all layers on one scale of colours."""
    layers = [
        one for one in (tree.get("graphon") or {}).get("layers") or [] if is_matrix(one.get("histogram"))
    ]
    if not layers:
        return ()
    least = smallest_exponent([one["histogram"] for one in layers])
    maps = tuple(graphon_map(one, least) for one in layers)
    caption = (
        "Densities of the cells, units sorted by degree; in the margins the mean degree of each row and column of cells,"
        " each profile at its own height. All layers share the scale. "
    ) + "; ".join(_told(one) for one in layers)
    origin = of_cell(tree, "graphon", "", "density")
    return (
        Figure(
            "Graphons of the layers", (*maps, colour_bar(least)), caption + ".", origin, wide=True, maps=True
        ),
    )


def gntk(tree: Tree, ref: References) -> tuple[Figure, ...]:
    """Draw the spectrum on two logarithmic axes, and the residual's decay."""
    part = tree.get("gntk") or {}
    return (*_spectrum(tree, part), *_residual(tree, part, ref))


def graphon_map(layer: Tree, least: int, title: str = "") -> Markup:
    """Draw the histogram of one layer with its degree profiles.

    Args:
        layer: of the graphon part, with a histogram.
        least: the power of ten at the light end of the scale.
        title: written above; by default the layer's name.

    Returns:
        An SVG element.
    """
    rows, columns = [
        layer[key] if numbers(layer.get(key)) else [] for key in ("row_degrees", "column_degrees")
    ]
    name = title or show(layer.get("name"))
    label = f"Graphon of {title + ', ' if title else ''}{_told(layer)}."
    return heat_map(name, label, layer["histogram"], (rows, columns), least)


def spectrum(eigenvalues: Any) -> list[tuple[float, float]]:
    """Return log10 of index and positive eigenvalue, few enough to draw; empty where there are fewer than two."""
    if not numbers(eigenvalues):
        return []
    positive = [(math.log10(i), math.log10(v)) for i, v in enumerate(eigenvalues, 1) if v > 0]
    return _thinned(positive) if len(positive) > 1 else []


def _spectrum(tree: Tree, part: Tree) -> tuple[Figure, ...]:
    eigenvalues = part.get("eigenvalues")
    if not numbers(eigenvalues):
        return ()
    positive = [value for value in eigenvalues if value > 0]
    drawn = spectrum(eigenvalues)
    if not drawn:
        return ()
    x, y = Scale(0.0, drawn[-1][0], powers=True), of_powers(y for _, y in drawn)
    curve = Curve(tuple(drawn), "first")
    label = f"{len(positive)} positive eigenvalues, largest first, on logarithmic axes."
    plot = plane_plot(label, Axes(x, y, "index", "eigenvalue"), curves=[curve])
    decay = f" Fitted decay: index to the power -{plain(part['alpha'])}." if number(part.get("alpha")) else ""
    zero = len(eigenvalues) - len(positive)
    caption = (
        f"{len(eigenvalues)} eigenvalues, from {plain(max(eigenvalues))} to {plain(min(eigenvalues))}.{decay}"
    )
    caption += f" {zero} are not positive and not drawn." if zero else ""
    return (
        Figure("Spectrum of the graphon NTK", (plot,), caption, of_cell(tree, "gntk", "", "eigenvalues")),
    )


def _residual(tree: Tree, part: Tree, ref: References) -> tuple[Figure, ...]:
    found = part.get("residual")
    if not isinstance(found, dict) or not numbers(found.get("steps")) or not numbers(found.get("share")):
        return ()
    pairs = [(t, s) for t, s in zip(found["steps"], found["share"], strict=False) if t > 0]
    if len(pairs) < 2:
        return ()
    origin = of_cell(tree, "gntk", "", "residual at step")
    points = [
        Point(
            math.log10(t),
            s,
            "circle",
            "first",
            f"after {t:g} steps: {plain(s)} of the residual is left",
            ref(origin),
        )
        for t, s in pairs
    ]
    axes = Axes(of_powers(p.x for p in points), of_numbers([0.0, 1.0]), "step", "residual left")
    curve = Curve(tuple((p.x, p.y) for p in points), "first")
    plot = plane_plot(f"The residual after {len(points)} numbers of steps.", axes, points, [curve])
    caption = f"Share of the residual that gradient flow leaves, at learning rate {show(found.get('learning_rate'))}."
    return (Figure("Decay of the residual", (plot,), caption, origin),)


def _told(layer: Tree) -> str:
    cut = layer.get("cut_from_constant")
    cut_norm = f", cut norm from constant {interval(cut)}" if numbers(cut) and len(cut) == 2 else ""
    density = layer.get("density")
    return f"{show(layer.get('name'))}: density {percent(density) if number(density) else '-'}{cut_norm}"


def is_matrix(found: Any) -> bool:
    """Return whether a value is rows of numbers, all of one length."""
    rows: list[Matrix] = found if isinstance(found, list) and found else []
    return bool(rows) and all(map(numbers, rows)) and len({len(row) for row in rows}) == 1


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep points at least a share of the axis apart, the first and the last among them."""
    apart = (points[-1][0] - points[0][0]) / MOST_POINTS
    kept = [points[0]]
    for point in points[1:-1]:
        if point[0] - kept[-1][0] >= apart:
            kept.append(point)
    return [*kept, points[-1]]


def _power(exponent: float) -> str:
    return plain(10.0**exponent)
