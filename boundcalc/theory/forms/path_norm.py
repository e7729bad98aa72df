"""Forms of the l1 path norm."""

from __future__ import annotations

from sympy import Symbol, log, sqrt

from boundcalc.bounds.outcome import Homogeneous
from boundcalc.bounds.path_norm import input_skips_relu
from boundcalc.network.network import Network
from boundcalc.network.ops import ReLU
from boundcalc.theory.forms.notation import (
    FALLS_IN_M,
    C,
    E,
    d,
    exact,
    exp_of,
    grows,
    m,
    meanings,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, Form, Promise

Phi, q, depth, P, K, xmax = (Symbol(name, positive=True) for name in ("Phi", "q", "D", "P", "K", "x_max"))


def fill(evaluation: Evaluation) -> Filled:
    """Take the path norm and the sizes of the form that was used."""
    outcome, energies, network = evaluation.outcome, evaluation.problem.energies, evaluation.problem.network
    assert isinstance(outcome, Homogeneous)
    terms = outcome.terms
    values = {
        m: exact(energies.m), C: exact(network.outputs), d: exact(network.inputs), Phi: exp_of(outcome.log_rho),
    }  # fmt: skip
    if terms["form"] == "l1 peeling":
        values |= {
            q: exact(most_relus(network) + input_skips_relu(network)),
            E: exact(max(float(energies.m), energies.max_coordinate)),
        }
    else:
        values |= {
            depth: exact(terms["depth"]), P: exact(terms["pooling_kinds"]), K: exact(terms["window"]),
            xmax: exact(max(1.0, energies.largest)),
        }  # fmt: skip
    return Filled((), values)


def most_relus(network: Network) -> int:
    """Return the most ReLUs on a path, counted from the output back."""
    ahead = [0] * len(network.nodes)
    for index in range(len(network.nodes) - 1, 0, -1):
        here = ahead[index] + isinstance(network.nodes[index], ReLU)
        for source in network.nodes[index].inputs:
            ahead[source] = max(ahead[source], here)
    return ahead[0]


def _plain(evaluation: Evaluation) -> bool:
    return evaluation.outcome.terms["form"] == "l1 peeling"


def _pooled(evaluation: Evaluation) -> bool:
    return not _plain(evaluation)


_MEANINGS = {
    **meanings(m, C),
    d: "number of inputs",
    Phi: "l1 path norm: one pass of ones through absolute weights and biases, outputs summed",
}

FORMS = (
    Form(
        "path_norm", "R_S(F)", Phi * sqrt(E) * sqrt(2 * (q * log(2) + log(2 * (d + 1) * C))) / m,
        {
            **_MEANINGS,
            E: "the larger of m (the constant's energy) and the largest energy of an input coordinate",
            q: "most ReLUs on a path, one more where a raw input is added past a ReLU",
        },
        (
            "A maximum over units carries the supremum: E sup g(|sum xi relu(w.v)|) <= 2 E g(max_p |sum xi v_p|).",
            "q steps leave 2^q; a maximum over C outputs, d + 1 coordinates and two signs is left (Massart).",
        ),
        fill, promises=(FALLS_IN_M, grows(Phi), grows(E), grows(q), grows(d), grows(C)), applies=_plain, rho=Phi,
        condition="without max pooling",
    ),
    Form(
        "path_norm", "R_S(F)",
        Phi * xmax * sqrt(2 * (depth * log((3 + 2 * P) * K) + log((3 + 2 * P) / (1 + P) * (d + 1) * C))) / sqrt(m),
        {
            **_MEANINGS, depth: "most neurons on a path", P: "kinds of pooling windows", K: "entries of the largest window",
            xmax: "the larger of 1 and the largest absolute input",
        },
        ("Published: Gonon, Brisebarre, Riccietti & Gribonval 2024, Theorem 3.1; not derived again here.",),
        fill, promises=(
            Promise(m, "falls", "grid"), *(grows(symbol, "grid") for symbol in (Phi, xmax, depth, d, C)),
        ), applies=_pooled, rho=Phi,
        condition="with max pooling",
    ),
)  # fmt: skip
