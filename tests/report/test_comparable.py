"""The numbers by which tickets are put side by side."""

from boundcalc.report.comparable import comparable, subjects
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
    (section,) = ticket_sections(tickets, {"a": "refuted"}, {})
    assert [column.header for column in section.grid.columns][2:] == ["a (refuted)", "samples.ratio"]


def test_a_certificate_is_named_with_the_network_that_it_speaks_of():
    quantities = {"bounds.c.log10_value": -0.2, "bounds.a.log10_value": 1.0, "gntk.kernel_bound": 2.0}
    tickets = [{"checkpoint": 0, "density": 0.5, "quantities": quantities}]
    statuses, of = {"a": "theorem", "c": "theorem"}, {"a": "network", "c": "compression"}
    (section,) = ticket_sections(tickets, statuses, of)
    assert [column.header for column in section.grid.columns][2:] == [
        "c of the compression (theorem)", "a (theorem)", "gntk.kernel_bound of the interpolant",
    ]  # fmt: skip


def test_subjects_are_told_by_the_kind_where_an_older_report_has_none():
    trees = [
        {"bounds": {"occam": {"status": "theorem", "kind": "certificate"}}},
        {"bounds": {"peeling": {"kind": "F"}}},
    ]
    assert subjects(trees) == {"occam": "compression", "peeling": "network"}
