"""Symbolic forms of the certificates, for the checkpoint's own network and for a randomized one."""

from __future__ import annotations

import math

from sympy import Symbol, log

from boundcalc.certificates.pacbayes.theorem import log_xi
from boundcalc.certificates.pick.theorem import weighted
from boundcalc.theory.forms.notation import delta, exact, grows, meanings
from boundcalc.theory.symbolic import Evaluation, Filled, Promise, SymbolicForm

k, r, t, w = (Symbol(name, positive=True) for name in ("k", "r", "t", "w"))
N, bits = Symbol("N", positive=True), Symbol("bits", positive=True)
xi = Symbol("xi", positive=True)
certified, differing = Symbol("e_h", positive=True), Symbol("p", positive=True)


def _paid_bits(evaluation: Evaluation) -> float:
    terms = evaluation.risk.terms
    return float(terms["choice_bits"] + terms["normalization_bits"])


def fill_pick(evaluation: Evaluation) -> Filled:
    """Fill in the size of the compression and the middle one of the sample sizes that share delta."""
    terms = evaluation.risk.terms
    size, samples = terms["size"], terms["samples"]
    sizes = range(samples)[weighted(samples)]
    middle = max(size, sizes[len(sizes) // 2])
    values = {
        k: exact(size), r: exact(middle - size), t: exact(samples - middle), w: exact(len(sizes)),
        bits: exact(_paid_bits(evaluation)), delta: exact(evaluation.problem.settings.delta),
    }  # fmt: skip
    notes = (f"{terms['picked']} examples picked, {terms['wrong']} of the others wrong, N = {samples}",)
    return Filled((), values, notes=notes)


def fill_holdout(evaluation: Evaluation) -> Filled:
    """Fill in the number of certifying examples."""
    terms = evaluation.risk.terms
    values = {
        N: exact(terms["samples"]), bits: exact(_paid_bits(evaluation)), delta: exact(evaluation.problem.settings.delta)
    }  # fmt: skip
    return Filled((), values, notes=(f"{terms['errors']} errors of {terms['samples']}",))


def fill_disagreement(evaluation: Evaluation) -> Filled:
    """Fill in both terms of the sum."""
    terms = evaluation.risk.terms
    values = {certified: exact(terms["certified_error"]), differing: exact(terms["disagreement_bound"])}
    notes = (f"{terms['disagreements']} disagreements on {terms['unlabelled']} unlabelled examples",)
    return Filled((), values, notes=notes)


def fill_pacbayes(evaluation: Evaluation) -> Filled:
    """Fill in the paid bits and the sample size."""
    terms, samples = evaluation.risk.terms, evaluation.problem.energies.m
    values = {
        N: exact(samples), bits: exact(_paid_bits(evaluation)), xi: exact(math.exp(log_xi(samples))),
        delta: exact(evaluation.problem.settings.delta),
    }  # fmt: skip
    return Filled((), values, notes=(f"{terms['errors']} errors of {samples}, {terms['surviving']} weights",))


_PICKED = (
    "What was picked and what is wrong of the rest, k examples, is a compression c(S) that no further example changes unless it"
    " is picked or wrong (preference). Exchangeability: P(|c(S_n)| = k, phi in B) = C(n,k) times an integral of (1 - phi)^(n-k).",
    "Multiplied by lambda_n and added over n < N these give delta; the value is the root of sum_n lambda_n C(n,k)/C(N,k)"
    " (1 - eps)^-(N-n) = 1, which is at most what each n alone gives, and that is at most the formula.",
)
_PICK_MEANINGS = {
    **meanings(delta), k: "picked examples and those of the others that are wrong",
    r: "n - k, for one sample size n that has a share of delta", t: "N - n",
    w: "sample sizes n among which delta is shared", bits: "price of what was chosen after seeing the sample",
}  # fmt: skip
_PICK_PROMISES = (grows(k), grows(w), grows(bits), Promise(r, "falls", "grid"))

FORMS = (
    *(
        SymbolicForm(
            name, "log(1 / (1 - err(h)))", log((k + r + 1) / (r + 1)) + (bits * log(2) + log(1 / delta) + log(w)) / t,
            _PICK_MEANINGS, _PICKED, fill_pick, promises=_PICK_PROMISES,
        )
        for name in ("pick", "pick_after")
    ),
    SymbolicForm(
        "pacbayes", "kl(err_S(h) || err(h))", (bits * log(2) + log(xi) + log(1 / delta)) / N,
        {
            **meanings(delta), N: "number of training samples", xi: "sum_k C(m,k) (k/m)^k (1-k/m)^(m-k), at most 2 sqrt(m)",
            bits: "log2 of Q(h) / P(h) at the draw, of the questions to the hash, and the price of all choices",
        },
        (
            "For a draw that nobody knew when Q was chosen, the mean of exp(m kl) P(h) / Q(h) is at most xi (Maurer 2004).",
            "Markov's inequality, and a union over all chains of draws and all words of the code. The value is the largest err(h)"
            " that satisfies it.",
        ),
        fill_pacbayes, promises=(grows(bits), grows(xi)),
    ),
    *(SymbolicForm(
        name, "kl(errors / N || err(h))", (bits * log(2) + log(1 / delta)) / N,
        {
            **meanings(delta), N: "examples outside the part that was set aside",
            bits: "price of what was chosen after seeing the sample",
        },
        (
            "The errors on examples of which the network is independent are binomial.",
            "The value is the exact inversion of their tail (Clopper & Pearson 1934), which is at most exp(-N kl): below the root"
            " of this formula.",
        ),
        fill_holdout, promises=(Promise(N, "falls", "grid"), grows(bits)),
    ) for name in ("holdout", "holdout_retrained")),
    *(SymbolicForm(
        name, "err(f)", certified + differing,
        {
            certified: "bound on the error of a certified network h, at a tenth of delta",
            differing: "exact binomial bound on P(f != h), at nine tenths of delta",
        },
        (
            "Where f errs, h errs or the two disagree.",
            "Both parts hold at once by the union bound; the best of J certificates has delta / J for each.",
        ),
        fill_disagreement, promises=(grows(certified), grows(differing)),
    ) for name in ("disagreement", "disagreement_holdout")),
)  # fmt: skip
