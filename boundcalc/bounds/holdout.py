"""Certificates of a network whose first training used a part of the sample that was set aside ("holdout", "pick_after",
"holdout_retrained").

S is split by a seeded permutation into S_1, on which a first network is trained, and S_2 of N examples, of which it is independent.

- holdout: its errors on S_2 are binomial, so err(h) is at most the exact tail at delta (Langford 2005; `certificates.test_set`).
- holdout_retrained: the same for a network that is trained afresh, for checkpoints that may have seen all of S; the best of T
  shares of S costs log2 T bits.
- pick_after: picking continues from the first network with S_2 as the sample (`boundcalc.certificates.pick.theorem`); every
  training also uses S_1.
"""

from __future__ import annotations

import math

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import AtDelta
from boundcalc.bounds.pick import ASSUMPTIONS, outcome
from boundcalc.certificates import test_set
from boundcalc.certificates.own import checked, paid
from boundcalc.certificates.retrained import retrain
from boundcalc.errors import NeedsInput, NotCovered


def holdout(problem: BoundInputs) -> AtDelta:
    """Count the errors of the certified network on S_2.

    Raises:
        NotCovered: there is no such certificate, it belongs to another network or other data, or there are no data.
    """
    certificate, counted = checked(problem, "holdout")
    bits = paid(certificate)
    terms = {"errors": counted.wrong, "samples": counted.samples, "choice_bits": bits}
    return AtDelta(lambda delta: counted.value(delta, bits), terms)


def retrained(problem: BoundInputs) -> AtDelta:
    """Train a network of the checkpoint's architecture on every requested share of the sample, and count errors on the rest.

    Raises:
        NeedsInput: no share was requested, or there is no sample.
        NotCovered: the network has parameters that cannot be trained here, or the part does not fit into memory.
    """
    shares, m = problem.settings.prior_fractions, problem.energies.m
    if not shares:
        raise NeedsInput("a share of the sample to train on (--prior-fraction P)")
    if problem.split is None:
        raise NeedsInput(
            "training samples, to train on a part of them and count errors on the rest (--data DATA)"
        )
    found = [retrain(problem.network, problem.split, m, share, problem.settings.seed) for share in shares]
    bits = math.log2(len(shares))

    def value(delta: float) -> float:
        return min(one.counted.value(delta, bits) for one in found)

    best = min(found, key=lambda one: one.counted.value(problem.settings.delta, bits))
    certify = best.counted.samples
    terms = {
        "errors": best.counted.wrong, "samples": certify, "choice_bits": bits, "fraction": best.fraction,
        "surviving": best.network.surviving,
    }  # fmt: skip
    remark = (
        f"the bound is about another network, trained afresh on {m - certify:,} of the samples; this "
        "checkpoint, its mask and --reference are not used as its reference, because they may depend "
        f"on the {certify:,} samples that certify it"
    )
    return AtDelta(value, terms, remark=remark)


def pick_after(problem: BoundInputs) -> AtDelta:
    """Count the errors on S_2 outside the picks.

    Raises:
        NotCovered: as in `holdout`, or nothing was set aside.
    """
    certificate, counted = checked(problem, "pick")
    if certificate.prior == "none":
        raise NotCovered("nothing was set aside: see pick")
    return outcome(counted, paid(certificate), len(certificate.rounds))


_SPLIT = "iid sample, split by a permutation whose seed was fixed before it"
_COUNTED = "errors are counted in float64; a tie counts as an error"
for _name, _compute, _subject, _source, _assumptions in (
    (
        "holdout",
        holdout,
        "network",
        test_set.SOURCE,
        (
            _SPLIT,
            (
                "nothing from the part that certifies entered the training, except the settings that are "
                "paid for"
            ),
            _COUNTED,
        ),
    ),
    (
        "holdout_retrained",
        retrained,
        "retrained",
        test_set.SOURCE,
        (
            _SPLIT,
            "the architecture was fixed before the sample; nothing else of the checkpoint is used",
            _COUNTED,
        ),
    ),
    (
        "pick_after",
        pick_after,
        "network",
        "picking after a first network (Campi & Garatti 2023; Paccagnan, Campi & Garatti 2023)",
        ASSUMPTIONS,
    ),
):
    register(
        Bound(
            _name,
            "certificate",
            "theorem",
            _source,
            _assumptions,
            _compute,
            subject=_subject,
            prior="data-dependent",
        )
    )
