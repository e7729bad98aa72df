"""The page without a browser: one file that needs nothing else, ids that lead somewhere, numbers with an origin."""

import base64
import hashlib
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boundcalc.report import SCHEMA, Report
from boundcalc.report.comparison import Comparison
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.html import page, store_page
from boundcalc.report.html_block import sort_key
from boundcalc.report.html_origin import STATUS_MEANS
from boundcalc.report.html_store import short_names

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}\x1b[31m\u0000"
VOID = {"meta", "link"}


class Node:
    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent, self.children, self.words = name, attributes, parent, [], ""

    def __iter__(self):
        yield self
        for child in self.children:
            yield from child

    @property
    def text(self):
        return self.words + "".join(child.text for child in self.children)

    @property
    def classes(self):
        return (self.attributes.get("class") or "").split()


class Page(HTMLParser):
    """A tree of the page; elements that are closed in the wrong order fail."""

    def __init__(self, text):
        super().__init__()
        self.root = self.here = Node("page", {}, None)
        self.feed(text)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        node = Node(tag, dict(attrs), self.here)
        self.here.children.append(node)
        self.here = self.here if tag in VOID else node

    def handle_startendtag(self, tag, attrs):
        self.here.children.append(Node(tag, dict(attrs), self.here))

    def handle_endtag(self, tag):
        assert tag == self.here.name, f"</{tag}> closes <{self.here.name}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.words += data

    def all(self, name):
        return [node for node in self.root if node.name == name]

    def one(self, name):
        (node,) = self.all(name)
        return node

    def ids(self):
        return {node.attributes["id"]: node for node in self.root if "id" in node.attributes}


def check(text):
    """Check what holds for every page; return it as a tree."""
    found = Page(text)
    listed = [node.attributes["id"] for node in found.root if "id" in node.attributes]
    assert len(set(listed)) == len(listed)
    check_alone(text, found)
    check_origins(found)
    check_tables(found)
    for node in found.root:
        for key in ("aria-labelledby", "aria-describedby"):
            assert node.attributes.get(key, "main") in found.ids()
        if node.name == "a":
            assert node.attributes["href"].removeprefix("#") in found.ids()
    assert found.one("html").attributes["lang"] == "en"
    assert found.one("title").text.strip()
    return found


def check_alone(text, found):
    for node in found.root:
        for key in ("src", "href", "srcset", "action", "style"):
            address = node.attributes.get(key, "")
            assert address.startswith(("#", "data:")) or address == "", (node.name, key)
        assert not any(key.startswith("on") for key in node.attributes), node.attributes
    style, script = found.one("style").text, found.one("script").text
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch|XMLHttp|import\(|eval|innerHTML", script)
    (policy,) = [n.attributes["content"] for n in found.all("meta") if "http-equiv" in n.attributes]
    for inlined in (style, script):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inlined.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")


def check_origins(found):
    """Check that every cell with a number, every picture's mark and caption leads to a status and a source."""
    ids = found.ids()
    for node in found.root:
        if "data-o" in node.attributes:
            origin = ids[node.attributes["data-o"]]
            status, source = (
                next(child for child in origin if name in child.classes) for name in ("status", "source")
            )
            assert status.text in STATUS_MEANS
            assert source.text.strip()
        elif node.name == "td" or "mark" in node.classes or node.name == "figcaption":
            assert not re.search(r"\d", node.text), node.text
            assert "mark" not in node.classes
    for facts in found.all("dl"):
        for value in (node for node in facts if node.name == "dd"):
            apart = {"skipped", "failed", "sources"} & set(ancestors(value))
            assert apart or "data-o" in value.attributes or not re.search(r"\d", value.text), value.text


def ancestors(node):
    while node is not None:
        yield node.attributes.get("id")
        node = node.parent


def check_tables(found):
    for table in found.all("table"):
        heads = [node for node in table if node.name == "th" and node.attributes["scope"] == "col"]
        assert all(node.children[0].name == "button" and node.text.strip() for node in heads)
        assert {node.attributes["aria-sort"] for node in heads} == {"none"}
        body = next(node for node in table if node.name == "tbody")
        for row in body.children:
            assert [cell.name for cell in row.children] == ["th"] + ["td"] * (len(heads) - 1)


def full(tree):
    """Add what a report of a ticket has beside the example's keys."""
    histogram = [[0.5, 0.01], [0.0, 1.0]]
    layer = {"name": HOSTILE, "density": 0.4, "histogram": histogram, "cut_from_constant": [0.1, 0.2]}
    profiles = {"row_degrees": [0.255, 0.5], "column_degrees": [0.25, 0.505]}
    residual = {
        "steps": [0.0, 1.0, 2.0],
        "share": [1.0, 0.5, 0.4],
        "learning_rate": 3.0,
        "chosen": "given",
        "rate": 1.0,
    }
    network = {**tree["network"], "layers": [{**one, "density": 0.1} for one in tree["network"]["layers"]]}
    topology = {"layers": [{"name": HOSTILE, "z": {"narc": 3.5, "lambda": None}}], "draws": 5}
    return {
        **tree,
        "network": network,
        "topology": topology,
        "graphon": {"resolution": 2, "layers": [{**layer, **profiles}]},
        "gntk": {
            "eigenvalues": [1.0, 0.1, 0.01, 0.0],
            "alpha": 2.0,
            "kernel_bound": 0.4,
            "residual": residual,
        },
    }


def test_a_page_stands_alone(tree):
    found = check(Report(tree).to("html"))
    assert tree["checkpoint"]["path"] in found.one("title").text
    assert {"bounds", "read", "skipped", "run", "sources"} <= set(found.ids())


def test_a_page_has_all_pictures(lenet300):
    found = check(Report(full(lenet300)).to("html"))
    titles = [node.text for node in found.all("h3")]
    assert titles == [
        "Bounds and the measured gap",
        "Density of the layers",
        "Samples needed against density",
        "Topology against random masks",
        "Graphons of the layers",
        "Spectrum of the graphon NTK",
        "Decay of the residual",
    ]
    pictures = [node for node in found.all("svg") if {"chart", "heat", "bar"} & set(node.classes)]
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
    for kind, count in (("gap", 2), ("test", 2), ("train", 0), ("one", 2)):
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


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("12.5", 12.5), ("(0.250)", 0.25), ("-1.5", -1.5), ("266,200", 266200), ("1.50e-6", 1.5e-6), ("10^-2.0", 0.01),
        ("[0.1, 0.2]", 0.1), ("5.12 %", 5.12), ("300x784", 300), ("10^99999.0", 1e300), ("-", None), ("fc1", None),
    ],
)  # fmt: skip
def test_sort_keys(text, key):
    assert sort_key(text) == (None if key is None else pytest.approx(key))


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


# -- many tickets -----------------------------------------------------------------------------------------


@pytest.fixture
def tickets(lenet300):
    made = []
    for index in range(12):
        tree = json.loads(json.dumps(full(lenet300)))
        tree["checkpoint"] |= {"path": f"runs/imp/level_{index}/main", "density": 0.8**index}
        tree["empirical"] |= {"gap": 0.01 * (index + 1) if index else -0.01}
        made.append(tree)
    return made


def test_a_store_page_has_every_ticket(tickets):
    correlations = Grid((Column("quantity"), Column("tau", right=True)), (("peeling", "0.35"),))
    extra = Section("Rank correlations", "tau", grid=correlations)
    found = check(store_page(tickets, "runs", [extra], [("runs/broken.pt", "not a checkpoint")]))
    assert {"tickets", "bounds", "density", "tau", "failed"} <= set(found.ids())
    names = [node.text for node in found.all("th") if node.attributes.get("id", "").startswith("t")]
    assert names == [f"level_{index}/main" for index in range(12)]
    bounds = [n for n in found.ids()["bounds"] if "mark" in n.classes and "proved" in n.classes]
    proved = [name for name, bound in tickets[0]["bounds"].items() if bound["status"] == "theorem"]
    assert len(bounds) == 11 * len(proved)
    assert "1 tickets without a positive gap are not drawn." in found.ids()["bounds"].text


def test_an_empty_store_makes_a_page():
    found = check(store_page([], "nothing", failed=[("a.pt", "refused")]))
    assert "refused" in found.ids()["failed"].text


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []), (["a/b.pt"], ["b.pt"]), (["x/b.pt", "y/b.pt"], ["x/b.pt", "y/b.pt"]), (["a/b", "a/b"], ["b", "b"]),
        (["r_1/level_0/main", "r_2/level_0/main"], ["r_1/level_0/main", "r_2/level_0/main"]),
    ],
)  # fmt: skip
def test_short_names(paths, names):
    assert short_names(paths) == names


def test_a_comparison_has_a_page():
    one = {"path": "a.pt", "sha256": "0", "format": "f", "parameters": 10, "surviving": 5, "density": 0.5}
    layer = {
        "names": ["a", "a"],
        "shapes": [[2, 5], [2, 5]],
        "densities": [0.5, 0.5],
        "l2": 0.1,
        "cut": [0.0, 0.1],
    }
    tree = {
        "schema": "boundcalc.compare/1", "version": "1", "seed": 0, "resolution": 64, "against": "first",
        "checkpoints": [one, one], "pairs": [{"checkpoints": [0, 1], "layers": [layer]}],
        "tickets": [], "statuses": {}, "correlations": [],
    }  # fmt: skip
    found = check(Comparison(tree).to("html"))
    assert "[0, 0.101]" in found.ids()["masks-1-2"].text


def test_any_document_makes_a_page():
    found = check(page("heading", (Section("Only", "only", (("a", "1"),), None, ("note",)),)))
    assert found.one("h1").text == "heading"


def test_templates_are_installed():
    listed = Path(__file__).parents[2].joinpath("setup.cfg").read_text()
    assert "boundcalc.report = templates/*" in listed
