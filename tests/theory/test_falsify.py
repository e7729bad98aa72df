"""The falsifier finds what is false: broken formulas, the refuted bound, third parties' bounds; and it can be replayed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache

import pytest
import torch

from boundcalc.bounds.catalogue import Bound, registry
from boundcalc.bounds.classes import FROBENIUS, SPECTRAL_ROWS, Scale, parts_of
from boundcalc.bounds.outcome import Formula, LossComplexity, NormComplexity
from boundcalc.bounds.peeling import norms as peeling_norms
from boundcalc.bounds.risk import margin_error
from boundcalc.errors import DataError
from boundcalc.norms.toeplitz import Rows
from boundcalc.theory import falsify_coverage, falsify_known
from boundcalc.theory.falsify import falsify
from boundcalc.theory.falsify_draw import EDGES, draw
from boundcalc.theory.falsify_found import Attack, Coverage, Falsification, NotRefuted
from boundcalc.theory.falsify_replay import replay
from boundcalc.theory.falsify_report import render, tree
from boundcalc.threads import one_thread

TRIALS = len(EDGES)


@pytest.fixture(autouse=True, scope="module")
def quick():
    """One thread, and every training set made once."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("boundcalc.theory.falsify.train", cache(falsify_coverage.train))
        yield


def broken(name, log_change):
    """A bound of the registry whose complexity is multiplied, given the problem."""
    bound = registry[name]

    def compute(problem):
        outcome = bound.compute(problem)
        change = log_change(problem)
        if isinstance(outcome, NormComplexity):
            return replace(outcome, log_unit=outcome.log_unit + change)
        if isinstance(outcome, LossComplexity):
            return replace(outcome, log_complexity=lambda *given: outcome.log_complexity(*given) + change)
        return replace(outcome, log_complexity=lambda given: outcome.log_complexity(given) + change)

    return replace(bound, compute=compute)


def classes(problem):
    return math.log(problem.network.outputs)


def hidden(problem):
    return problem.network.depth - 1


def samples(problem):
    return math.log(problem.energies.m)


MUTANTS = {
    "peeling without sqrt(C)": ("peeling", lambda problem: -0.5 * classes(problem)),
    "peeling over m^(3/2)": ("peeling", lambda problem: -0.5 * samples(problem)),
    "path norm over m^(3/2)": ("path_norm", lambda problem: -0.5 * samples(problem)),
    "l1-inf without C": ("golowich2018_1inf", lambda problem: -classes(problem)),
    "neyshabur with 2^(1-L)": (
        "neyshabur2015_fro", lambda problem: -2 * hidden(problem) * math.log(2),
    ),
    "neyshabur l1-inf without C": ("neyshabur2015_1inf", lambda problem: -classes(problem)),
    "gouk without C": ("gouk2021_1inf", lambda problem: -classes(problem)),
    "gouk over m^(3/2)": ("gouk2021_fro", lambda problem: -0.5 * samples(problem)),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_formula_is_caught(mutant):
    name, change = MUTANTS[mutant]
    found = falsify([broken(name, change)], TRIALS)
    assert found.theorems_violated == (name,)
    assert found.attacks[0].violations[0].limit > found.attacks[0].violations[0].claimed


def test_a_missing_fan_in_is_caught(monkeypatch):
    for number in (
        "weights",
        "scales",
        "squared",
        "rescaled",
    ):  # L1, which needs no fan-in, takes the sizes of L2, which does
        monkeypatch.setattr(peeling_norms.L1, number, getattr(peeling_norms.L2, number))
    found = falsify([registry["peeling"]], TRIALS)
    assert found.theorems_violated == ("peeling",)
    assert any("conv 1x1 to 1" in one.case.words for one in found.attacks[0].violations)


def test_a_wrong_norm_is_caught(monkeypatch):
    """The bound's rho is too small: the class that is attacked does not use the bound's arithmetic."""
    whole = Rows.frobenius_squared
    monkeypatch.setattr(
        "boundcalc.norms.toeplitz.Rows.frobenius_squared",
        lambda self: replace(whole(self), mantissa=0.01 * whole(self).mantissa),
    )
    assert falsify([registry["golowich2018_fro"]], TRIALS).theorems_violated == ("golowich2018_fro",)


def test_dropping_the_contraction_factor_leaves_a_tie_that_is_no_violation():
    """Without 3/2 a ReLU the class attains the whole claim on one sample; no sample is known on which it attains more."""
    mutant = broken("neyshabur2015_fro", lambda problem: -hidden(problem) * math.log(1.5))
    attack = falsify([mutant], TRIALS).attacks[0]
    assert attack.tightest_hidden.ratio < 1.6
    assert not attack.violations


def test_the_refuted_formula_as_a_theorem_is_caught():
    found = falsify([replace(registry["galanti2023"], status="theorem")], 1)
    assert found.theorems_violated == ("galanti2023",)


def test_a_refuted_bound_is_refuted_by_its_stored_counter_example_on_every_run():
    for seed in range(3):
        attack = falsify([registry["galanti2023"]], 1, seed).attacks[0]
        stored = attack.violations[0]
        assert stored.trial == -1 and stored.mean > 0.52 and stored.claimed < 0.3


def test_refuted_bounds_that_were_not_asked_for_are_refuted_too():
    found = falsify([registry["longsedghi2020"]], 1, 5)
    assert [attack.bound.name for attack in found.attacks] == ["longsedghi2020"]
    (attack,) = found.recalled
    assert attack.bound.name == "galanti2023" and attack.violations[0].trial == -1
    told = tree(found)
    assert told["bounds"]["galanti2023"]["violations"] == 1 and told["violations"][0]["trial"] == -1
    assert "as in every run" in render(found, "table").replace("\n", " ")
    assert falsify([registry["galanti2023"]], 1).recalled == ()


def test_a_counter_example_that_refutes_no_more_is_an_error_whatever_was_asked_for(monkeypatch):
    harmless = draw(0, 0)
    monkeypatch.setitem(falsify_known.COUNTER_EXAMPLES, "galanti2023", lambda: harmless)
    with pytest.raises(NotRefuted, match=r"galanti2023 has status refuted, but its counter-example attains"):
        falsify([registry["longsedghi2020"]], 1)


def test_what_is_not_refuted_hides_no_violated_theorem():
    holds = replace(registry["golowich2018_fro"], status="refuted")
    with pytest.raises(NotRefuted) as caught:
        falsify([holds, broken("peeling", lambda problem: -0.5 * classes(problem))], 3)
    assert caught.value.found.theorems_violated == ("peeling",)


def test_a_refuted_bound_that_holds_is_an_error():
    holds = replace(registry["golowich2018_fro"], status="refuted")
    with pytest.raises(NotRefuted, match="golowich2018_fro has status refuted, but no counter-example"):
        falsify([holds], 2)
    repaired = broken("peeling", lambda problem: 0.0)
    with pytest.raises(NotRefuted, match=r"galanti2023 has status refuted, but its counter-example attains"):
        falsify([replace(repaired, name="galanti2023", status="refuted")], 1)


@pytest.mark.parametrize(
    "name", ["peeling", "path_norm", "golowich2018_1inf", "neyshabur2015_fro", "bartlett2017"]
)
def test_theorems_hold(name):
    attack = falsify([registry[name]], TRIALS + 5, seed=1).attacks[0]
    assert attack.trials > 10 and not attack.violated
    tightest = attack.tightest
    assert tightest.mean - 5 * tightest.error <= tightest.claimed * (1 + 1e-9)
    assert attack.coverage[0].sets == TRIALS + 5


def test_a_loss_class_far_below_is_caught():
    tiny = broken("bartlett2017", lambda problem: -math.log(100))
    assert falsify([tiny], TRIALS).theorems_violated == ("bartlett2017",)


# ------------------------------------------------------------------------------- third parties


def spectral_product(problem):
    """A wrong theorem: products of spectral norms alone, for any number of outputs."""
    chain = problem.toeplitz()
    log_rho = sum(math.log(norm) for norm in chain.spectral)
    return NormComplexity(log_rho, 0.5 * math.log(problem.energies.frobenius_squared) - samples(problem))


def _spectral_number(networks, terms):
    norms = [torch.linalg.matrix_norm(part.matrix, ord=2) for part in parts_of(networks)]
    return torch.stack(norms).log().sum(0)


def test_a_third_party_declares_its_class_in_the_same_way():
    declared = Scale("chains by spectral norms", _spectral_number, biases=False)
    mine = Bound("mine", "F", "theorem", "nowhere", (), spectral_product, spectral=True, hypotheses=declared)
    found = falsify([mine], TRIALS)
    assert found.theorems_violated == ("mine",)


def overfit(problem):
    return Formula(0.0, math.log(margin_error(problem, 0.0) + 1e-9))


def test_a_bound_on_the_error_that_is_the_training_error_is_caught():
    mine = Bound("mine", "F", "theorem", "nowhere", (), overfit)
    attack = falsify([mine], 25).attacks[0]
    assert attack.violated and not attack.violations
    assert attack.coverage[0].limit > attack.coverage[0].delta
    assert attack.reason == "declares no class, so only its bound on the error was attacked"


def test_on_easy_worlds_bounds_by_norms_are_below_1():
    worlds = [falsify_coverage.train(0, trial) for trial in range(24)]
    easy = [world for world in worlds if world.problem.energies.m == falsify_coverage.LARGE_SAMPLE]
    assert len(easy) >= 3
    for name in ("peeling", "path_norm", "neyshabur2015_fro", "gouk2021_1inf"):
        found = [falsify_coverage.compared(registry[name], world) for world in easy]
        assert any(one.is_nonvacuous for one in found) and not any(one.exceeded for one in found), name


def test_the_report_says_where_coverage_tells_nothing():
    sets = {"peeling": 3, "path_norm": 0, "occam": 12}
    attacks = tuple(
        Attack(registry[name], coverage=(Coverage(12, 0, 0.05, 0.0, "its bound on the error", telling),))
        for name, telling in sets.items()
    )
    found = Falsification(attacks, 12, 0)
    text = " ".join(render(found, "table").split())
    assert "below 1 and so could be exceeded: peeling 3 of 12, occam 12 of 12" in text
    assert "Bounds that were never below 1, so coverage says nothing about them: path_norm" in text
    assert tree(found)["bounds"]["peeling"]["coverage"][0]["below_1"] == 3


def test_a_certificate_that_forgets_its_bits_is_caught(monkeypatch):
    assert not falsify([registry["occam"]], 12).attacks[0].violated
    from boundcalc.occam.kl import certificate

    monkeypatch.setattr(
        falsify_coverage, "certificate", lambda errors, m, bits, delta: certificate(errors, m, 0.0, delta)
    )
    assert falsify([registry["occam"]], 12).theorems_violated == ("occam",)


def failing(problem):
    raise RuntimeError("out of luck")


def test_failing_and_unfitting_bounds_are_told_and_end_nothing():
    bounds = [
        Bound("fails", "F", "theorem", "nowhere", (), failing, hypotheses=FROBENIUS),
        Bound("unfit", "F", "theorem", "nowhere", (), spectral_product, hypotheses=SPECTRAL_ROWS),
    ]
    fails, unfit = falsify(bounds, 2).attacks
    assert fails.trials == unfit.trials == 0
    assert any("out of luck" in reason for reason in fails.uncovered)
    assert "unfit declares no class that fits its outcome" in unfit.uncovered


def test_scores_make_no_statement():
    attack = falsify([registry["longsedghi2020"]], 3).attacks[0]
    assert attack.trials == 0 and attack.reason == "a score makes no statement that could be violated"


def test_published_bounds_are_attacked_and_end_no_run():
    tiny = replace(broken("lin2019", lambda problem: -math.log(1e4)), status="published")
    found = falsify([tiny], TRIALS)
    assert found.attacks[0].violations and found.theorems_violated == ()
    assert "lin2019" in render(found, "table").split("Violations")[1]


# ------------------------------------------------------------------------------- determinism and replay


def test_the_same_seed_gives_the_same_result():
    first, second = (tree(falsify([registry["path_norm"], registry["galanti2023"]], 4, 3)) for _ in range(2))
    assert first == second
    assert tree(falsify([registry["path_norm"]], 4, 4)) != first


def test_violations_are_replayed_exactly(tmp_path):
    bounds = {
        "peeling": broken("peeling", lambda problem: -0.5 * classes(problem)),
        "galanti2023": registry["galanti2023"],
    }
    found = falsify(bounds.values(), 8, 3)
    place = tmp_path / "found.json"
    place.write_text(render(found, "json"))
    again = replay(str(place), bounds)
    before = [one for attack in found.attacks for one in attack.violations]
    after = [one for attack in again.attacks for one in attack.violations]
    assert again.theorems_violated[:1] == ("peeling",) and len(before) == len(after) > 2
    assert any(one.alpha == 0 for one in before) and any(one.alpha > 0 for one in before)
    for old, new in zip(before, after, strict=True):
        assert new.case.words == old.case.words and new.claimed == old.claimed and new.violated
        assert (new.mean, new.limit, new.draws) == (old.mean, old.limit, old.draws)
    told = tree(again)
    assert [told["bounds"][name]["violations"] for name in bounds] == [
        len(attack.violations) for attack in found.attacks
    ]
    repaired = replay(str(place), registry)
    assert repaired.theorems_violated == ()


def test_one_record_and_a_failed_error_bound_are_replayed(tmp_path):
    mine = Bound("mine", "F", "theorem", "nowhere", (), overfit)
    record = json.loads(render(falsify([mine], 20), "json"))["violations"][0]
    place = tmp_path / "record.json"
    place.write_text(json.dumps(record))
    again = replay(str(place), {"mine": mine})
    assert again.theorems_violated == ("mine",) and again.attacks[0].bound is mine


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "holds no violations"),
        ('{"violations": 3}', "holds no violations"),
        ('{"bound": "nobody"}', "violation 0 is of nobody, which is not a registered bound"),
        ('{"bound": "peeling"}', "violation 0 is damaged: KeyError 'attack'"),
        ('{"bound": "peeling", "attack": "complexity", "trial": 1, "seed": 0, "case": {}}', "is damaged: KeyError"),
        ('{"bound": "peeling", "attack": "complexity", "trial": -1}', "is damaged: KeyError 'peeling'"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_in_one_line(tmp_path, text, words):
    place = tmp_path / "found.json"
    place.write_text(text)
    with pytest.raises(DataError) as refused:
        replay(str(place))
    assert str(place) in str(refused.value) and words in str(refused.value)


def test_every_view_names_the_bounds_and_the_violations():
    found = falsify([registry["galanti2023"], registry["longsedghi2020"]], 2)
    for format in ("table", "markdown", "latex", "csv", "json"):
        text = render(found, format)
        assert "galanti2023" in text and "longsedghi2020" in text and "refuted" in text
    plain = json.loads(render(found, "json"))
    assert plain["bounds"]["galanti2023"]["violations"] >= 1
    assert plain["violations"][0]["trial"] == -1 and plain["theorems_violated"] == []
