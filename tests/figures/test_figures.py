"""Figures of one ticket and of a lottery: what they show, whose numbers they are, and that the same tickets give the same bytes."""

import json
import math
from pathlib import Path

import pytest

from boundcalc.figures import pictures
from boundcalc.figures.files import SUFFIXES, render
from boundcalc.figures.graphons import PICTURE as GRAPHONS
from boundcalc.figures.picture import tickets_of

TREES = Path(__file__).parents[1] / "report" / "trees"
HOSTILE = "<b>$_{x}^\x1b[31m层" * 5
MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


def bound(value, **more):
    return {"status": "theorem", "kind": "F", "subject": "network", "value": value, "log10_value": math.log10(value),
            "vacuous": value >= 1, "source": "A 2020", **more}  # fmt: skip


def ticket(density, path="runs/level_0/main"):
    z = {"delta_r": -3.0 * density, "delta_r_imdb": 1.0, "lambda": 2.0, "lambda_imsg": 0.5, "narc": 4.0}
    histogram = [[density, 0.0], [density / 10, density]]
    layer = {"name": HOSTILE, "density": density, "parameters": 10, "surviving": 5}
    return {
        "schema": "boundcalc.report/2",
        "checkpoint": {"path": path, "density": density, "parameters": 20, "format": "plain"},
        "network": {"layers": [layer, {**layer, "name": "fc2"}]},
        "bounds": {
            "peeling": bound(100 * density + 2),
            HOSTILE: bound(1e5),
            "galanti2023": bound(0.5, status="refuted"),
            "occam": bound(0.6, kind="certificate", subject="compression"),
            "pick": bound(0.2, kind="certificate", prior="none"),
        },
        "verdict": {"test_set": {"value": 0.05, "source": "Langford 2005"}},
        "empirical": {"train_error": 0.0, "test_error": 0.04, "gap": 0.04},
        "samples": {"ratio": density, "layers": [{"name": "fc2", "ratio": density}]},
        "topology": {"layers": [{"name": HOSTILE, "z": z}], "draws": 5, "distance": 1.0 + density},
        "graphon": {"layers": [{"name": HOSTILE, "density": density, "histogram": histogram, "l2_from_constant": density}]},
        "gntk": {
            "eigenvalues": [1.0, 0.1, 0.01, 0.0], "alpha": 2.0 + density, "effective_rank": 1.5,
            "residual": {"steps": [0.0, 1.0, 10.0], "share": [1.0, 0.5, 0.2], "learning_rate": 3.0, "chosen": "given", "rate": 1.0},
        },
    }  # fmt: skip


def lottery(*densities):
    return tickets_of(
        [ticket(density, f"runs/level_{index}/main") for index, density in enumerate(densities)]
    )


DRAWN = sorted(set(pictures()) - {"examples", "pick"})


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("densities", [(0.02,), (1.0, 0.3, 0.02)], ids=["one", "lottery"])
def test_every_figure_of_one_ticket_and_of_a_lottery(name, densities):
    drawn = pictures()[name].of(lottery(*densities))
    if name == "quantities" and len(densities) == 1:
        assert drawn is None, "one ticket has no curve"
        return
    assert drawn.label and drawn.caption and drawn.origin.source
    assert drawn.figure.get_size_inches()[0] <= 4.6, "one column of a paper"
    assert not [axes for axes in drawn.figure.axes if "$" in axes.get_title()]


@pytest.mark.parametrize("kind", SUFFIXES)
def test_the_same_tickets_give_the_same_bytes(kind):
    one, other = (render(pictures()["topology"].of(lottery(0.5, 0.1)), kind) for _ in range(2))
    assert one == other and one.startswith(MAGIC[kind])


def test_a_report_without_a_part_has_no_figure_of_it():
    bare = tickets_of([{"schema": "boundcalc.report/2", "checkpoint": {"path": "a.pt", "density": 0.5}}])
    assert [name for name, one in pictures().items() if one.of(bare) is not None] == []


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def test_subjects_are_apart_and_errors_have_an_axis_of_their_own():
    drawn = pictures()["bounds"].of(lottery(1.0, 0.1))
    above, below = drawn.figure.axes
    assert above.get_title(loc="left").startswith("your network")
    labels = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert labels[0] == "peeling" and "occam (compression)" in labels and "pick" in labels
    values = {label: mark for label, mark in ((one.label, one) for one in drawn.marks.values())}
    compression = next(mark for label, mark in values.items() if "occam (compression)" in label)
    assert "a compression of your network" in compression.origin.note
    heights = [line.get_ydata()[0] for line in below.lines if line.get_gid()]
    assert len(heights) == 2 * 5 and max(heights) <= 0.0, "log10 of certificates and errors"
    norms = [line.get_ydata()[0] for line in above.lines if line.get_gid()]
    assert len(norms) == 2 * 2 and min(norms) > 0.0, "a refuted formula and certificates are not among them"


def test_levels_are_joined_in_the_order_of_their_density_and_only_with_their_own():
    mine = [ticket(density, f"a/level_{index}/main") for index, density in enumerate((0.1, 1.0, 0.3))]
    drawn = pictures()["gap"].of(tickets_of([*mine, ticket(0.5, "b/level_0/main")]))
    joined = [
        line.get_xdata()
        for line in drawn.figure.axes[0].lines
        if not line.get_gid() and len(line.get_xdata()) == 3
    ]
    assert len(joined) == 3
    for line in joined:
        assert list(line) == pytest.approx([0.0, math.log10(0.3), -1.0])
    left, right = drawn.figure.axes[0].get_xlim()
    assert left > right, "the sparser to the right"


@pytest.mark.parametrize(("density", "scale"), [(0.5, "linear"), (0.01, "logarithmic")])
def test_the_scale_of_sparse_graphons_is_logarithmic(density, scale):
    drawn = GRAPHONS.of(lottery(density))
    assert f"one {scale} scale" in drawn.caption
    (image,) = drawn.figure.axes[0].images
    assert image.norm.vmax == pytest.approx(density)
    assert (image.norm.vmin > 0) == (scale == "logarithmic")


def test_a_network_that_is_all_pruned_is_drawn():
    tree = ticket(0.5)
    tree["graphon"]["layers"][0]["histogram"] = [[0.0, 0.0], [0.0, 0.0]]
    assert GRAPHONS.of(tickets_of([tree])) is not None


def test_what_shipped_examples_show():
    tree = json.loads((TREES / "lenet300.json").read_text())
    drawn = pictures()["bounds"].of(tickets_of([tree]))
    theorems = [mark.label for mark in drawn.marks.values() if mark.origin.status == "theorem"]
    assert theorems[0].startswith("peeling") and any("occam (compression)" in label for label in theorems)
