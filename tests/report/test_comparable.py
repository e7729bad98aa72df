"""The numbers by which tickets are put side by side."""

from boundcalc.report.comparable import comparable
from boundcalc.report.ranking_sections import ticket_sections


def test_a_score_is_compared_by_its_number_and_a_bound_by_its_value():
    tree = {
        "bounds": {
            "peeling": {"status": "theorem", "log10_value": 1.5, "log10_complexity": 0.5},
            "longsedghi2020": {"status": "score", "log10_value": None, "log10_complexity": 0.75},
            "lin2019": {"status": "not_covered", "log10_value": None, "log10_complexity": None},
        }
    }
    assert comparable(tree) == {
        "bounds.peeling.log10_value": 1.5,
        "bounds.longsedghi2020.log10_complexity": 0.75,
        "bounds.lin2019.log10_value": None,
    }


def test_columns_name_bounds_with_their_status():
    tickets = [
        {"checkpoint": 0, "density": 0.5, "quantities": {"bounds.a.log10_value": 1.0, "samples.ratio": 0.5}}
    ]
    (section,) = ticket_sections(tickets, {"a": "refuted"})
    assert [column.header for column in section.grid.columns][2:] == ["a (refuted)", "samples.ratio"]
