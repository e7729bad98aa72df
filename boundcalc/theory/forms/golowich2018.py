"""Symbolic forms of Golowich, Rakhlin & Shamir 2018."""

from __future__ import annotations

from sympy import Symbol

from boundcalc.bounds.outcome import NormComplexity
from boundcalc.errors import NotCovered
from boundcalc.theory.forms.notation import (
    BIAS,
    FALLS_IN_M,
    L,
    a,
    by_layer,
    exact,
    exp_of,
    grows,
    l,
    m,
    meanings,
    product_of,
    recorded,
    sizes,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, Promise, SymbolicForm

Z, rho = Symbol("Z", positive=True), Symbol("rho", positive=True)
RHO = product_of(a[l])
GRAPH = "graphs, and chains with biases"
SECOND = (
    "Contractions inside cosh and its inverse, at the best lambda, or singular values of the sample, at the best s: the smaller of"
    " what the lemma gives."
)


def is_plain(evaluation: Evaluation) -> bool:
    """Return whether the network is a chain without biases, so that its size is a product of norms."""
    try:
        chain = evaluation.problem.plain_chain()
    except NotCovered:
        return False
    return evaluation.outcome.terms["constant"] is None and all(
        step.bias is None for _, step in chain.blocks()
    )


def fill_chain(evaluation: Evaluation) -> Filled:
    """Fill in the norms and the result of the last step.

    Raises:
        NotFilled: all inputs are 0.
    """
    norms = recorded(evaluation, "norms")
    values = {**_shared(evaluation), **by_layer(a, [exact(v) for v in norms.values()])}
    return Filled(tuple(norms), values)


def fill_graph(evaluation: Evaluation) -> Filled:
    """Fill in the size of the outputs and the result of the last step.

    Raises:
        NotFilled: all inputs are 0, or activations are not positively homogeneous.
    """
    if not isinstance(evaluation.outcome, NormComplexity):
        raise NotFilled("the formula is written out for positively homogeneous activations")
    t = evaluation.outcome.terms["constant"]
    norms = evaluation.outcome.terms["norms"]
    values = {**_shared(evaluation), rho: exp_of(evaluation.outcome.log_rho)}
    values |= {
        a[index]: exact(value) for index, value in enumerate(norms.values(), start=1) if value is not None
    }
    return Filled(tuple(norms), values, notes=() if t is None else (f"t = {t:g}: {BIAS}",))


def _shared(evaluation: Evaluation) -> dict:  # type: ignore[type-arg]
    log_sum = evaluation.outcome.terms["log_sum"]
    if log_sum is None:
        raise NotFilled("no input has energy")
    return {m: sizes(evaluation)[m], Z: exp_of(log_sum)}


def forms(name: str, norm: str, largest: str, sketch: tuple[str, ...]) -> tuple[SymbolicForm, ...]:
    """Return the two forms of one bound: by a product of norms, and by the size of the outputs.

    Args:
        name: name of the bound.
        norm: norm of a layer's matrix, in words.
        largest: meaning of Z, in words.
        sketch: why the bound holds.
    """
    shared = {**meanings(m), Z: largest}
    chain = {**shared, **meanings(L), a[l]: f"{norm} of layer l's Toeplitz matrix"}
    graph = {
        **shared,
        a[l]: chain[a[l]],
        rho: f"size of the outputs against unit classes, in {norm}s of Toeplitz matrices",
    }
    promises: tuple[Promise, ...] = (FALLS_IN_M, grows(Z))
    return (
        SymbolicForm(
            name, "R_S(F)", RHO * Z / m, chain, sketch, fill_chain, (), (*promises, grows(a[l])),
            "chains without biases", is_plain, RHO,
        ),
        SymbolicForm(name, "R_S(F)", rho * Z / m, graph, sketch, fill_graph, (), (*promises, grows(rho)), GRAPH,
            lambda evaluation: not is_plain(evaluation), rho),
    )  # fmt: skip


FORMS = (
    *forms(
        "golowich2018_fro", "Frobenius norm", "largest sum of signs of all outputs, sqrt(C) (E Z^2)^(1/2) or by Chevet's inequality",
        (
            "A unit of a layer is its row's norm times a unit function of the layer below: the sum of signs is a supremum over"
            " unit classes.",
            "Inside cosh(lambda .) a ReLU costs 3/2, once for each on the longest path; values >= 0 wait for deeper ones.",
            "What is left is the second moment of ||sum_i xi_i x_i||. Outputs are combined by Cauchy-Schwarz: sqrt(C).",
            SECOND,
        ),
    ),
    *forms(
        "golowich2018_1inf", "largest l1 norm of a row", "C times the largest sum of signs of a coordinate, (E Z^2)^(1/2)",
        (
            "As golowich2018_fro, with the maximum norm of a layer's values and l1 norms of rows.",
            "The last step is a maximum over the coordinates of the input, each with its own energy.",
            "Outputs are taken one by one, which costs the factor C.",
        ),
    ),
)  # fmt: skip
