"""A page as a tree of elements, what holds for every page, and trees that have every part."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from boundcalc.report.origin import STATUS_MEANS

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
        self.named = self._named()

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
        return self.named

    def _named(self):
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
            apart = {"skipped", "failed", "sources", "definitions"} & set(ancestors(value))
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


def many(tree, count=12, path="runs/imp/level_{}/main"):
    """Make reports of a lottery's levels; the first has a gap below zero."""
    made = []
    for index in range(count):
        copy = json.loads(json.dumps(full(tree)))
        copy["checkpoint"] |= {"path": path.format(index), "density": 0.8**index}
        copy["empirical"] |= {"gap": 0.01 * (index + 1) if index else -0.01}
        made.append(copy)
    return made
