"""The types of those parts of a report's tree that describe masks and kernels; the others are in `boundcalc.report.types`."""

from __future__ import annotations

from typing import Any, TypedDict

Score = float | None


class SamplesLayer(TypedDict):
    """A hidden layer's sample complexity."""

    name: str
    K: int | None
    r_tilde: Score
    r_tilde_dense: Score
    surviving: int
    ratio: Score
    radius_loss_ratio: Score
    neurons: int
    fan_in: int
    r_min: int | None
    r_mean: Score
    r_max: int | None
    kappa: Score
    log_kappa: Score
    log_gamma: Score
    state: str
    log_q: Score
    N: Score
    log10_N: Score


class SamplesTree(TypedDict):
    """The number of samples that the masks need."""

    layers: list[SamplesLayer]
    surviving_hidden: int | None
    parameters_hidden: int | None
    ratio: Score
    N: Score
    N_interval: list[Score] | None
    log10_N: Score
    eps0: Score
    reason: str | None
    calibration: dict[str, Any] | None
    verdict: dict[str, str] | None
    violated: list[str]
    assumptions: list[str]
    unverifiable: list[str]
    origins: dict[str, str]
    source: str


TopologyLayer = TypedDict(
    "TopologyLayer",
    {
        "name": str, "delta_r": Score, "delta_r_imdb": Score, "lambda": Score, "lambda_imsg": Score, "narc": Score,
        "sigma1": Score, "sigma2": Score, "collapsed": bool, "delta_s": Score, "degrees": list[float], "edges": int,
        "subgraphs": int, "z": dict[str, Score], "random": dict[str, dict[str, Any]], "residual": dict[str, Score],
        "method": dict[str, str | None], "reasons": dict[str, str],
    },
)  # fmt: skip
"""A layer's mask as a bipartite graph."""


class TopologyTree(TypedDict):
    """The masks as bipartite graphs."""

    layers: list[TopologyLayer]
    coordinate: list[Score]
    distance: Score
    distance_from: str | None
    ramanujan_layers: int
    encoding: str
    draws: int
    note: str
    source: str


class HeldOutTree(TypedDict):
    """Entries that were held out when the cells were made, and the bits per entry under each estimate."""

    entries: int
    bits: dict[str, Score]


class GraphonLayer(TypedDict):
    """A layer's mask graphon."""

    name: str
    shape: list[int]
    density: float
    cut_from_constant: list[float]
    l2_from_constant: float
    estimate: str
    held_out: HeldOutTree | None
    homomorphisms: dict[str, dict[str, float]]
    row_weights: list[float]
    column_weights: list[float]
    row_degrees: list[float]
    column_degrees: list[float]
    histogram: list[list[float]]


class ChainTree(TypedDict):
    """Distances when all hidden layers are ordered once, or the reason why they cannot be."""

    l2_from_constant: list[float] | None
    reason: str | None


class GraphonTree(TypedDict):
    """The masks as graphons."""

    resolution: int
    layers: list[GraphonLayer]
    chain: ChainTree
    note: str
    source: str


class GntkTree(TypedDict):
    """The neural tangent kernel of the infinitely wide network."""

    cells: int
    m: int
    sigma_w2: float
    alpha: Score
    effective_rank: Score
    gap: Score
    top5_energy: Score
    condition: Score
    eigenvalues: list[Score] | None
    log10_eigenvalues: list[Score]
    kernel_bound: Score
    bound: dict[str, Any]
    mode: str
    layer_cells: list[int]
    outputs: int
    kernels: int
    summarised: str
    backend: str
    residual: dict[str, Any] | None
    extension: bool
    note: str
    source: str
