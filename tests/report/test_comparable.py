"""The numbers by which tickets are put side by side."""

from boundcalc.report.comparable import comparable, described, subjects
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
    about = {"bounds.a.log10_value": {"label": "a", "status": "refuted", "unit": "log10 bound"}}
    (section,) = ticket_sections(tickets, ["t.pt"], about)
    assert [column.header for column in section.grid.columns][2:] == ["a (refuted)", "samples.ratio"]
    assert section.grid.rows == (("t.pt", "50.0 %", "(10.0)", "0.500"),)
    assert section.grid.rows[0][2].number == 1.0 and section.grid.rows[0][2].status == "refuted"


def test_a_certificate_is_named_with_the_network_that_it_speaks_of():
    quantities = {"bounds.c.log10_value": -0.2, "bounds.a.log10_value": 1.0, "gntk.kernel_bound": 2.0}
    tickets = [{"checkpoint": 0, "density": 0.5, "quantities": quantities}]
    bound = {"status": "theorem", "unit": "log10 bound", "origin": "theorem", "source": "A 2020"}
    about = {
        "bounds.c.log10_value": {"label": "c", "subject": "compression", **bound},
        "bounds.a.log10_value": {"label": "a", "subject": "network", **bound},
        "gntk.kernel_bound": {"label": "NTK kernel bound", "subject": "interpolant"},
    }
    (section,) = ticket_sections(tickets, ["t.pt"], about)
    assert [column.header for column in section.grid.columns][2:] == [
        "c (theorem, of the compression)", "a (theorem)", "NTK kernel bound (interpolant)",
    ]  # fmt: skip
    assert section.grid.rows[0][2:4] == ("0.631", "10.0")
    assert section.grid.rows[0][2].origin.source == "A 2020"


def test_what_is_known_of_a_quantity_travels_with_it(lenet300):
    about = described([lenet300])
    assert set(about) == set(comparable(lenet300))
    peeling = about["bounds.peeling.log10_value"]
    assert (peeling["label"], peeling["status"], peeling["subject"]) == ("peeling", "theorem", "network")
    assert about["empirical.gap"]["unit"] == "share" and about["empirical.gap"]["origin"] == "measured"


def test_subjects_are_told_by_the_kind_where_an_older_report_has_none():
    trees = [
        {"bounds": {"occam": {"status": "theorem", "kind": "certificate"}}},
        {"bounds": {"peeling": {"kind": "F"}}},
    ]
    assert subjects(trees) == {"occam": "compression", "peeling": "network"}
