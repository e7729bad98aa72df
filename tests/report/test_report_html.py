"""The page without a browser: one file that needs nothing else, ids that lead somewhere, numbers with an origin."""

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from report_pages import HOSTILE, check, full

from boundcalc.report import SCHEMA, Report
from boundcalc.report.document import Section
from boundcalc.report.views.html import page, store_page


def test_a_page_stands_alone(tree):
    found = check(Report(tree).to("html"))
    assert tree["checkpoint"]["path"] in found.one("title").text
    assert {"bounds", "read", "skipped", "run", "sources"} <= set(found.ids())


def test_a_page_has_all_pictures(lenet300):
    found = check(Report(full(lenet300)).to("html"))
    titles = [node.text for node in found.all("h3") if node.parent.name == "figure"]
    assert titles == [
        "Bounds, certificates and measured errors",
        "Density of the layers",
        "Samples needed against density",
        "Topology against random masks",
        "Graphons of the masks",
        "Spectrum of the graphon NTK",
        "Decay of the residual",
    ]
    charts = [node for node in found.all("svg") if "chart" in node.classes]
    assert len(charts) == len(titles)
    assert all(node.attributes["aria-label"] for node in charts)
    assert all(any(one.name == "text" and one.text.strip() for one in chart) for chart in charts)


def test_terms_lead_to_their_definitions(lenet300):
    found = check(Report(lenet300).to("html"))
    links = [node for node in found.root if {"what", "term"} & set(node.classes)]
    defined = {node.attributes["id"]: node for node in found.ids()["definitions"] if node.name == "div"}
    assert {node.attributes["href"].removeprefix("#") for node in links} == set(defined)
    for term in ("r~", "Dr", "Dr imdb", "imsg", "narc", "ratio", "cut norm from constant", "effective rank"):
        assert any(term == child.text for node in defined.values() for child in node), term


def test_the_page_is_a_function_of_the_json(lenet300):
    again = json.loads(json.dumps(full(lenet300)))
    assert Report(full(lenet300)).to("html") == Report(again).to("html")


def test_names_are_only_text(lenet300):
    tree = full(lenet300)
    tree["checkpoint"]["path"] = HOSTILE
    tree["network"]["layers"][0]["name"] = HOSTILE
    tree["bounds"][HOSTILE] = {**tree["bounds"]["peeling"], "source": HOSTILE, "reason": HOSTILE}
    tree["skipped"] = [{"part": HOSTILE, "reason": HOSTILE}]
    text = Report(tree).to("html")
    found = check(text)
    assert len(found.all("script")) == 1
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in found.one("title").text
    assert "\x1b" not in text and "\x00" not in text
    check(store_page([tree, tree], HOSTILE, failed=[(HOSTILE, HOSTILE)]))


def marks_of(found):
    """Return the marks of all figures: what each says, its element, and the status of its origin."""
    marks = [node for node in found.root if "mark" in node.classes]
    status = {
        node.attributes["aria-label"]: next(
            one.text for one in found.ids()[node.attributes["data-o"]] if "status" in one.classes
        )
        for node in marks
    }
    return {node.attributes["aria-label"]: (node, status[node.attributes["aria-label"]]) for node in marks}


def use_of(mark):
    return next(node for node in mark if node.name == "use")


def test_what_is_not_proved_never_looks_proved():
    statuses = ("theorem", "published", "refuted", "score")
    bounds = {s: {"status": s, "value": 0.25, "log10_value": -0.6, "source": s} for s in statuses}
    bounds["none"] = {"status": "not_covered", "value": None, "log10_value": None, "reason": "no"}
    found = check(Report({"schema": SCHEMA, "bounds": bounds}).to("html"))
    looks = {}
    for label, (mark, status) in marks_of(found).items():
        name, _, value = label.partition(": ")
        assert value.startswith("0.25" if name == "theorem" else "(0.25") and name in value and status == name
        shape = found.ids()[use_of(mark).attributes["href"][1:]].attributes["d"]
        looks[name] = shape, use_of(mark).attributes["fill"], use_of(mark).attributes["stroke"]
    assert set(looks) == set(statuses)
    assert len({shape for shape, _, _ in looks.values()}) == len({ink for _, _, ink in looks.values()}) == 4
    assert [name for name, (_, fill, ink) in looks.items() if fill == ink] == ["theorem"], (
        "the others are hollow"
    )


def test_only_the_value_of_a_theorem_is_called_one(lenet300):
    found = check(Report(lenet300).to("html"))
    best = {
        node.children[0].text: found.ids()[node.children[1].attributes["data-o"]].children[0].text
        for node in found.ids()["best"]
        if node.name == "div" and "data-o" in node.children[1].attributes
    }
    assert best.pop("value") == "theorem"
    assert set(best.values()) == {"computed"}


def test_what_is_drawn_of_one_ticket():
    bounds = {
        "a": {"status": "theorem", "value": 100.0, "log10_value": 2.0, "vacuous": True},
        "c": {"status": "theorem", "kind": "certificate", "value": 0.5, "log10_value": -0.301},
    }
    errors = {"train_error": 0.0, "test_error": 0.1, "gap": 0.1}
    found = check(Report({"schema": SCHEMA, "bounds": bounds, "empirical": errors}).to("html"))
    marks = marks_of(found)
    assert list(marks) == [
        "a: 100, theorem, vacuous", "c (compression): 0.500", "training error: 0 %", "test error: 10.0 %",
    ]  # fmt: skip
    assert [status for _, status in marks.values()] == ["theorem", "theorem", "measured", "measured"]
    places = [float(use_of(marks[label][0]).attributes["x"]) for label in list(marks)[1:]]
    left, half, tenth = places[1], places[0] - places[1], places[2] - places[1]
    assert half == pytest.approx(5 * tenth) and left < places[2] < places[0], "one linear axis from 0 to 1"
    assert "Shaded: values of 1 or more" in found.one("figcaption").text
    assert any(node.attributes.get("fill") == "var(--shaded)" for node in found.all("path"))


def test_values_that_overflow_are_drawn():
    bounds = {
        "a": {"status": "theorem", "value": None, "log10_value": 340.13, "vacuous": True},
        "b": {"status": "theorem", "value": 0.0, "log10_value": None},
    }
    found = check(Report({"schema": SCHEMA, "bounds": bounds}).to("html"))
    assert list(marks_of(found)) == ["a: 10^340.2, theorem, vacuous"]


def test_tables_sort_by_exact_values():
    values = {"a": 20001.0, "b": 20000.5}
    bounds = {
        n: {"status": "theorem", "value": v, "complexity": v, "vacuous": True} for n, v in values.items()
    }
    found = check(Report({"schema": SCHEMA, "bounds": bounds}).to("html"))
    cells = [row.children for row in found.one("tbody").children]
    assert [cell[0].text for cell in cells] == ["b", "a"]
    assert cells[0][3].text == cells[1][3].text
    for column in (2, 3):
        assert float(cells[0][column].attributes["data-k"]) < float(cells[1][column].attributes["data-k"])


def test_the_histogram_is_in_the_picture():
    histogram = [[0.0, 1.0, 0.5], [0.25, 1.0, 0.0]]
    tree = {"schema": SCHEMA, "graphon": {"layers": [{"name": "a", "histogram": histogram}]}}
    image = check(Report(tree).to("html")).all("image")[0]
    data = base64.b64decode(image.attributes["href"].partition("base64,")[2])
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    pixels = decoded(data)
    assert pixels[0][1] == pixels[1][1] == min(map(min, pixels)), "the densest cells are the darkest"
    assert pixels[0][0] == pixels[1][2] == 255, "no connection is white"
    assert pixels[0][1] < pixels[0][2] < pixels[1][0] < pixels[0][0]


def decoded(png):
    """Return the red of every pixel of an image."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGBA").convert("RGB"))[:, :, 0].astype(int)
        return pixels.tolist()


ODD = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-1e300, 1e300), st.text(max_size=5))
ODD_LIST = st.one_of(
    ODD, st.lists(ODD, max_size=3), st.lists(st.lists(st.floats(0, 1), max_size=2), max_size=2)
)
LAYERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(max_size=40)},
        optional={
            "z": st.dictionaries(st.sampled_from(["narc", "lambda"]), st.none() | st.floats(-1e9, 1e9)),
            "histogram": ODD_LIST,
            "row_degrees": ODD_LIST,
            "cut_from_constant": st.none(),
            "density": st.none() | st.floats(0, 1),
            "ratio": st.none() | st.floats(0, 10),
        },
    ),
    max_size=3,
)
BOUND = st.fixed_dictionaries({
    "status": st.sampled_from(["theorem", "published", "refuted", "score", "not_covered"]),
    "value": st.none() | st.floats(0, 1e300), "log10_value": st.none() | st.floats(-300, 1e5),
})  # fmt: skip
ERRORS = st.none() | st.floats(-1, 1)
TREES = st.fixed_dictionaries(
    {"schema": st.just(SCHEMA)},
    optional={
        "checkpoint": st.fixed_dictionaries({"path": st.text(max_size=60), "density": ERRORS}),
        "bounds": st.dictionaries(st.text(max_size=30).filter(str.strip), BOUND, max_size=4),
        "empirical": st.fixed_dictionaries({"train_error": ERRORS, "test_error": ERRORS, "gap": ERRORS}),
        **{
            part: st.fixed_dictionaries({"layers": LAYERS})
            for part in ("network", "samples", "topology", "graphon")
        },
        "gntk": st.fixed_dictionaries({"eigenvalues": ODD_LIST, "alpha": st.none() | st.floats(-5, 5)}),
        "summary": st.lists(st.text(max_size=60), max_size=3),
    },
)


@given(TREES, TREES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_makes_a_page(tree, other):
    check(Report(tree).to("html"))
    check(store_page([tree, other], "title"))


def test_any_document_makes_a_page():
    found = check(page("heading", (Section("Only", "only", (("a", "1"),), None, ("note",)),)))
    assert found.one("h1").text == "heading"


def test_templates_are_installed():
    listed = Path(__file__).parents[2].joinpath("setup.cfg").read_text()
    assert "boundcalc.report = templates/*" in listed
