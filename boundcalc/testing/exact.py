"""Norms of a network in exact arithmetic, as inputs of a formula: fractions, with square roots as intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import torch
from mpmath import iv
from sympy import Expr

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.distances import start_of
from boundcalc.bounds.outcome import ClassComplexity, LossComplexity
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.norms.kernels import pooling
from boundcalc.testing.toeplitz import matrix_of, path_norm
from boundcalc.theory.forms.notation import a
from boundcalc.theory.forms.path_norm import Phi
from boundcalc.theory.symbolic import Evaluation
from boundcalc.theory.symbolic_interval import Interval, exact, precision, root_of

Row = Mapping[int, Fraction]


def rows_of_matrix(link: ToeplitzLayer, weight: torch.Tensor) -> list[Row]:
    """Return the rows of A^l as maps column -> entry, exactly; the recorded pooling matrices are multiplied in as fractions."""
    bare = matrix_of(ToeplitzLayer(link.layer, ()), weight)
    rows: list[Row] = [
        {int(i): Fraction(float(row[i])) for i in torch.nonzero(row).flatten()} for row in bare
    ]
    for pool in reversed(link.pools):
        high, wide = pool.rows_h, pool.rows_w
        area = high.shape[1] * wide.shape[1]
        reads: list[list[tuple[int, Fraction]]] = []
        for c in range(pool.shape[0]):
            for i in range(high.shape[0]):
                for j in range(wide.shape[0]):
                    reads.append([
                        (c * area + y * wide.shape[1] + x, Fraction(float(high[i, y])) * Fraction(float(wide[j, x])))
                        for y in torch.nonzero(high[i]).flatten().tolist()
                        for x in torch.nonzero(wide[j]).flatten().tolist()
                    ])  # fmt: skip
        rows = [_multiplied(row, reads) for row in rows]
    return rows


def _multiplied(row: Row, reads: Sequence[Sequence[tuple[int, Fraction]]]) -> Row:
    found: dict[int, Fraction] = {}
    for column, entry in row.items():
        for below, share in reads[column]:
            found[below] = found.get(below, Fraction(0)) + entry * share
    return found


def _squares(rows: Sequence[Row]) -> list[Fraction]:
    return [sum((entry**2 for entry in row.values()), Fraction(0)) for row in rows]


def frobenius_norms(chain: ToeplitzView) -> list[Interval]:
    """Return ||A^l||_F of every layer."""
    return [
        root_of(sum(_squares(rows_of_matrix(link, link.layer.weight)), Fraction(0))) for link in chain.links
    ]


def row_norms(chain: ToeplitzView) -> list[Interval]:
    """Return ||A^l||_{1,inf} of every layer."""
    found = []
    for link in chain.links:
        rows = rows_of_matrix(link, link.layer.weight)
        found.append(exact(Fraction(max(sum(map(abs, row.values()), Fraction(0)) for row in rows))))
    return found


def _products(
    norms: Callable[[ToeplitzView], list[Interval]],
) -> Callable[[Evaluation], dict[Expr, Interval]]:
    def measured(evaluation: Evaluation) -> dict[Expr, Interval]:
        found = norms(evaluation.problem.toeplitz())
        return {a[index]: value for index, value in enumerate(found, start=1)}

    return measured


def _constant(evaluation: Evaluation) -> Fraction | None:
    t = evaluation.outcome.terms.get("constant")
    return None if t is None else Fraction(t)


def _path(evaluation: Evaluation) -> dict[Expr, Interval]:
    return {Phi: exact(path_norm(evaluation.problem.network, _constant(evaluation) or Fraction(1)))}


INPUTS: dict[str, Callable[[Evaluation], dict[Expr, Interval]]] = {
    "golowich2018_fro": _products(frobenius_norms),
    "neyshabur2015_fro": _products(frobenius_norms),
    "golowich2018_1inf": _products(row_norms),
    "neyshabur2015_1inf": _products(row_norms),
    "path_norm": _path,
}
"""Bound -> its norms, computed again."""


def _sum_of_roots(squares: Sequence[Fraction]) -> Interval:
    with precision():
        return sum((root_of(square) for square in squares), iv.mpf(0))


def _moved(problem: BoundInputs, link: ToeplitzLayer) -> list[Fraction]:
    """Return the entries of K - K_0; the differences are rounded as in the code of the bounds."""
    start = start_of(problem, link.layer)
    weight = link.layer.weight if start is None else link.layer.weight - start
    return [Fraction(value) for value in weight.flatten().tolist()]


def _toeplitz_two_one(evaluation: Evaluation, index: int) -> Interval:
    problem = evaluation.problem
    link = problem.toeplitz().links[index]
    start = start_of(problem, link.layer)
    weight = link.layer.weight if start is None else link.layer.weight - start
    return _sum_of_roots(_squares(rows_of_matrix(link, weight)))


def _kernel(evaluation: Evaluation, index: int, parts: str) -> Interval:
    problem = evaluation.problem
    link = problem.toeplitz().links[index]
    values, (_, width, high, wide) = _moved(problem, link), link.layer.weight.shape
    area = high * wide
    grouped: dict[tuple[int, ...], Fraction] = {}
    for place, value in enumerate(values):
        o, rest = divmod(place, width * area)
        key = {"filter": (o,), "tap": (o, rest % area), "all": ()}[parts]
        grouped[key] = grouped.get(key, Fraction(0)) + value**2
    return _sum_of_roots(list(grouped.values()))


def _graf(evaluation: Evaluation, index: int) -> Interval:
    link = evaluation.problem.toeplitz().links[index]
    with precision():
        kernel = _kernel(evaluation, index, "filter" if link.layer.kind == "linear" else "tap")
        return kernel * exact(pooling(link))


def _ledent(evaluation: Evaluation, index: int) -> Interval:
    last = index == len(evaluation.problem.toeplitz().links) - 1
    return _kernel(evaluation, index, "all" if last else "filter")


DISTANCES: dict[str, Callable[[Evaluation, int], Interval]] = {
    "bartlett2017": _toeplitz_two_one,
    "graf2022_norms": _graf,
    "graf2022_params": _graf,
    "ledent2021": _ledent,
}
"""Bound -> the distance of a layer, computed again; the norm of a pooling before it is taken from the record."""


def distances(evaluation: Evaluation) -> dict[str, Interval]:
    """Return the name of each recorded distance -> its exact value; empty for bounds without an entry in `DISTANCES`."""
    outcome, measure = evaluation.outcome, DISTANCES.get(evaluation.bound.name)
    if measure is None or not isinstance(outcome, LossComplexity | ClassComplexity):
        return {}
    from boundcalc.bounds.distances import names_of

    names = names_of(evaluation.problem.toeplitz())
    return {f"distance.{name}": measure(evaluation, index) for index, name in enumerate(names)}
