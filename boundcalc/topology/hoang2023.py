"""Scores of a mask as a bipartite graph (docs/theory/hoang2023.md): first the formulas, then `score`, which applies them.

A graph has E edges, n_l and n_r vertices left and right without isolated ones, mean degrees d_l = E / n_l and d_r = E / n_r, and
sigma_1 >= sigma_2 are the leading singular values of its biadjacency matrix. It is collapsed if a mean degree is below 3.

Sources: Hoang, Kundu, Liu & Wang 2023, Don't just prune by magnitude! Your mask topology is a secret weapon; Hoang, Liu,
Marculescu & Wang 2023, Revisiting pruning at initialization through the lens of Ramanujan graph, ICLR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from boundcalc.norms.rounding import mean
from boundcalc.topology.bipartite import Bipartite
from boundcalc.topology.spectra import Leading

SCORES = ("delta_r", "delta_r_imdb", "lambda_", "lambda_imsg", "narc")
"""The fields of `Scores` in which random masks are compared; the first four form the coordinate."""


def ramanujan_gap(d_l: float, d_r: float, sigma_2: float) -> float:
    """Return the Ramanujan gap ``sqrt(d_l - 1) + sqrt(d_r - 1) - sigma_2``; the graph is Ramanujan if the gap is >= 0.

    Args:
        d_l: mean degree of the left vertices, at least 1, isolated vertices excluded.
        d_r: mean degree of the right vertices, at least 1, isolated vertices excluded.
        sigma_2: second singular value of the biadjacency matrix.
    """
    return math.sqrt(d_l - 1) + math.sqrt(d_r - 1) - sigma_2


def ramanujan_gap_of_one_degree(sigma_1: float, sigma_2: float) -> float:
    """Return the variant ``2 sqrt(sigma_1 - 1) - sigma_2``."""
    return 2 * math.sqrt(sigma_1 - 1) - sigma_2


def weighted_spectral_gap(sigma_1: float, sigma_2: float) -> float:
    """Return ``lambda = sigma_1 - sigma_2`` of the absolute weights of the edges."""
    return sigma_1 - sigma_2


def random_coefficient(n: tuple[int, int], full: tuple[int, int], edges: int, sigma_2: float) -> float:
    """Return the normalized random coefficient, at most 0 for a random-like graph.

    Args:
        n: (n_l, n_r), numbers of vertices without isolated ones.
        full: (n_in, n_out), numbers of vertices with isolated ones.
        edges: number E of edges.
        sigma_2: second singular value of the biadjacency matrix.

    Returns:
        ``((sigma_2^2/4 + 1) sqrt(n_l n_r) - |2E - d_l n_l n_r / n_out|) / (n_in n_out)`` with d_l = E / n_l. The
        factor in 2E follows the authors' code, whose adjacency matrix holds each edge twice.
    """
    (n_l, n_r), (n_in, n_out) = n, full
    d_l = edges / n_l
    spread = (sigma_2**2 / 4 + 1) * math.sqrt(n_l * n_r)
    return (spread - abs(2 * edges - d_l * n_l * n_r / n_out)) / (n_in * n_out)


@dataclass(frozen=True)
class Scores:
    """The scores that Hoang et al. 2023 assign to a mask; an undefined score is None and has a reason.

    Attributes:
        edges: number of edges.
        degrees: mean degrees (left, right) without isolated vertices.
        collapsed: whether a mean degree is below 3.
        sigma: two leading singular values of the biadjacency matrix, also for collapsed graphs; None without edges.
        weighted: the same for the absolute weights; None without edges, or if float64 cannot hold them.
        delta_r: Ramanujan gap ``sqrt(d_l - 1) + sqrt(d_r - 1) - sigma_2``; the graph is Ramanujan if it is >= 0.
        delta_s: the variant ``2 sqrt(sigma_1 - 1) - sigma_2``.
        delta_r_imdb: mean Ramanujan gap of the subgraphs of constant left degree.
        lambda_: weighted spectral gap.
        lambda_imsg: mean weighted spectral gap of the same subgraphs.
        narc: normalized random coefficient, at most 0 for a random-like graph.
        subgraphs: number of subgraphs in the mean of `delta_r_imdb`.
        reasons: field name -> reason why the field is None.
    """

    edges: int
    degrees: tuple[float, float]
    collapsed: bool
    sigma: Leading | None = None
    weighted: Leading | None = None
    delta_r: float | None = None
    delta_s: float | None = None
    delta_r_imdb: float | None = None
    lambda_: float | None = None
    lambda_imsg: float | None = None
    narc: float | None = None
    subgraphs: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def ramanujan(self) -> bool:
        """Whether the Ramanujan gap is defined and >= 0."""
        return self.delta_r is not None and self.delta_r >= 0


def score(graph: Bipartite) -> Scores:
    """Return the scores of a graph.

    Args:
        graph: graph with all vertices, isolated ones included.

    Returns:
        The scores. A graph without edges has none; a collapsed graph has only those of its subgraphs, as in the authors' code.

    Source: Hoang, Kundu, Liu & Wang 2023, Don't just prune by magnitude! Your mask topology is a secret weapon; Hoang, Liu,
        Marculescu & Wang 2023, Revisiting pruning at initialization through the lens of Ramanujan graph, ICLR.
    """
    if graph.edges == 0:
        reasons = dict.fromkeys(("sigma", "delta_s", *SCORES), "no weight survives")
        return Scores(0, (0.0, 0.0), True, reasons=reasons)
    core = graph.connected_only()
    sigma, weighted = core.spectrum(), _weighted(core)
    gaps, lambdas, reasons = _of_subgraphs(core, sigma, weighted)
    if weighted is None:
        finite = bool(np.isfinite(core.weights).all())
        why = (
            "the singular values of the weights are not representable in float64"
            if finite
            else "a weight is not finite"
        )
        reasons |= dict.fromkeys(("lambda_", "lambda_imsg"), why)
    whole: dict[str, float | None] = {}
    if core.collapsed:
        left, right = core.degrees
        reason = f"collapsed: mean degrees {left:.3g} and {right:.3g}, one below 3"
        reasons |= dict.fromkeys(("delta_r", "delta_s", "lambda_", "narc"), reason)
    else:
        whole = {
            "delta_r": ramanujan_gap(*core.degrees, sigma.sigma2),
            "delta_s": ramanujan_gap_of_one_degree(sigma.sigma1, sigma.sigma2),
            "lambda_": None if weighted is None else _gap(weighted),
            "narc": random_coefficient(core.shape, graph.shape, core.edges, sigma.sigma2),
        }
    return Scores(
        graph.edges, core.degrees, core.collapsed, sigma, weighted,
        delta_r_imdb=mean(gaps) if gaps else None, lambda_imsg=mean(lambdas) if lambdas else None,
        subgraphs=len(gaps), reasons=reasons, **whole,
    )  # fmt: skip


def _of_subgraphs(
    core: Bipartite, sigma: Leading, weighted: Leading | None
) -> tuple[list[float], list[float], dict[str, str]]:
    """Return the gaps and weighted gaps of the subgraphs that are not collapsed, and the reasons if there are none.

    There is one subgraph for each left degree d > 0 that at least 3 left vertices have: it consists of these vertices and the right
    vertices that they reach. The means of the gaps are delta_r_imdb and lambda_imsg.
    """
    gaps: list[float] = []
    lambdas: list[float] = []
    any_degree = False
    for part in core.regular_subgraphs():
        any_degree = True
        if part.collapsed:
            continue
        if part.edges == core.edges:
            values = [(each.sigma1, each.sigma2) for each in (sigma, weighted) if each]
        else:
            values = part.two_values(weighted is not None)
        gaps.append(ramanujan_gap(*part.degrees, values[0][1]))
        lambdas += [weighted_spectral_gap(*pair) for pair in values[1:]]
    if gaps:
        return gaps, lambdas, {}
    reason = "every regular subgraph is collapsed" if any_degree else "no degree is shared by 3 inputs"
    return gaps, lambdas, dict.fromkeys(("delta_r_imdb", "lambda_imsg"), reason)


def _gap(weighted: Leading) -> float:
    return weighted_spectral_gap(weighted.sigma1, weighted.sigma2)


def _weighted(graph: Bipartite) -> Leading | None:
    try:
        return graph.spectrum(weighted=True)
    except ValueError:
        return None
