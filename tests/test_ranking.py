"""Tickets in order, and which quantities rank them as gap and accuracy do."""

from __future__ import annotations

import pytest

from boundcalc.ranking import correlations, lottery, ranked, tickets


def report(path, density, gap=None, error=None, **bounds):
    found = {
        "checkpoint": {"path": path, "density": density},
        "bounds": {name: {"status": "theorem", "log10_value": value} for name, value in bounds.items()},
    }
    if error is not None:
        found["empirical"] = {"train_error": 0.0, "test_error": error, "gap": gap}
    return found


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("runs/imp/replicate_1/level_22/main", "runs/imp/replicate_1"),
        ("/a/lottery_0/replicate_1/level_pretrain/main", "/a/lottery_0/replicate_1"),
        ("level_3/main", ""),
        ("tickets/a.pt", "tickets"),
        ("/tickets/high_level_3/a.pt", "/tickets/high_level_3"),
        ("a.pt", ""),
    ],
)
def test_levels_of_one_lottery_belong_together(path, home):
    assert lottery(path) == home


def test_tickets_are_by_lottery_and_from_dense_to_sparse():
    given = [
        report("b/level_0/main", 1.0), report("a/level_10/main", 0.1), report("a/level_2/main", 0.5),
        report("a/level_0/main", 1.0), report("a/level_1/main", 0.5),
    ]  # fmt: skip
    found = tickets(given, [None, 0.1, 0.2, 0.3, 0.4])
    assert [one["checkpoint"] for one in found] == [3, 2, 4, 1, 0]
    assert [one["lottery"] for one in found] == ["a", "a", "a", "a", "b"]
    assert [one["density"] for one in found] == [1.0, 0.5, 0.5, 0.1, 1.0]
    assert [one["quantities"]["masks.cut"] for one in found] == [0.3, 0.2, 0.4, 0.1, None]
    assert "masks.cut" not in tickets(given)[0]["quantities"]


def levels(**changes):
    """Six levels: gap rises with density, one bound with it, one against it, one for four of them only."""
    given = []
    for number in range(6):
        rise = 1.0 - number / 6
        bounds = {
            "good": rise,
            "bad": -rise,
            "some": rise if number < 4 else None,
            "few": rise if number < 3 else None,
        }
        given.append(report(f"l/level_{number}/main", rise, gap=rise / 10, error=0.5 - rise / 4, **bounds))
    return [{**one, **changes} for one in given]


def entry(found, quantity, target):
    (one,) = (one for one in found if (one["quantity"], one["with"]) == (quantity, target))
    return one


def test_every_quantity_is_ranked_with_gap_and_accuracy():
    ordered, found = ranked(levels())
    assert [one["checkpoint"] for one in ordered] == list(range(6))
    for target in ("gap", "accuracy"):
        assert entry(found, "bounds.good.log10_value", target)["tau"] == 1
        assert entry(found, "bounds.bad.log10_value", target)["tau"] == -1
        assert entry(found, "density", target)["tau"] == 1
    some, few = (entry(found, f"bounds.{name}.log10_value", "gap") for name in ("some", "few"))
    assert (some["n"], some["left_out"], some["tau"]) == (4, 2, 1)
    assert (few["n"], few["left_out"], few["tau"], few["interval"]) == (3, 3, None, None)
    assert few["reason"] == "too few tickets for a correlation (3; 4 are needed)"
    assert {one["status"] for one in found} == {"theorem", ""}
    assert not [one for one in found if one["quantity"].startswith("empirical.")]


def test_density_is_not_partial_to_itself():
    _, found = ranked(levels())
    assert entry(found, "density", "gap")["partial"] is None
    assert entry(found, "density", "gap")["partial_reason"] == "density itself"


def test_nothing_is_ranked_without_a_measurement():
    given = [{key: value for key, value in one.items() if key != "empirical"} for one in levels()]
    assert ranked(given)[1] == []
    assert {
        one["with"] for one in ranked(levels(empirical={"train_error": 0, "test_error": 0.1, "gap": None}))[1]
    } == {"accuracy"}


def test_a_ticket_without_a_quantity_is_left_out_and_not_filled_in():
    given = levels()
    del given[2]["bounds"]["good"]
    del given[4]["empirical"]
    ordered, found = ranked(given)
    assert "bounds.good.log10_value" not in ordered[2]["quantities"]
    one = entry(found, "bounds.good.log10_value", "gap")
    assert (one["n"], one["left_out"], one["tau"]) == (4, 2, 1)


def test_the_seed_is_that_of_the_bootstrap():
    given = levels()
    for number, one in enumerate(given):
        one["empirical"]["gap"] = [3, 1, 4, 1, 5, 9][number] / 10
    ordered, found = ranked(given)
    assert ranked(given)[1] == found
    other = correlations(ordered, {}, seed=1)
    one, two = (entry(each, "bounds.good.log10_value", "gap") for each in (found, other))
    assert one["tau"] == two["tau"]
    assert one["interval"] != two["interval"]
