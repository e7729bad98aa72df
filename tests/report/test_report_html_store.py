"""Pages on many tickets, without a browser."""

import pytest
from report_pages import check, many

from boundcalc.report.comparison import Comparison
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.names import short_names
from boundcalc.report.ranking_sections import ticket_sections
from boundcalc.report.views.html import page, store_page


@pytest.fixture
def tickets(lenet300):
    return many(lenet300)


def test_a_store_page_has_every_ticket(tickets):
    correlations = Grid((Column("quantity"), Column("tau", right=True)), (("peeling", "0.35"),))
    extra = Section("Rank correlations", "tau", grid=correlations)
    found = check(store_page(tickets, "runs", [extra], [("runs/broken.pt", "not a checkpoint")]))
    assert {"overview", "tickets", "bounds", "masks", "tau", "failed"} <= set(found.ids())
    assert next(iter(found.all("section"))).attributes["id"] == "overview", "the overlay stands first"
    names = [node.text for node in found.all("th") if node.attributes.get("id", "").startswith("t")]
    assert names == [f"level_{index}/main" for index in range(12)]
    marks = [node.attributes["aria-label"] for node in found.ids()["overview"] if "mark" in node.classes]
    proved = [
        name
        for name, bound in tickets[0]["bounds"].items()
        if bound["status"] == "theorem" and bound["value"]
    ]
    for name in proved:
        assert sum(f": {name} " in label for label in marks) == 12
    assert sum(": gap" in label for label in marks) == 12


def test_correlations_of_few_tickets_are_not_shown(tickets):
    extra = Section("Rank correlation with the gap", "correlation-gap", notes=("peeling: 0.35",))
    assert "correlation-gap" in check(store_page(tickets[:8], "runs", [extra])).ids()
    few = check(store_page(tickets[:7], "runs", [extra]))
    assert "correlation-gap" not in few.ids()
    assert "for 8 or more tickets. This page has 7." in few.ids()["correlations"].text


def test_a_reason_is_said_once_for_all_bounds_that_have_it(tickets):
    for ticket in tickets:
        for name in ("graf2022_norms", "lin2019"):
            ticket["bounds"][name] = {
                "status": "not_covered",
                "value": None,
                "reason": "not covered: bias at fc1",
            }
    text = check(store_page(tickets, "runs")).ids()["bounds"].text
    assert text.count("bias at fc1") == 1 and "graf2022_norms, lin2019" in text


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


def test_tickets_stand_in_natural_order(lenet300):
    tickets = many(lenet300, 12)
    found = check(store_page(tickets[::-1], "runs"))
    names = [node.text for node in found.all("th") if node.attributes.get("id", "").startswith("t")]
    assert names == [f"level_{index}/main" for index in range(12)]


def test_a_bound_without_any_value_says_why(tickets):
    for ticket in tickets:
        ticket["bounds"]["lin2019"] = {
            "status": "not_covered",
            "value": None,
            "reason": "not covered: bias at fc1",
        }
    block = check(store_page(tickets, "runs")).ids()["bounds"]
    (why,) = [node for node in block if node.name == "dd" and "bias at fc1" in node.text]
    assert why.text == "no value for any ticket: not covered: bias at fc1"
    assert "lin2019" not in [node.text for node in block if node.name == "th"]


def test_vacuous_values_are_shaded(tickets):
    for ticket, value in zip(tickets, (0.5, 2.0), strict=False):
        ticket["bounds"]["peeling"] |= {"value": value, "log10_value": None, "vacuous": value >= 1}
    cells = [node for node in check(store_page(tickets[:2], "runs")).ids()["bounds"] if node.name == "td"]
    assert {node.text: "vacuous" in node.classes for node in cells if node.text in ("0.500", "2.00")} == {
        "0.500": False,
        "2.00": True,
    }


def test_what_is_not_proved_looks_so_in_a_comparison():
    bound = {"unit": "log10 bound", "subject": "network", "source": "Golowich 2018"}
    about = {
        "a": {"label": "galanti2023", "status": "refuted", "origin": "refuted", **bound},
        "b": {"label": "peeling", "status": "theorem", "origin": "theorem", **bound},
        "c": {"label": "gap", "unit": "share", "origin": "measured", "source": "a sample"},
    }
    tickets = [{"checkpoint": 0, "density": None, "quantities": {"a": 7.75, "b": 7.65, "c": 0.034}}]
    found = check(page("boundcalc compare", ticket_sections(tickets, ["t.pt"], about)))
    _, *cells = found.all("td")
    refuted, proved, gap = cells
    statuses = [
        next(node for node in found.ids()[cell.attributes["data-o"]] if "status" in node.classes).text
        for cell in (refuted, proved, gap)
    ]
    assert statuses == ["refuted", "theorem", "measured"]
    assert refuted.text == "(10^7.8)" and "refuted" in refuted.classes
    assert proved.text == "10^7.7" and "refuted" not in proved.classes
    assert "Golowich" in found.ids()[proved.attributes["data-o"]].text
