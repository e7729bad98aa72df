"""The part "bounds": every registered bound on the network, its compression or a kernel's interpolant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boundcalc.errors import UsageError
from boundcalc.parts.part import NO_SAMPLE, Given, NotRun, Option, Part, Quantity
from boundcalc.report.bound_order import log10_value
from boundcalc.report.bound_rows import bound_sections, not_covered, smallest
from boundcalc.report.document import Section
from boundcalc.report.origin import of_bound
from boundcalc.report.subjects import subject_of

if TYPE_CHECKING:
    from boundcalc.bounds.bound_inputs import BoundInputs
    from boundcalc.bounds.evaluate import BoundResult, JointBound
    from boundcalc.empirical.measure import Measured
    from boundcalc.report.types import BoundTree

Tree = dict[str, Any]


@dataclass(frozen=True, eq=False)
class BoundsFound:
    """The results of all bounds.

    Attributes:
        results: result by name, in the registry's order.
        together: the smallest theorem about the network's own error when all of them hold at once; None if no theorem bounds it.
        compressions: the smallest certificate of a compression when all of them hold at once; None if there is none.
    """

    results: dict[str, BoundResult]
    together: JointBound | None
    compressions: JointBound | None = None


def run(given: Given) -> BoundsFound:
    """Compute every registered bound.

    Raises:
        NotRun: there is no sample.
    """
    if given.energies is None:
        raise NotRun(NO_SAMPLE)
    from boundcalc.bounds.catalogue import registry
    from boundcalc.bounds.evaluate import evaluate_all, together

    problem = problem_of(given, spectral=any(bound.spectral for bound in registry.values()))
    results = evaluate_all(registry.values(), problem)
    return BoundsFound(
        results, together(results.values(), problem), together(results.values(), problem, "compression")
    )


def problem_of(given: Given, *, spectral: bool) -> BoundInputs:
    """Return the inputs from which bounds are computed.

    Args:
        given: inputs of the part, with a sample.
        spectral: whether certified spectral norms are needed.
    """
    from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
    from boundcalc.certificates.evidence import gather

    assert given.energies is not None
    options, measured = given.options, given.measured
    settings = BoundSettings(
        options.delta, options.margin, options.mask_origin, options.passes, given.device(), options.seed,
        given.normalization(), _as_shares(options.further.get("prior_fraction")),
    )  # fmt: skip
    problem = BoundInputs(
        given.network,
        given.energies,
        None if measured is None else measured.margins,
        settings,
        dict(given.start),
        chain_of(given.network, spectral=spectral),
        None if measured is None else measured.patches,
        None if given.dataset is None else given.dataset.train,
        0.0 if measured is None else measured.rounding,
        None if measured is None else measured.in_order,
        gather(given.checkpoint.path, given.network, given.dataset, options),
    )
    return replace(problem, behind=_behind(problem, measured, spectral=spectral))


def _behind(problem: BoundInputs, measured: Measured | None, *, spectral: bool) -> BoundInputs | None:
    """Return the inputs of norm-based bounds if the network has a fixed first stage that could be run, else None."""
    from boundcalc.bounds.bound_inputs import chain_of
    from boundcalc.network.first_stage import behind_first_stage
    from boundcalc.norms.pass_error import pass_error

    network = behind_first_stage(problem.network)
    if network is None or measured is None or measured.features is None:
        return None
    rounding = pass_error(network, measured.features.largest)
    chain = chain_of(network, spectral=spectral)
    return replace(
        problem, network=network, energies=measured.features, chain=chain, margin_rounding=rounding
    )


def to_dict(found: BoundsFound) -> dict[str, BoundTree]:
    """Return the report's entry: each bound by name."""
    return {name: bound_tree(result) for name, result in found.results.items()}


def bound_tree(result: BoundResult) -> BoundTree:
    """Return the report's entry for one bound."""
    bound, risk = result.bound, result.risk
    log_value = None if risk is None else risk.log_value
    log_complexity = None if risk is None or bound.kind == "certificate" else risk.log_complexity
    made: BoundTree = {
        "status": bound.status if risk is not None else "not_covered",
        "kind": bound.kind,
        "subject": bound.subject,
        "bounds": None if risk is None else risk.bounds,
        "complexity": _number(log_complexity),
        "log10_complexity": _log10(log_complexity),
        "value": _number(log_value),
        "log10_value": _log10(log_value),
        "vacuous": bound.kind != "score" and (log_value is None or log_value >= 0),
        "margin": None if risk is None else risk.margin,
        "ratio": _number(result.log_ratio),
        "log10_ratio": _log10(result.log_ratio),
        "terms": {} if risk is None else risk.terms,
        "source": bound.source,
        "assumptions": list(result.assumptions),
        "reason": result.reason or None,
        "blockers": [
            {"operation": operation, "layer": layer or None} for operation, layer in result.blockers
        ],
        "needs": result.needs or None,
    }
    if bound.kind == "certificate":
        made["prior"] = bound.prior
    return made


def _number(log_value: float | None) -> float | None:
    from boundcalc.norms.rounding import shown

    return None if log_value is None else shown(log_value)


def _log10(log_value: float | None) -> float | None:
    from boundcalc.norms.rounding import shown_log10

    return None if log_value is None else shown_log10(log_value)


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build the bounds by subject, the reasons why others have no value, and the details of the smallest ones."""
    reasons = not_covered(tree)
    return (*bound_sections(tree), *(() if reasons is None else (reasons,)), *smallest(tree))


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return log10 of every bound's value; for a score, which bounds nothing, log10 of its number."""
    return tuple(_quantity(name, bound) for name, bound in (tree.get("bounds") or {}).items())


def _quantity(name: str, bound: Tree) -> Quantity:
    score = bound["status"] == "score"
    key = "log10_complexity" if score else "log10_value"
    value = bound.get("log10_complexity") if score else log10_value(bound)
    return Quantity(
        f"bounds.{name}.{key}",
        name,
        value,
        of_bound(name, bound),
        "log10 bound",
        subject=subject_of(bound),
        status=bound["status"],
        kind=str(bound.get("kind") or ""),
    )


def _shares(word: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in word.split(","))
    except ValueError:
        raise UsageError(
            f"--prior-fraction {word}: give shares of the sample, such as 0.5 or 0.3,0.5"
        ) from None


def _as_shares(given: Any) -> tuple[float, ...]:
    """Return the shares as a tuple; in Python, a single number is allowed."""
    return (float(given),) if isinstance(given, int | float) else tuple(given or ())


def _check_shares(given: Any) -> None:
    """Refuse numbers that are not shares of a sample.

    Raises:
        UsageError: a share is out of range or given twice; the message names it.
    """
    shares = _as_shares(given)
    wrong = [share for share in shares if not 0 < share < 1]
    if wrong or len(set(shares)) < len(shares):
        said = "twice" if not wrong else f"{wrong[0]}"
        raise UsageError(f"--prior-fraction {said}: give shares of the sample between 0 and 1, each once")


PART = Part(
    "bounds", 10, "bounds", "generalization bounds, each with its status and the network that it is about",
    run, to_dict, sections, 5, quantities,
    needs_order=True, absent=dict,
    options=(
        Option(
            "prior_fraction",
            "train a network of this architecture afresh on this share of the sample and bound its "
            "error with the rest; choosing the best of several shares is paid for",
            _shares, None, "P,...", check=_check_shares,
        ),
    ),
)  # fmt: skip
