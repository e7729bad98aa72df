"""A bound on any network through another one that has a certificate ("disagreement"; "disagreement_holdout" if the first
network of the certificate was trained on a part that was set aside).

Let h have a certificate from the sample S, and let U be n unlabeled examples of the same distribution, independent of f and
of h. Where f errs, h errs or the two disagree, so

    err(f) <= err(h) + P(f != h).

err(h) is at most its certificate's value at delta_1 = delta / 10; P(f != h) is at most the exact binomial tail of the
disagreements on U at delta_2 = 9 delta / 10 (Langford 2005). For the best of J certificates each uses delta_1 / J and
delta_2 / J: 2 J statements hold at once, and the sum of each pair is a bound. f disagrees on an example if its largest
output is not that of h, or if two of its outputs are the largest.

Source: Bazinet, Zantedeschi & Germain 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import AtDelta
from boundcalc.certificates import overlap, test_set
from boundcalc.certificates.evidence import Evidence
from boundcalc.certificates.held import Held
from boundcalc.certificates.own import recounted
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.claim import Counted
from boundcalc.empirical.split import Split
from boundcalc.errors import BoundcalcError, NeedsInput, NotCovered
from boundcalc.network.forward import run
from boundcalc.network.network import Network

ASSUMPTIONS = (
    "sample and unlabelled examples are iid from one distribution",
    "neither this network nor a certified one was chosen by the unlabelled examples: they were not "
    "used for early stopping, for choosing a level, for distillation or for normalization",
    "the certified network is the output of its procedure, which boundcalc verify --replay checks",
    "classes are decided in float64, whose rounding is not bounded; a tie counts as a disagreement",
)
CERTIFICATE_SHARE = 0.1
"""Share of delta for the certificate of h; the rest is for the disagreement."""


@dataclass(frozen=True)
class CertifiedPair:
    """A certified network paired with the user's.

    Attributes:
        name: name of the certificate.
        counted: counts from which the certificate's bound follows.
        bits: bits of all its choices, including the normalization.
        disagreements: number of examples of U on which the two networks differ.
        examples: number n of examples in U.
    """

    name: str
    counted: Counted
    bits: float
    disagreements: int
    examples: int

    def value(self, delta: float, candidates: int) -> float:
        """Return the bound on err(f).

        Args:
            delta: failure probability of all candidates together.
            candidates: number J of candidates.
        """
        certified, agreed = self.parts(delta, candidates)
        return certified + agreed

    def parts(self, delta: float, candidates: int) -> tuple[float, float]:
        """Return the bounds on err(h) and on P(f != h), with the arguments of `value`."""
        certified = self.counted.value(CERTIFICATE_SHARE * delta / candidates, self.bits)
        agreed = test_set.error_bound(
            self.disagreements, self.examples, (1 - CERTIFICATE_SHARE) * delta / candidates
        )
        return certified, agreed


def compute(problem: BoundInputs) -> AtDelta:
    """Count where the network and the networks with certificates without a prior differ.

    Raises:
        NotCovered: unlabeled examples or a certificate of another network are missing, or a certificate does not hold.
    """
    return _through(problem, "none")


def compute_holdout(problem: BoundInputs) -> AtDelta:
    """Count where the network and the networks whose certificates set a part aside differ.

    Raises:
        NotCovered: as in `compute`.
    """
    return _through(problem, "data-dependent")


def _through(problem: BoundInputs, prior: str) -> AtDelta:
    evidence = problem.evidence
    if evidence is None or evidence.unlabelled is None:
        raise NeedsInput("examples without labels (--unlabelled DATA)")
    others = [held for held in evidence.held if held.differs and held.certificate.prior == prior]
    if not others:
        raise NotCovered(
            evidence.problem
            or f"no certificate of another network with prior {prior}: give --certificate FILE"
        )
    own = evidence.unlabelled(problem.settings.normalization.numbers or None)
    _check_apart(own.split, problem.split)
    pairs = [_pair(problem, evidence, held, own.split) for held in others]
    count = len(pairs)

    def value(delta: float) -> float:
        return min(pair.value(delta, count) for pair in pairs)

    best = min(pairs, key=lambda pair: pair.value(problem.settings.delta, count))
    certified, agreed = best.parts(problem.settings.delta, count)
    terms = {
        "certificate": best.name,
        "candidates": count,
        "certified_error": certified,
        "disagreement_bound": agreed,
        "disagreements": best.disagreements,
        "unlabelled": best.examples,
        "remark": (
            "assumed on your word, and not checked: neither this network nor the certified one saw "
            f"{own.name} ({own.what})"
        ),
    }
    return AtDelta(
        value, terms, remark=_remark(own.name, own.what, labelled=own.labelled), any_normalization=True
    )


def _remark(name: str, what: str, *, labelled: bool) -> str:
    promise = f"holds if this network was made without {name} ({what}), which cannot be checked"
    tighter = (
        "; its labels were not used: the test-set bound by them is nearly always smaller" if labelled else ""
    )
    return promise + tighter


def _check_apart(unlabelled: Split, sample: Split | None) -> None:
    """Refuse unlabeled examples if many of them are in the sample that trained the network.

    Raises:
        NeedsInput: there is no sample.
        NotCovered: more than one in a hundred examples are in the sample.
    """
    if sample is None:
        raise NeedsInput("the training samples, to count the certificate's errors on (--data DATA)")
    shared, examples = overlap.shared(unlabelled, sample)
    if shared > 0.01 * examples:
        raise NotCovered(
            f"{shared} of the {examples} unlabelled examples are in the training data, which the network has seen"
        )


def _pair(problem: BoundInputs, evidence: Evidence, held: Held, own: Split) -> CertifiedPair:
    certificate = held.certificate
    assert evidence.unlabelled is not None and evidence.sample is not None
    try:
        theirs = held.network(evidence.shape)
        sample = evidence.sample(certificate.normalize)
        margins = claim.margins_in_order(theirs, sample)
        counted = recounted(certificate, margins, sample, certificate.normalize or ())
        inputs = evidence.unlabelled(certificate.normalize).split
        differing, examples = disagreements(problem.network, own, theirs, inputs)
    except BoundcalcError as error:
        if isinstance(error, NotCovered):
            raise
        raise NotCovered(str(error)) from None
    return CertifiedPair(str(held.path), counted, certificate.bits, differing, examples)


def disagreements(network: Network, inputs: Split, other: Network, other_inputs: Split) -> tuple[int, int]:
    """Count the examples on which two networks differ or the first one has a tie.

    Args:
        network: network f.
        inputs: the examples, as inputs of f.
        other: network h.
        other_inputs: the same examples, as inputs of h.

    Returns:
        The number of these examples, and the number of all examples.

    Raises:
        NotCovered: an output is not finite, or the networks have different numbers of outputs.
    """
    if network.outputs != other.outputs:
        raise NotCovered(f"the certified network has {other.outputs} outputs, this one {network.outputs}")
    differing = examples = 0
    for (x, _), (z, _) in zip(inputs.batches(claim.BATCH), other_inputs.batches(claim.BATCH), strict=True):
        mine, ties = _decided(network, x)
        theirs, _ = _decided(other, z)
        differing += int((ties | (mine != theirs)).sum())
        examples += len(x)
    return differing, examples


def _decided(network: Network, x: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the predicted classes, and the examples on which two outputs are the largest.

    Raises:
        NotCovered: an output is not finite.
    """
    with torch.no_grad():
        outputs = run(network, torch.as_tensor(x))
    if not bool(outputs.isfinite().all()):
        raise NotCovered("an output is not finite on an unlabelled example")
    if outputs.shape[1] == 1:
        outputs = torch.cat([-outputs, outputs], 1)
    top = outputs.topk(2, 1)
    return top.indices[:, 0], top.values[:, 0] == top.values[:, 1]


for _name, _compute, _prior in (
    ("disagreement", compute, "none"),
    ("disagreement_holdout", compute_holdout, "data-dependent"),
):
    register(
        Bound(
            _name,
            "certificate",
            "theorem",
            "err(f) <= err(h) + P(f != h) (Bazinet, Zantedeschi & Germain 2026); exact binomial tail (Langford 2005)",
            ASSUMPTIONS,
            _compute,
            subject="network",
            prior=_prior,
        )
    )
