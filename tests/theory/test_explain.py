"""What `boundcalc explain` says, in three formats, with and without a checkpoint."""

from __future__ import annotations

import math
import re

import pytest
from subjects import ALL, problem

from boundcalc.bounds import Bound, NormComplexity, registry
from boundcalc.bounds.risk import risk_bound
from boundcalc.cli.main import main
from boundcalc.errors import NotCovered, UsageError
from boundcalc.theory.explain import explain, find_bound, number, upper
from boundcalc.theory.explain_views import VIEWS, render

NAMES = tuple(registry)
TICKET = "lenet300_density02.pt"


def balanced(latex):
    """Environments are closed in order, braces and dollars are paired, no bare special character is left."""
    bare = re.sub(r"\\[{}$%&#_]", "", latex)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", bare):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    outside = re.sub(r"\$[^$]*\$|\\begin\{equation\*\}.*?\\end\{equation\*\}", "", bare, flags=re.S)
    assert "_" not in outside
    assert "^" not in outside
    assert len(re.findall(r"\\left(?![a-z])", bare)) == len(re.findall(r"\\right(?![a-z])", bare))


@pytest.mark.parametrize("name", NAMES)
def test_every_bound_is_explained(name):
    bound = registry[name]
    explanation = explain(bound)
    text = render(explanation, "text")
    for words in (bound.source, *bound.assumptions):
        assert words in re.sub(r"\s+", " ", text)
    assert bound.status in text
    assert "Why" in text
    assert "How it moves" in text
    markdown = render(explanation, "markdown")
    assert markdown.count("$$") % 2 == 0
    assert markdown.startswith(f"# {name}")
    balanced(render(explanation, "latex"))


@pytest.mark.parametrize("network", [name for name, referred in ALL if not referred])
def test_numbers_are_filled_in(network):
    for name in NAMES:
        explanation = explain(registry[name], problem(network))
        text = render(explanation, "text")
        assert "With this checkpoint" in text
        assert "not covered: " in text or "bound on" in text or "score" in text
        assert not re.search(r"\bnan\b", text)
        balanced(render(explanation, "latex"))


def test_the_numbers_are_those_of_the_evaluation():
    subject = problem("perceptron")
    text = render(explain(registry["golowich2018_fro"], subject), "text")
    norms = registry["golowich2018_fro"].compute(subject).terms["norms"]
    for index, (layer, norm) in enumerate(norms.items(), start=1):
        assert re.search(rf"{index}\s+{layer}\s+{re.escape(f'{norm:.6g}')}", text)
    total = re.search(r"= (\S+)\n\nresult +number\ncomplexity +(\S+)", text)
    assert total[1] == total[2]


def test_what_is_refuted_or_only_published_says_so():
    assert "Counter-example" in render(explain(registry["galanti2023"]), "text")
    for name in ("ledent2021", "lin2019"):
        assert "not proved again here" in render(explain(registry[name]), "text")


def test_what_is_not_proved_is_not_called_a_bound():
    subject = problem("perceptron")
    named = {
        "peeling": r"\nbound on the error of your network  ",
        "ledent2021": r"\nbound on the error of your network as published  ",
        "galanti2023": r"\nclaimed bound on err - err_gamma\(S\) of your network \(refuted: it is not a bound\)  ",
    }
    for name, words in named.items():
        assert re.search(words, render(explain(registry[name], subject), "text")), name


@pytest.mark.parametrize("network", ["perceptron", "deep", "one layer", "one output", "convolutions"])
def test_printed_numbers_are_not_below_what_was_computed(network):
    subject = problem(network)
    for name, bound in registry.items():
        try:
            risk = risk_bound(bound.compute(subject), subject)
        except NotCovered:
            continue
        text = render(explain(bound, subject), "text")
        for words, log_value in (
            ("complexity", risk.log_complexity),
            (r"(?:claimed )?bound on (?:the error|err - err_gamma\(S\)) of[^\d]*", risk.log_value),
        ):
            if math.isfinite(log_value):
                shown = re.search(rf"\n{words} +(\S+)", text)
                if shown is None:
                    assert words == "complexity" and bound.kind == "score"
                    continue
                assert math.exp(log_value) <= float(shown[1]) <= math.exp(log_value) * (1 + 1e-5), name
        for key, words in (("complexity_term", "complexity term"), ("confidence_term", "confidence term")):
            if risk.terms.get(key) is not None:
                assert float(re.search(rf"\n{words} +(\S+)", text)[1]) >= risk.terms[key], name


def test_rounding_upwards():
    assert upper(math.log(9.9315043)) == "9.93151"
    assert upper(10000.0) == "8.80682e+4342"
    assert upper(-10000.0) == "1.13549e-4343"
    assert upper(math.log(10) * 400 - 1e-9) == "1e+400"
    assert upper(float("-inf")) == "0"


def test_a_third_partys_bound_has_no_form():
    own = Bound(
        "theirs", "F", "published", "Their paper 2026", ("a sample",), lambda p: NormComplexity(0.0, -1.0)
    )
    text = render(explain(own, problem("perceptron")), "text")
    assert "no symbolic form" in text
    assert "Their paper 2026" in text
    assert "complexity" in text

    def broken(subject):
        raise RuntimeError("oops")

    theirs = Bound("theirs", "F", "published", "Their paper", (), broken)
    assert "raised RuntimeError: oops" in render(explain(theirs, problem("perceptron")), "text")


def test_nearest_names():
    with pytest.raises(UsageError, match=r"no bound is named bartlet; did you mean bartlett2017\?"):
        find_bound("bartlet")
    with pytest.raises(UsageError, match="did you mean golowich2018"):
        find_bound("golowich2018")
    with pytest.raises(UsageError, match=r"is named PATH; did you mean path_norm\?"):
        find_bound("PATH")
    with pytest.raises(UsageError, match=r"did you mean gouk2021_1inf or gouk2021_fro\?"):
        find_bound("gouk")
    with pytest.raises(UsageError, match="see boundcalc bounds"):
        find_bound("zzz")
    assert find_bound("peeling") is registry["peeling"]


def test_numbers_beyond_a_double():
    assert number(10000.0) == "8.80682e+4342"
    assert number(-10000.0) == "1.13548e-4343"
    assert number(float("-inf")) == "0"


def test_command(tickets, tmp_path, capsys):
    assert main(["explain", "peeling"]) == 0
    assert "√C⋅ρ⋅z" in capsys.readouterr().out
    out = tmp_path / "p.tex"
    sample = ["--samples", "60000", "--input-bound", "1", "--quiet"]
    words = [
        "explain",
        "golowich2018_1inf",
        str(tickets / TICKET),
        *sample,
        "--format",
        "latex",
        "-o",
        str(out),
    ]
    assert main(words) == 0
    balanced(out.read_text())
    assert "fc1" in out.read_text()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["explain", "peelin"], 2, "did you mean peeling"),
        (["explain"], 2, "BOUND"),
        (["explain", "peeling", "--format", "json"], 2, "invalid choice"),
        (["explain", "peeling", "TICKET"], 2, "needs a sample"),
        (["explain", "peeling", "nothing.pt", "--data", "sample"], 3, "nothing.pt"),
        (["explain", "peeling", "TICKET", "--data", "npz:nothing"], 3, "nothing"),
    ],
)
def test_exit_statuses(tickets, capsys, words, status, message):
    assert main([str(tickets / TICKET) if word == "TICKET" else word for word in words]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_formats_are_those_of_the_command():
    from boundcalc.cli.groups import EXPLAIN_FORMATS

    assert set(EXPLAIN_FORMATS) == set(VIEWS)
