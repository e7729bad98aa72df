"""Certificates of a network whose training saw a part of the sample that was set aside ("holdout", "pick_after").

S is split by a seeded permutation into S_1, on which a first network is trained, and S_2 of N examples, of which it is independent.
holdout: its errors on S_2 are binomial, so err(h) is at most the exact tail at delta (Langford 2005; `certificates.test_set`).
pick_after: picking goes on from it with S_2 as the sample (`boundcalc.certificates.pick.theorem`); every training sees S_1 too.
"""

from __future__ import annotations

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import AtDelta
from boundcalc.bounds.pick import ASSUMPTIONS, outcome
from boundcalc.certificates import test_set
from boundcalc.certificates.own import checked, paid
from boundcalc.errors import NotCovered


def holdout(problem: BoundInputs) -> AtDelta:
    """Count the errors on S_2.

    Raises:
        NotCovered: there is no such certificate, it speaks of another network or other data, or there are no data.
    """
    certificate, counted = checked(problem, "holdout")
    bits = paid(certificate)
    terms = {"errors": counted.wrong, "samples": counted.samples, "choice_bits": bits}
    return AtDelta(lambda delta: counted.value(delta, bits), terms)


def pick_after(problem: BoundInputs) -> AtDelta:
    """Count the errors on S_2 outside the picks.

    Raises:
        NotCovered: as `holdout`.
    """
    certificate, counted = checked(problem, "pick")
    if certificate.prior == "none":
        raise NotCovered("nothing was set aside: see pick")
    return outcome(counted, paid(certificate), len(certificate.rounds))


for _name, _compute, _source, _assumptions in (
    (
        "holdout",
        holdout,
        test_set.SOURCE,
        (
            "iid sample, split by a permutation whose seed was fixed before it",
            "nothing of the part that certifies entered the training, but for the settings that are paid for",
            "errors are counted in float64; a tie counts as an error",
        ),
    ),
    (
        "pick_after",
        pick_after,
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
            subject="network",
            prior="data-dependent",
        )
    )
