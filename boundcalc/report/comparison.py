"""A comparison of networks, as one frozen tree of plain values, and its views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boundcalc.report import csv_cells
from boundcalc.report.document import Cell, Column, Grid, Section
from boundcalc.report.names import short_names
from boundcalc.report.numbers import interval, percent, plain, show, sizes
from boundcalc.report.origin import Origin
from boundcalc.report.ranking_sections import COLUMNS_PER_GRID, correlation_sections, ticket_sections
from boundcalc.report.tree import PlainTree, frozen
from boundcalc.report.views import module_of

if TYPE_CHECKING:
    from boundcalc.report.views.table import Style

SCHEMA = "boundcalc.compare/1"
CSV_HEADER = ("checkpoint", "other", "layer", "other_layer", "quantity", "value")
NOTE = (
    "Units are sorted by degree in both networks. The cut norm of the difference of the two step "
    "graphons is given as a proved interval, and it bounds their cut distance from above."
)

LARGEST_LOG10 = 300.0
GIVEN_BY_OPTIONS = Origin("given", "options of this run")
PROVED = Origin("theorem", "boundcalc compare", "Both ends of the interval are proved.")

Tree = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Comparison(PlainTree):
    """Distances between the masks of networks, as the tree of schema ``boundcalc.compare/1``.

    Args:
        tree: ``checkpoints`` (path, sha256, format, parameters, surviving, density) and ``pairs``, each with the two
            indices into ``checkpoints`` and ``layers`` (names, shapes, densities of both, l2, cut: [low, high]);
            ``tickets`` by lottery and density with the quantities of `boundcalc.report.comparable`, ``statuses`` and ``subjects`` of
            the bounds, ``quantities`` (key -> its description by `boundcalc.report.comparable.described`), ``correlations``
            (Kendall's tau with gap and accuracy) and ``policy`` (how missing values and intervals are handled), ``unmatched`` and
            ``warnings`` (what looks wrong, each with the index of its checkpoint).

    Raises:
        ValueError: the schema is wrong, or JSON cannot hold a value.
    """

    def __post_init__(self) -> None:
        if self.tree.get("schema") != SCHEMA:
            raise ValueError(f"schema: expected {SCHEMA!r}, found {self.tree.get('schema')!r}")
        object.__setattr__(self, "tree", frozen(self.tree))

    def to(self, format: str, csv_raw: bool = False) -> str:
        """Render the comparison.

        Args:
            format: one of ``boundcalc.report.FORMATS``: table, json, csv, markdown, latex, html.
            csv_raw: whether text that a spreadsheet would run is left as it is; see `boundcalc.report.csv_cells`.

        Returns:
            The text, ending in one newline.
        """
        view, tree = module_of(format), self.to_dict()
        if format == "csv":
            return csv_cells.table(CSV_HEADER, _csv_rows(tree), csv_raw)
        if format == "json":
            return str(view.render(tree))
        if format == "table":
            return self.table()
        heading = f"boundcalc {tree.get('version', '')} compare"
        if format == "html":
            return str(view.page(heading, sections(tree, None), drawable(tree)))
        return str(view.page(heading, sections(tree)))

    def table(self, style: Style | None = None) -> str:
        """Return the table view.

        Args:
            style: width and colors of the table; 100 columns without colors by default.
        """
        from boundcalc.report.views.table import PLAIN, page

        tree = self.to_dict()
        return page(
            f"boundcalc {tree.get('version', '')} compare", sections(tree, COLUMNS_PER_GRID), style or PLAIN
        )

    def __repr__(self) -> str:
        """Return one line that names the checkpoints."""
        return f"<Comparison of {', '.join(repr(one['path']) for one in self.tree['checkpoints'])}>"


def sections(tree: Tree, across: int | None = COLUMNS_PER_GRID) -> tuple[Section, ...]:
    """Build the sections: checkpoints, tickets by quantities, rank correlations, then a grid of layers for each pair.

    Args:
        tree: a tree of schema ``boundcalc.compare/1``.
        across: number of quantities side by side in one grid; None for all.
    """
    names = short_names([one["path"] for one in tree["checkpoints"]])
    about = tree.get("quantities") or {}
    return (
        _checkpoints(tree, names),
        *ticket_sections(tree["tickets"], names, about, across),
        *correlation_sections(tree["correlations"], about),
        *(_pair(tree, names, index) for index in range(len(tree["pairs"]))),
    )


def drawable(tree: Tree) -> list[Tree]:
    """Return the tickets of a comparison as partial reports, sufficient for the figures across tickets."""
    about = tree.get("quantities") or {}
    return [_report(tree["checkpoints"][one["checkpoint"]], one, about) for one in tree["tickets"]]


def _report(checkpoint: Tree, ticket: Tree, about: Tree) -> Tree:
    bounds: Tree = {}
    parts: Tree = {}
    for key, value in ticket["quantities"].items():
        part, _, rest = key.partition(".")
        own = about.get(key) or {}
        if part == "bounds" and own:
            log10 = value if own["status"] != "score" else None
            known = None if log10 is None or log10 > LARGEST_LOG10 else 10.0**log10 * (1 + 1e-12)
            bounds[own["label"]] = {
                "status": own["status"], "kind": own["kind"], "subject": own["subject"], "source": own["source"],
                "log10_value": log10, "value": known, "vacuous": log10 is None or log10 >= 0,
            }  # fmt: skip
        elif "." not in rest:
            parts.setdefault(part, {})[rest] = value
    return {"checkpoint": {**checkpoint, "density": ticket["density"]}, "bounds": bounds, **parts}


def _checkpoints(tree: Tree, names: Sequence[str]) -> Section:
    columns = (
        Column("ticket"),
        Column("checkpoint"),
        Column("parameters", right=True),
        Column("surviving", right=True),
        Column("density", right=True),
    )
    counted = Origin("exact", "counted in the file")
    rows = tuple(
        (
            name,
            show(one["path"]),
            *(Cell(plain(one[key]), one[key], counted) for key in ("parameters", "surviving")),
            Cell(percent(one["density"]), one["density"], counted),
        )
        for name, one in zip(names, tree["checkpoints"], strict=True)
    )
    facts = tuple((key, Cell(show(tree[key]), tree[key], GIVEN_BY_OPTIONS)) for key in ("resolution", "seed"))
    return Section("Checkpoints", "checkpoints", facts, Grid(columns, rows))


def _pair(tree: Tree, names: Sequence[str], index: int) -> Section:
    pair = tree["pairs"][index]
    number_a, number_b = (number + 1 for number in pair["checkpoints"])
    a, b = (names[number] for number in pair["checkpoints"])
    exact = Origin("exact", "counted in the files")
    headers = (f"density {a}", f"density {b}", "L2", "cut norm")
    columns = (
        Column("layer"),
        Column(f"shape {a}", right=True),
        Column(f"shape {b}", right=True),
        *(Column(header, right=True) for header in headers),
    )
    rows = tuple(
        (
            _name(layer["names"]),
            *(Cell(sizes(shape), None, exact) for shape in layer["shapes"]),
            *(Cell(percent(density), density, exact) for density in layer["densities"]),
            Cell(plain(layer["l2"]), layer["l2"], exact),
            Cell(interval(layer["cut"]), layer["cut"][0], PROVED),
        )
        for layer in pair["layers"]
    )
    last = index == len(tree["pairs"]) - 1
    return Section(
        f"Masks of {a} and {b}",
        f"masks-{number_a}-{number_b}",
        grid=Grid(columns, rows),
        notes=(NOTE,) if last else (),
    )


def _name(names: list[str]) -> str:
    return names[0] if names[0] == names[1] else f"{names[0]} / {names[1]}"


def _csv_rows(tree: Tree) -> Iterator[tuple[str, ...]]:
    """Yield every number of the checkpoints, the correlations and the pairs of layers; its value is empty if it is null."""
    paths = [one["path"] for one in tree["checkpoints"]]
    for one in tree["checkpoints"]:
        for quantity in ("parameters", "surviving", "density"):
            yield one["path"], "", "", "", quantity, repr(one[quantity])
    for ticket in tree["tickets"]:
        for quantity, value in ticket["quantities"].items():
            yield paths[ticket["checkpoint"]], "", "", "", quantity, _cell(value)
    for one in tree["correlations"]:
        for name, value in _coefficients(one):
            yield "", "", "", "", f"{name}({one['quantity']}, {one['with']})", _cell(value)
    for pair in tree["pairs"]:
        a, b = (paths[number] for number in pair["checkpoints"])
        for layer in pair["layers"]:
            for quantity, value in _distances(layer):
                yield a, b, *layer["names"], quantity, repr(value)


def _coefficients(one: Tree) -> Iterator[tuple[str, float | None]]:
    for name in ("n", "left_out", "tau", "partial"):
        yield name, one[name]
    for name in ("interval", "partial_interval"):
        low, high = one[name] or (None, None)
        yield from ((f"{name}_low", low), (f"{name}_high", high))


def _distances(layer: Tree) -> tuple[tuple[str, float], ...]:
    (own, other), (low, high) = layer["densities"], layer["cut"]
    return (
        ("density", own),
        ("other_density", other),
        ("l2", layer["l2"]),
        ("cut_low", low),
        ("cut_high", high),
    )


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
