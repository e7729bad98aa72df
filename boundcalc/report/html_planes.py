"""The pictures across many tickets: bounds, quantities, layers, graphons and spectra, by density."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from boundcalc.report.bound_rows import marked_value
from boundcalc.report.html_block import Figure
from boundcalc.report.html_curves import graphon_map, is_matrix, spectrum
from boundcalc.report.html_figures import BELOW_ONE, LOOKS, STATUS_LEGEND
from boundcalc.report.html_origin import References, of_cell
from boundcalc.report.html_ticket import DENSITY, QUANTITIES, Quantity, Ticket, part, value_of
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import of_bound, of_file, of_measurement
from boundcalc.report.subjects import named
from boundcalc.report.svg_heat import colour_bar, smallest_exponent
from boundcalc.report.svg_plane import Axes, Curve, Point, plane_plot
from boundcalc.report.svg_scale import Scale, of_numbers, of_powers
from boundcalc.report.values import log10

Tree = dict[str, Any]
Placed = list[tuple[Ticket, float]]

GAP = part("empirical", "gap")
LAYER_LOOKS = (
    ("circle", "first"),
    ("square", "second"),
    ("diamond", "third"),
    ("triangle", "fourth"),
    ("bar", "fifth"),
)
MOST_MAPS = 12
MOST_SPECTRA = 60
BANDS = 5
DECADE = 1.0
OTHERS = "A name followed by (compression) is of another network, found from the ticket; gaps are the ticket's own."


def bounds(tickets: Sequence[Ticket], names: Sequence[str], ref: References) -> tuple[Figure, ...]:
    """Draw the values of each bound against density and against the measured gap, all on the same axis."""
    values = [value for ticket in tickets for name in names if (value := value_of(ticket, name)) is not None]
    if not values:
        return ()
    gaps = [gap for ticket in tickets if (gap := log10(GAP(ticket.tree))) is not None]
    y = of_powers([*values, *gaps, BELOW_ONE, 0.0])
    return (*_against_density(tickets, names, y, ref), *_against_gap(tickets, names, y, ref))


def quantities(tickets: Sequence[Ticket], ref: References) -> tuple[Figure, ...]:
    """Draw a plane a quantity against density."""
    placed = _placed(tickets, DENSITY.find)
    x = _density_axis(placed)
    found = [plane for one in QUANTITIES if (plane := _quantity_plane(one, placed, x, ref)) is not None]
    if not found:
        return ()
    caption = "One dot a ticket; each plane has an axis of its own."
    return (Figure("Against density", tuple(found), caption, of_file(tickets[0].tree), wide=True),)


def parts(tickets: Sequence[Ticket], ref: References) -> tuple[Figure, ...]:
    """Draw the densities of the layers, graphons of some tickets and the spectra of their kernels."""
    return (*_layers(tickets, ref), *_spectra(tickets), *_graphons(tickets))


def _placed(tickets: Sequence[Ticket], find: Callable[[Tree], Any]) -> Placed:
    places = ((ticket, log10(find(ticket.tree))) for ticket in tickets)
    return [(ticket, place) for ticket, place in places if place is not None]


def _density_axis(placed: Placed) -> Scale:
    return of_powers([*(x for _, x in placed), 0.0])


def _against_density(
    tickets: Sequence[Ticket], names: Sequence[str], y: Scale, ref: References
) -> tuple[Figure, ...]:
    placed = _placed(tickets, DENSITY.find)
    if not placed:
        return ()
    x = _density_axis(placed)
    gaps = [
        Point(
            at, gap, "bar", "gap", f"{t.name}: measured gap {plain(GAP(t.tree))}", ref(of_measurement(t.tree))
        )
        for t, at in placed
        if (gap := log10(GAP(t.tree))) is not None
    ]
    planes = tuple(
        _bound_plane(name, placed, Axes(x, y, "density", _of(name, tickets)), gaps, (), ref) for name in names
    )
    legend = _statuses(placed, names) + ((("bar", "gap", "measured gap"),) if gaps else ())
    caption = f"A mark a ticket, on logarithmic axes; shaded: vacuous. {OTHERS}" + _not_drawn(tickets)
    return (Figure("Bounds against density", planes, caption, of_file(placed[0][0].tree), legend, wide=True),)


def _against_gap(
    tickets: Sequence[Ticket], names: Sequence[str], y: Scale, ref: References
) -> tuple[Figure, ...]:
    placed = _placed(tickets, GAP)
    if not placed:
        return ()
    x = of_powers(gap for _, gap in placed)
    low, high = max(x.low, y.low), min(x.high, y.high)
    same = (Curve(((low, low), (high, high)), "level"),) if low < high else ()
    planes = tuple(
        _bound_plane(name, placed, Axes(x, y, "measured gap", _of(name, tickets)), (), same, ref)
        for name in names
    )
    caption = "A mark a ticket, on logarithmic axes; shaded: vacuous; on the dashed line a bound equals the measured gap."
    caption += f" {OTHERS}{_not_drawn(tickets)}"
    origin = of_measurement(placed[0][0].tree)
    return (
        Figure(
            "Bounds against the measured gap", planes, caption, origin, _statuses(placed, names), wide=True
        ),
    )


def _of(name: str, tickets: Sequence[Ticket]) -> str:
    """Return the name of a bound with its subject, where that is not the ticket itself."""
    found = (
        bound for ticket in tickets if (bound := (ticket.tree.get("bounds") or {}).get(name)) is not None
    )
    return named(name, next(found, {}))


def _not_drawn(tickets: Sequence[Ticket]) -> str:
    """Say how many gaps are left out: a logarithmic axis has no place for them."""
    count = sum(gap is not None and gap <= 0 for gap in (GAP(ticket.tree) for ticket in tickets))
    return f" Gaps of 0 or less are not drawn: {count} of {len(tickets)} tickets." if count else ""


def _statuses(placed: Placed, names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    found = {(t.tree.get("bounds") or {}).get(name, {}).get("status") for t, _ in placed for name in names}
    return tuple((*LOOKS[status], STATUS_LEGEND[status]) for status in LOOKS if status in found)


def _bound_plane(
    name: str, placed: Placed, axes: Axes, others: Sequence[Point], curves: Sequence[Curve], ref: References
) -> Markup:
    found = [
        (ticket, ticket.tree["bounds"][name], x, value)
        for ticket, x in placed
        if (value := value_of(ticket, name)) is not None
    ]
    points = [
        Point(x, value, *LOOKS[bound["status"]], _says(ticket, name), ref(of_bound(name, bound)))
        for ticket, bound, x, value in found
    ]
    label = f"{axes.y_name} against the {axes.x_name}: {len(points)} tickets."
    return plane_plot(label, axes, [*others, *points], curves, 0.0)


def _says(ticket: Ticket, name: str) -> str:
    gap, density = GAP(ticket.tree), DENSITY.find(ticket.tree)
    bound = ticket.tree["bounds"][name]
    says = [f"{named(name, bound)} {marked_value(bound)}"]
    says += [f"density {percent(density)}"] if density is not None else []
    says += [f"gap {plain(gap)}"] if gap is not None else []
    return f"{ticket.name}: {', '.join(says)}"


def _quantity_plane(quantity: Quantity, placed: Placed, x: Scale, ref: References) -> Markup | None:
    found = [(t, at, value) for t, at in placed if (value := quantity.find(t.tree)) is not None]
    if not found:
        return None
    values = [value for _, _, value in found]
    powers = min(values) > 0 and math.log10(max(values)) - math.log10(min(values)) >= DECADE
    heights = [math.log10(value) if powers else value for value in values]
    points = [
        Point(at, y, "circle", "first", f"{t.name}: density {percent(10.0**at)}, {quantity.name} {quantity.words(value)}",
              ref(quantity.origin(t.tree)))
        for (t, at, value), y in zip(found, heights, strict=True)
    ]  # fmt: skip
    axes = Axes(x, (of_powers if powers else of_numbers)(heights), "density", quantity.name)
    return plane_plot(f"{quantity.name} against density: {len(points)} tickets.", axes, points)


def _layers(tickets: Sequence[Ticket], ref: References) -> tuple[Figure, ...]:
    """Draw the density of every layer against that of its network; up to five layers each have a look of their own."""
    placed = [
        (ticket, x, show(layer.get("name")), y)
        for ticket, x in _placed(tickets, DENSITY.find)
        for layer in (ticket.tree.get("network") or {}).get("layers") or []
        if (y := log10(layer.get("density"))) is not None
    ]
    if not placed:
        return ()
    names = list(dict.fromkeys(name for _, _, name, _ in placed))
    looks = dict(
        zip(
            names,
            LAYER_LOOKS if len(names) <= len(LAYER_LOOKS) else LAYER_LOOKS[:1] * len(names),
            strict=False,
        )
    )
    points = [
        Point(x, y, *looks[name], f"{ticket.name}: {name} {percent(10.0**y)}", ref(of_file(ticket.tree)))
        for ticket, x, name, y in placed
    ]
    scale = of_powers([*(p.x for p in points), *(p.y for p in points), 0.0])
    same = Curve(((scale.low, scale.low), (scale.high, scale.high)), "level")
    plot = plane_plot(
        f"Densities of {len(points)} layers.",
        Axes(scale, scale, "density of the network", "density of the layer"),
        points,
        [same],
    )
    legend = tuple((*looks[name], name) for name in names) if len(names) <= len(LAYER_LOOKS) else ()
    caption = "A mark a layer of a ticket; on the dashed line, as dense as its network."
    return (Figure("Density of the layers", (plot,), caption, of_file(tickets[0].tree), legend),)


def _spectra(tickets: Sequence[Ticket]) -> tuple[Figure, ...]:
    placed = _placed(tickets, DENSITY.find)
    found = [
        (t, x, points)
        for t, x in placed
        if (points := spectrum((t.tree.get("gntk") or {}).get("eigenvalues")))
    ]
    if not found:
        return ()
    shown = _spread(found, MOST_SPECTRA)
    ends = [points[-1][0] for _, _, points in shown]
    bands = _bands([x for _, x, _ in shown])
    curves = [Curve(tuple(points), f"band{band}") for (_, _, points), band in zip(shown, bands, strict=True)]
    axes = Axes(
        Scale(0.0, max(ends), powers=True),
        of_powers(y for _, _, points in shown for _, y in points),
        "index",
        "eigenvalue",
    )
    legend = tuple(
        (
            "dash",
            f"band{band}",
            _range([x for (_, x, _), own in zip(shown, bands, strict=True) if own == band]),
        )
        for band in sorted(set(bands))
    )
    plot = plane_plot(f"Spectra of {len(shown)} tickets, on logarithmic axes.", axes, curves=curves)
    caption = f"Positive eigenvalues of the graphon NTK, a curve a ticket, by density; {len(shown)} of {len(tickets)} tickets."
    return (
        Figure(
            "Spectra of the graphon NTK",
            (plot,),
            caption,
            of_cell(shown[0][0].tree, "gntk", "", "eigenvalues"),
            legend,
        ),
    )


def _bands(places: list[float]) -> list[int]:
    """Return a band for each place, as many in each, the least first."""
    ranks = {place: rank for rank, place in enumerate(sorted(set(places)))}
    return [ranks[place] * BANDS // len(ranks) for place in places]


def _range(places: list[float]) -> str:
    low, high = (percent(10.0**place) for place in (min(places), max(places)))
    return f"density {low}" if low == high else f"density {low} to {high}"


def _graphons(tickets: Sequence[Ticket]) -> tuple[Figure, ...]:
    """Draw the largest layer of some tickets, from sparse to dense."""
    found = [
        (t, x, layer) for t, x in _placed(tickets, DENSITY.find) if (layer := _largest(t.tree)) is not None
    ]
    if not found:
        return ()
    shown = _spread(found, MOST_MAPS)
    least = smallest_exponent([layer["histogram"] for _, _, layer in shown])
    maps = tuple(graphon_map(layer, least, f"{percent(10.0**x)} {t.name}") for t, x, layer in shown)
    caption = (
        "The layer with the most weights, from sparse to dense; densities of the cells, units sorted by degree, on one scale."
        f" {len(shown)} of {len(tickets)} tickets: "
        + "; ".join(f"{t.name}: {show(layer.get('name'))}" for t, _, layer in shown)
    )
    origin = of_cell(shown[0][0].tree, "graphon", "", "L2 from constant")
    return (Figure("Graphons", (*maps, colour_bar(least)), caption + ".", origin, wide=True, maps=True),)


def _largest(tree: Tree) -> Tree | None:
    sizes = {
        show(one.get("name")): one.get("parameters") or 0
        for one in (tree.get("network") or {}).get("layers") or []
    }
    layers = [
        one for one in (tree.get("graphon") or {}).get("layers") or [] if is_matrix(one.get("histogram"))
    ]
    return max(layers, key=lambda one: sizes.get(show(one.get("name")), 0), default=None)


def _spread(found: list[tuple[Ticket, float, Any]], most: int) -> list[tuple[Ticket, float, Any]]:
    """Return at most so many, evenly over the order of their densities."""
    ordered = sorted(found, key=lambda one: one[1])
    if len(ordered) <= most:
        return ordered
    return [ordered[round(k * (len(ordered) - 1) / (most - 1))] for k in range(most)]
