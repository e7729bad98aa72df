"""What is proved, and of which network: nothing said of one subject depends on another."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.bounds import Bound, registry
from boundcalc.bounds.outcome import Coded, CodewordCertificate, Formula
from boundcalc.report import Report
from boundcalc.report.rows import document

OF_NETWORK = ("bounds", "best", "reference")
EXCESS = "error - margin error"


def perceptron(*sizes, seed=0):
    """A random, pruned, untrained network."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(out, width) for width, out in zip(sizes, sizes[1:], strict=False)]
    weights = [
        torch.randn(shape, generator=generator) * (torch.rand(shape, generator=generator) < 0.6)
        for shape in shapes
    ]
    return {f"fc{number}.weight": weight for number, weight in enumerate(weights)}


def clusters(m, classes=3, seed=0):
    """Classes that are far apart: x is a noisy unit vector."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, m)
    return np.eye(classes)[y] + 0.05 * random.random((m, classes)), y


def arrays(m=300, seed=0):
    random = np.random.default_rng(seed)
    return random.random((m, 6)), random.integers(0, 3, m), random.random((50, 6)), random.integers(0, 3, 50)


def network_only(report):
    """All that a report says of the checkpoint's own network."""
    tree = report.to_dict()
    sections = [section for section in document(tree) if section.slug in OF_NETWORK]
    sentences = {
        topic: line for topic, line in tree["verdict"]["sentences"].items() if topic != "its compression"
    }
    rows = [
        line
        for line in report.to("csv").splitlines()
        if line.endswith(",network") and ",bounds,occam," not in line
    ]
    bounds = {name: bound for name, bound in tree["bounds"].items() if bound["subject"] == "network"}
    verdict = {key: tree["verdict"][key] for key in ("network", "test_set")}
    return sections, sentences, rows, bounds, verdict


def certificate_of(value):
    """A certificate of another network that claims about `value`, whatever the checkpoint is."""

    def compute(problem):
        from boundcalc.occam.codeword import plan_of
        from boundcalc.occam.skeleton import flattened

        base = flattened(problem.network)
        bits = value * problem.energies.m
        return CodewordCertificate((Coded("made up", bits, 0, base, plan_of(base), None),))

    return Bound("made_up", "certificate", "theorem", "nowhere", (), compute)


@pytest.mark.parametrize("trained", [False, True])
def test_no_statement_about_your_network_moves_with_the_certificate_search(trained, monkeypatch):
    if trained:
        x, y = clusters(2000)
        state, data = {"fc.weight": 20 * torch.eye(3)}, (x, y, x[:100], y[:100])
    else:
        state, data = perceptron(6, 8, 3), arrays()
    parts = ("bounds", "empirical")
    plain = boundcalc.analyze(state, data=data, only=parts, passes=0)
    known = network_only(plain)
    assert plain.verdict["compression"]["bound"] == "occam"
    assert (plain.verdict["network"]["value"] is not None) == trained
    for changes in ({"passes": 3}, {"passes": 1, "seed": 5}):
        assert network_only(boundcalc.analyze(state, data=data, only=parts, **changes)) == known
    bounds = {name: bound for name, bound in registry.items() if name != "occam"}
    monkeypatch.setattr(registry, "_bounds", bounds)
    without = boundcalc.analyze(state, data=data, only=parts)
    assert network_only(without) == known
    assert without.verdict["compression"] is None
    for value in (1e-9, 0.2):
        monkeypatch.setattr(registry, "_bounds", {"made_up": certificate_of(value), **bounds})
        other = boundcalc.analyze(state, data=data, only=parts)
        assert network_only(other) == known
        assert other.verdict["compression"]["bound"] == "made_up"
        assert other.verdict["compression"]["value"] < 0.3


def test_an_untrained_network_gets_nothing_from_its_compression():
    data, parts = clusters(1000), ("bounds", "empirical")
    report = boundcalc.analyze(perceptron(3, 3, seed=2), data=data, only=parts, passes=12)
    verdict = report.verdict
    own = report.to_dict()["empirical"]["train_error"]
    assert verdict["compression"]["value"] < own, "the search finds another network, which is better"
    assert verdict["network"]["value"] is None
    assert verdict["network"]["all_at_once"] is None
    assert verdict["network"]["reason"].startswith("every bound is 1 or more (smallest: ")
    for format in ("table", "markdown", "latex"):
        text = " ".join(report.to(format, full=True).split())
        assert "For your network itself, every bound is 1 or more" in text
        assert "Your network has error at most" not in text


BROKEN = {
    "too large": lambda x, y: (_with(x, 3, 1.7e308), y, "row 3"),
    "not a number": lambda x, y: (_with(x, 7, math.nan), y, "row 7"),
    "label too large": lambda x, y: (x, _with(y, 5, 3), "row 5: label 3"),
    "label below 0": lambda x, y: (x, _with(y, 9, -1), "row 9 is -1"),
}


def _with(array, row, value):
    changed = array.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("how", BROKEN)
def test_margins_survive_a_test_split_that_cannot_be_run(how):
    x, y = clusters(3000)
    x_test, y_test, where = BROKEN[how](x[:40], y[:40])
    state = {"fc.weight": 1e3 * torch.eye(3)}
    without = boundcalc.analyze(state, data=(x, y), passes=0, only=("bounds", "empirical")).to_dict()
    report = boundcalc.analyze(state, data=(x, y, x_test, y_test), passes=0, only=("bounds", "empirical"))
    tree = report.to_dict()
    for name, bound in without["bounds"].items():
        assert tree["bounds"][name] == bound
        assert bound["bounds"] in (
            {EXCESS, None} if bound["status"] in {"refuted", "not_covered", "score"} else {"error"}
        )
    assert tree["empirical"]["train_error"] == 0
    assert tree["empirical"]["test_error"] is None
    assert where in tree["empirical"]["test_reason"]
    assert tree["verdict"]["test_set"] is None
    assert where in tree["verdict"]["reasons"]["test_set"]
    assert tree["verdict"]["network"] == without["verdict"]["network"]
    assert where in " ".join(report.to("table").split())


def test_a_network_that_errs_on_everything_gets_no_bound_below_1_whatever_the_test_split_is():
    x, y = clusters(50_000)
    state = {"fc.weight": torch.eye(3)[[1, 2, 0]] * 1e3}
    data = (x, y, _with(x[:40], 0, 1.7e308), y[:40])
    tree = boundcalc.analyze(state, data=data, passes=0, only=("bounds", "empirical")).to_dict()
    assert tree["empirical"]["train_error"] == 1
    assert tree["verdict"]["network"]["value"] is None
    for bound in tree["bounds"].values():
        if bound["subject"] == "network" and bound["bounds"] == "error":
            assert bound["value"] is None or bound["value"] >= 1


def test_where_training_samples_cannot_be_run_nothing_is_a_bound_on_the_error():
    x, y = clusters(50_000)
    state = {"fc.weight": torch.eye(3, dtype=torch.float64) * 1e200}
    bad = _with(x, 17, 1e150)
    report = boundcalc.analyze(state, data=(bad, y, x[:40], y[:40]), only=("bounds", "empirical"))
    tree = report.to_dict()
    assert {b["bounds"] for b in tree["bounds"].values()} <= {EXCESS, None}
    assert tree["verdict"]["network"] is None
    assert tree["verdict"]["reasons"]["network"].endswith("every bound is on error - margin error")
    assert [s["reason"] for s in tree["skipped"] if s["part"] == "empirical"][0].startswith(
        "the network cannot be run on arrays: x_train, row 17"
    )
    assert tree["empirical"]["test_error"] == 0, "the test split can be run all the same"
    assert tree["verdict"]["test_set"]["errors"] == 0


@pytest.mark.parametrize("format", ["table", "markdown", "latex", "html"])
def test_without_data_no_view_calls_a_number_a_bound_on_the_error(format):
    report = boundcalc.analyze({"fc.weight": 1e-3 * torch.eye(3)}, samples=10**9, input_bound=1)
    tree = report.to_dict()
    smallest = min(b["value"] for b in tree["bounds"].values() if b["status"] == "theorem")
    assert smallest < 1, "so that there is something to call by a wrong name"
    assert tree["verdict"]["network"] is None
    assert {b["bounds"] for b in tree["bounds"].values() if b["status"] == "theorem"} == {EXCESS}
    text = " ".join(report.to(format, full=True).split())
    assert "its error is not bounded" in text
    for wrong in ("error at most", "bounds on the error", "Bounds the error of"):
        assert wrong not in text.replace("error - margin error at most", "")


def test_all_at_once_is_over_the_theorems_asked_for_and_comes_first():
    x, y = clusters(5000)
    state, parts = {"fc.weight": 20 * torch.eye(3)}, ("bounds",)
    report = boundcalc.analyze(state, data=(x, y), only=parts, passes=0)
    tree = report.to_dict()
    asked = [
        name for name, bound in registry.items() if bound.status == "theorem" and bound.subject == "network"
    ]
    network = tree["verdict"]["network"]
    assert (
        network["statements"]
        == len(asked)
        > sum(tree["bounds"][name]["status"] == "theorem" for name in asked) - 1
    )
    shared = boundcalc.analyze(state, data=(x, y), only=parts, passes=0, delta=0.05 / len(asked)).to_dict()
    values = {
        name: shared["bounds"][name]["value"] for name in asked if shared["bounds"][name]["bounds"] == "error"
    }
    assert network["all_at_once"] == pytest.approx(min(values.values()), rel=1e-6)
    assert network["value"] == min(tree["bounds"][name]["value"] for name in values)
    assert network["value"] < network["all_at_once"] < 1
    sentence = tree["verdict"]["sentences"]["your network"]
    assert sentence.startswith("Your network has error at most ")
    assert sentence.index("at once") < sentence.index("alone")
    assert f"with all {len(asked)} bounds holding at once (probability 0.95)" in sentence


def test_a_theorem_that_takes_delta_itself_is_computed_again(monkeypatch):
    def compute(problem):
        assert problem.margins is not None
        return Formula(0.0, math.log(math.sqrt(math.log(1 / problem.settings.delta) / problem.energies.m)))

    theirs = Bound("theirs", "F", "theorem", "Their paper", (), compute)
    monkeypatch.setattr(registry, "_bounds", {"theirs": theirs, "galanti2023": registry["galanti2023"]})
    x, y = clusters(200)
    state, parts = {"fc.weight": 20 * torch.eye(3)}, ("bounds",)
    network = boundcalc.analyze(state, data=(x, y), only=parts).verdict["network"]
    assert network["value"] == pytest.approx(network["all_at_once"], rel=1e-12), (
        "one theorem alone is all of them"
    )
    monkeypatch.setattr(
        registry, "_bounds", {"theirs": theirs, "also": Bound("also", "F", "theorem", "-", (), compute)}
    )
    network = boundcalc.analyze(state, data=(x, y), only=parts).verdict["network"]
    assert network["all_at_once"] == pytest.approx(math.sqrt(math.log(2 / 0.05) / 200))
    paid = boundcalc.analyze(state, data=(x, y), only=parts, normalize=(0.0, 1.0)).to_dict()
    bits = 1 + math.log2(1.5 * 4 * 5) + 1 + 2 * math.log2(10) + math.log2(3) + math.log2(9)
    expected = math.sqrt((math.log(1 / 0.05) + bits * math.log(2)) / 200)
    assert paid["bounds"]["theirs"]["value"] == pytest.approx(expected)


def test_nothing_compares_a_certificate_with_a_bound_on_the_network(monkeypatch):
    x, y = clusters(2000)
    monkeypatch.setattr(
        registry, "_bounds", {"made_up": certificate_of(1e-9), "peeling": registry["peeling"]}
    )
    report = boundcalc.analyze({"fc.weight": 20 * torch.eye(3)}, data=(x, y), only=("bounds",))
    slugs = {section.slug: section for section in document(report.to_dict())}
    assert [row[0] for row in slugs["bounds"].grid.rows] == ["peeling"]
    assert [row[0] for row in slugs["compression"].grid.rows] == ["made_up"]
    assert slugs["best"].title == "Smallest bound of your network: peeling"
    assert slugs["best-compression"].title == "Certificate of the compression: made_up"


def test_a_verdict_says_why_it_is_empty():
    state, data = perceptron(6, 8, 3), arrays()
    asked = boundcalc.analyze(state, data=data, only=("samples",)).verdict
    assert asked["network"] is asked["compression"] is None
    assert (
        asked["reasons"]["network"] == asked["reasons"]["compression"] == "bounds were not asked for (--only)"
    )
    assert asked["test_set"]["m"] == 50
    alone = boundcalc.analyze(state).verdict
    assert alone["reasons"]["network"].startswith("no sample: give --data")
    assert alone["reasons"]["test_set"] == "no data: give --data DATA"
    halves = boundcalc.analyze(state, data=data[:2], only=("empirical",)).verdict
    assert halves["reasons"]["test_set"] == "the data has no test split"


def test_warnings_stand_beside_the_verdict_in_every_view():
    report = boundcalc.analyze(perceptron(6, 8, 3), data=arrays(), only=("empirical",))
    tree = report.to_dict()
    tree["verdict"]["warnings"] = ["the masks prune nothing"]
    for format in ("table", "markdown", "latex", "html", "json"):
        text = Report(tree).to(format, full=True)
        assert "the masks prune nothing" in text
        assert format == "json" or "looks wrong" in text


def test_the_network_of_the_certificate_is_named_where_it_was_saved(tmp_path, capsys):
    from boundcalc.cli.main import main

    x, y, x_test, y_test = arrays()
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    torch.save(perceptron(6, 8, 3), tmp_path / "net.pt")
    words = [
        str(tmp_path / "net.pt"),
        "--data",
        f"npz:{tmp_path / 'data.npz'}",
        "--only",
        "bounds",
        "--passes",
        "0",
    ]
    assert main([*words, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["compression"]["saved"] is None
    place = str(tmp_path / "small.pt")
    assert main([*words, "--format", "json", "--save-quantised", place]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["compression"]["saved"] == place
    assert (tmp_path / "small.pt").is_file()


def test_explain_says_of_which_network(capsys):
    from boundcalc.cli.main import main

    for name, words in (
        ("peeling", "about: your network"),
        ("occam", "about: a compression of your network"),
    ):
        assert main(["explain", name]) == 0
        assert words in " ".join(capsys.readouterr().out.split())


def test_judging_a_certificate_keeps_its_subject_apart():
    bound = certificate_of(0.1)
    assert (bound.subject, bound.prior) == ("compression", None)
    assert registry["occam"].subject == "compression"
    assert registry["occam"].prior == "data-free"
    assert {b.subject for b in registry.values() if b.kind != "certificate"} == {"network"}
