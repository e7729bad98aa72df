"""The page without a browser: one file that needs nothing else, ids that lead somewhere, numbers with an origin."""

import base64
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_pages import HOSTILE, check, full

from boundcalc.report import SCHEMA, Report
from boundcalc.report.document import Section
from boundcalc.report.html import page, store_page


def test_a_page_stands_alone(tree):
    found = check(Report(tree).to("html"))
    assert tree["checkpoint"]["path"] in found.one("title").text
    assert {"bounds", "read", "skipped", "run", "sources"} <= set(found.ids())


def test_a_page_has_all_pictures(lenet300):
    found = check(Report(full(lenet300)).to("html"))
    titles = [node.text for node in found.all("h3")]
    assert titles == [
        "Bounds of your network",
        "Certificates of its compression",
        "For reference: not proved",
        "Density of the layers",
        "Samples needed against density",
        "Topology against random masks",
        "Graphons of the layers",
        "Spectrum of the graphon NTK",
        "Decay of the residual",
    ]
    pictures = [node for node in found.all("svg") if {"chart", "heat", "scale"} & set(node.classes)]
    assert len(pictures) == len(titles) + 1
    assert all(node.attributes["aria-label"] for node in pictures)


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


def marks_of(found, kind):
    return [node.attributes["aria-label"] for node in found.all("svg") if {"mark", kind} <= set(node.classes)]


def test_what_is_not_proved_never_looks_proved():
    statuses = ("theorem", "published", "refuted", "score")
    bounds = {s: {"status": s, "value": 0.25, "log10_value": -0.6, "source": s} for s in statuses}
    bounds["none"] = {"status": "not_covered", "value": None, "log10_value": None, "reason": "no"}
    found = check(Report({"schema": SCHEMA, "bounds": bounds}).to("html"))
    looks = {}
    for node in found.all("svg"):
        if "mark" in node.classes:
            name = node.attributes["aria-label"].partition(":")[0]
            path = next(child for child in node if child.name == "path").attributes["d"]
            looks[name] = path, tuple(node.classes)
            value = node.attributes["aria-label"].split(": ")[1]
            assert value.startswith("0.25" if name == "theorem" else "(0.25") and name in value.lower()
    assert set(looks) == set(statuses)
    assert len({path for path, _ in looks.values()}) == len({classes for _, classes in looks.values()}) == 4
    assert [name for name, (_, classes) in looks.items() if "proved" in classes] == ["theorem"]


def test_only_the_value_of_a_theorem_is_called_one(lenet300):
    found = check(Report(lenet300).to("html"))
    best = {
        node.children[0].text: found.ids()[node.children[1].attributes["data-o"]].children[0].text
        for node in found.ids()["best"]
        if node.name == "div" and "data-o" in node.children[1].attributes
    }
    assert best.pop("value") == "theorem"
    assert set(best.values()) == {"computed"}


def test_the_vacuous_region_and_the_measured_lines():
    bounds = {"a": {"status": "theorem", "value": 100.0, "log10_value": 2.0, "vacuous": True}}
    tree = {
        "schema": SCHEMA,
        "bounds": bounds,
        "empirical": {"train_error": 0.0, "test_error": 0.1, "gap": 0.1},
    }
    found = check(Report(tree).to("html"))
    (shaded,) = [node for node in found.all("rect") if "vacuous" in node.classes]
    assert float(shaded.attributes["x"][:-1]) == pytest.approx(2 + 96 / 3, abs=0.01)
    (mark,) = [node for node in found.all("svg") if "mark" in node.classes]
    assert float(mark.attributes["x"][:-1]) == pytest.approx(98)
    for kind, count in (("gap", 1), ("test", 1), ("train", 0), ("one", 1)):
        lines = [n for n in found.all("line") if {"level", kind} <= set(n.classes)]
        assert len(lines) == count
    assert "training error 0" in found.one("figcaption").text


def test_values_that_overflow_are_drawn():
    bounds = {
        "a": {"status": "theorem", "value": None, "log10_value": 340.13, "vacuous": True},
        "b": {"status": "theorem", "value": 0.0, "log10_value": None},
    }
    found = check(Report({"schema": SCHEMA, "bounds": bounds}).to("html"))
    assert marks_of(found, "proved") == ["a: 10^340.2, theorem, vacuous"]
    assert "Without a value" not in found.one("figcaption").text.replace("Without a value: b", "")


def test_tables_sort_by_exact_values():
    values = {"a": 20001.0, "b": 20000.0}
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
    histogram = [[0.0, 1.0, 0.1], [0.01, 1.0, 0.0]]
    tree = {"schema": SCHEMA, "graphon": {"layers": [{"name": "a", "histogram": histogram}]}}
    image, _ = check(Report(tree).to("html")).all("image")
    data = base64.b64decode(image.attributes["href"].partition("base64,")[2])
    chunks, place = {}, 8
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack(">I", data[place + 8 + size : place + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind], place = body, place + 12 + size
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (3, 2)
    assert zlib.decompress(chunks[b"IDAT"]) == bytes([0, 0, 255, 128, 0, 1, 255, 0])
    assert chunks[b"PLTE"][:3] == b"\xff\xff\xff"


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
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_makes_a_page(tree, other):
    check(Report(tree).to("html"))
    check(store_page([tree, other], "title"))


def test_any_document_makes_a_page():
    found = check(page("heading", (Section("Only", "only", (("a", "1"),), None, ("note",)),)))
    assert found.one("h1").text == "heading"


def test_templates_are_installed():
    listed = Path(__file__).parents[2].joinpath("setup.cfg").read_text()
    assert "boundcalc.report = templates/*" in listed
