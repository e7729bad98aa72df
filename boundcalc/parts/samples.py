"""The part "samples": the sample complexity of a pruned network, compared with that of the dense one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from boundcalc.parts.layer_grid import Field, cell, layer_grid, present
from boundcalc.parts.part import Given, Option, Part, Quantity
from boundcalc.report.document import Cell, Section, Term
from boundcalc.report.numbers import NULL, interval, plain, show
from boundcalc.report.origin import Origin, of_source

if TYPE_CHECKING:
    from boundcalc.report.part_types import SamplesLayer, SamplesTree
    from boundcalc.samples.calibration import Calibration
    from boundcalc.samples.complexity import LayerSamples, SampleComplexity

Tree = dict[str, Any]

SYMBOLS = "K, r~, radius loss, kappa and Gamma are defined in docs/theory/zhang2021.md."
EXACT = frozenset({"K", "r_tilde", "r_tilde_dense", "surviving"})
PUBLISHED = frozenset({"ratio", "N", "radius_loss_ratio"})


def run(given: Given) -> SampleComplexity:
    """Compute the sample complexity of every hidden layer and, if a constant is given, the number of samples."""
    from boundcalc.samples.calibration import Calibration
    from boundcalc.samples.complexity import analyze

    options = given.options
    calibration = None if options.calibration is None else Calibration.load(options.calibration)
    m = options.samples if given.energies is None else given.energies.m
    return analyze(given.network, calibration, m, options.target_error)


def to_dict(result: SampleComplexity) -> SamplesTree:
    """Return the report's entry: the keys of schema ``boundcalc.report/2`` and further ones.

    Args:
        result: result of `boundcalc.samples.complexity.analyze`.

    Returns:
        The entry; numbers that overflow a double are null, with their log10 or log in another key.
    """
    from boundcalc.samples.assumptions import ASSUMPTIONS, ORIGINS, SOURCE, UNVERIFIABLE

    verdict = result.verdict
    return {
        "layers": [_layer(layer) for layer in result.layers],
        "surviving_hidden": result.surviving_hidden,
        "parameters_hidden": result.parameters_hidden,
        "ratio": result.ratio,
        "N": result.N,
        "N_interval": None if result.log_needed is None else [_number(v) for v in result.log_needed[1:]],
        "log10_N": None if result.log_needed is None else result.log_needed[0] / math.log(10),
        "eps0": result.eps0,
        "reason": result.reason or None,
        "calibration": None if result.calibration is None else _calibration(result.calibration),
        "verdict": None if verdict is None else {"answer": verdict.word, "sentence": verdict.sentence},
        "violated": list(result.violated),
        "assumptions": list(ASSUMPTIONS),
        "unverifiable": list(UNVERIFIABLE),
        "origins": dict(ORIGINS),
        "source": SOURCE,
    }


def _layer(layer: LayerSamples) -> SamplesLayer:
    spread, matrix, needed = layer.spread, layer.conditioning, layer.log_needed
    return {
        "name": layer.name,
        "K": layer.K,
        "r_tilde": layer.r_tilde,
        "r_tilde_dense": layer.r_tilde_dense,
        "surviving": layer.surviving,
        "ratio": layer.ratio,
        "radius_loss_ratio": layer.radius_loss_ratio,
        "neurons": layer.neurons,
        "fan_in": layer.fan_in,
        "r_min": None if spread is None else spread.smallest,
        "r_mean": None if spread is None else spread.mean,
        "r_max": None if spread is None else spread.largest,
        "kappa": _number(matrix.log_kappa),
        "log_kappa": matrix.log_kappa,
        "log_gamma": matrix.log_gamma,
        "state": layer.state,
        "log_q": layer.log_q,
        "N": None if needed is None else _number(needed[0]),
        "log10_N": None if needed is None else needed[0] / math.log(10),
    }


def _calibration(calibration: Calibration) -> Tree:
    return {
        "path": calibration.path,
        "c": calibration.c,
        "interval": [calibration.low, calibration.high],
        "level": calibration.level,
        "eps0": calibration.eps0,
        "log_q": calibration.log_q,
        "misfit": calibration.misfit,
        "largest_K": calibration.largest_k,
        "largest_kappa4_gamma2": calibration.largest_conditioning,
        "command": calibration.command,
        "setting": dict(calibration.setting),
        "fit": dict(calibration.fit),
    }


def _number(log_value: float | None) -> float | None:
    from boundcalc.samples.complexity import LARGEST_LOG

    return None if log_value is None or log_value > LARGEST_LOG else math.exp(log_value)


def origin(part: Tree, key: str) -> Origin:
    """Return the origin of one of the part's numbers, by its key."""
    status = "exact" if key in EXACT else "published" if key in PUBLISHED else "computed"
    return of_source(status, part, show((part.get("origins") or {}).get(key, "")))


def _field(header: str, key: str, means: str, of: str = "") -> Field:
    return Field(Term(header, means, "zhang2021"), key, show, lambda part: origin(part, of or key))


R_TILDE = (
    "effective number of weights of a neuron: the square of the sum over pairs j, k of neurons of (1 + "
    "d_jk) sqrt(r_j + r_k), divided by 8 K^4; r_j is the number of weights of neuron j, and d_jk is 1 "
    "if the two neurons share an input, else 0"
)
RADIUS = (
    "sqrt(r~ / r~ dense): the amount by which the radius of the convex region around the solution "
    "falls short of its limit, divided by the same amount for the dense layer"
)
SURVIVING = Term("surviving hidden", "surviving weights of all layers but the last", "zhang2021")
RATIO = Term(
    "N / N dense",
    "number of samples needed, divided by that of the dense network: the share of weights outside the "
    "last layer that survive",
    "zhang2021",
)
N_TERM = Term(
    "N",
    "number of samples that are enough to find the pruned network according to the theory, up to a "
    "constant that must be calibrated",
    "zhang2021",
)
FIELDS = (
    _field("K", "K", "neurons of the layer with at least one surviving weight"),
    _field("r~", "r_tilde", R_TILDE),
    _field("r~ dense", "r_tilde_dense", "r~ of the layer with all its weights"),
    _field("alive", "surviving", "weights of the layer that survive"),
    _field("ratio", "ratio", "r~ / r~ dense: number of samples needed, divided by that of the dense layer"),
    _field("radius loss", "radius_loss_ratio", RADIUS),
)
MORE_FIELDS = (
    _field(
        "kappa",
        "kappa",
        "largest singular value of the weights of the K neurons divided by the smallest",
        "log_kappa",
    ),
    _field("log Gamma", "log_gamma", "log of the product over the K singular values of sigma_i / sigma_K"),
    _field(
        "state",
        "state",
        "whether kappa is finite: if the rank of the weights is below K, it is not, and N is undefined",
    ),
)


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build facts about the network, and a table with one row per layer."""
    part = tree.get("samples")
    if not part:
        return ()
    facts = [
        (SURVIVING, _fact(part, "surviving", plain(part.get("surviving_hidden")))),
        (RATIO, _fact(part, "ratio", show(part.get("ratio")))),
        (N_TERM, _fact(part, "N", _needed_samples(part))),
        ("calibration", _fact(part, "calibration", _calibrated(part.get("calibration")))),
    ]
    verdict = part.get("verdict")
    if verdict and part.get("calibration"):
        facts.append(("large enough?", _fact(part, "verdict", show(verdict.get("sentence")))))
    notes = (*(f"Violated: {line}." for line in part.get("violated") or []), SYMBOLS)
    grid = layer_grid(part, (*FIELDS, *present(part, MORE_FIELDS)))
    return (Section("Sample complexity", "samples", facts=tuple(facts), grid=grid, notes=notes),)


def _fact(part: Tree, key: str, text: str) -> Cell:
    return cell(text, None, origin(part, key))


def _needed_samples(part: Tree) -> str:
    """Return N with its interval, as a power of ten if it overflows a double; if N is unknown, the reason."""
    if part.get("log10_N") is None:
        return f"not computed: {show(part['reason'])}" if part.get("reason") else NULL
    middle = f"10^{part['log10_N']:.1f}" if part.get("N") is None else plain(part["N"])
    ends = part.get("N_interval") or [None]
    within = "" if None in ends else f" {interval(ends)}"
    return f"{middle}{within} at eps0 = {show(part.get('eps0'))}"


def _calibrated(found: Tree | None) -> str:
    if not found or "c" not in found:
        return show(found)
    return f"c = {plain(found['c'])} {interval(found.get('interval'))} from {show(found.get('path'))}"


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return the number of samples needed, relative to the dense network."""
    part = tree.get("samples")
    if not part:
        return ()
    ratio = part.get("ratio")
    return (Quantity("samples.ratio", RATIO, ratio, origin(part, "ratio"), shown=True),)


PART = Part(
    "samples", 20, "sample complexity", "number of samples that the pruned network needs, compared with the dense one",
    run, to_dict, sections, 60, quantities,
    options=(
        Option("calibration", "the constant of the sample complexity, e.g. data/calibration.json", metavar="FILE"),
        Option("target_error", "accuracy for which the number of samples N is computed; needs --calibration", float, metavar="EPS"),
    ),
    needs_order=True,
)  # fmt: skip
