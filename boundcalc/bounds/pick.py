"""The bound of a ticket trained only on examples that the training itself picked ("pick").

With probability at least 1 - delta, err(h) <= eps(k): `boundcalc.certificates.pick.theorem` states and proves it. Here the
certificate beside the checkpoint is compared with the network that was read, and the number of errors outside the
picks, hence k and the value, is recomputed from the data.
"""

from __future__ import annotations

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import AtDelta
from boundcalc.certificates.own import checked, paid
from boundcalc.certificates.pick.claim import Counted
from boundcalc.errors import NotCovered


def compute(problem: BoundInputs) -> AtDelta:
    """Count the errors outside the picks.

    Raises:
        NotCovered: there is no certificate by picking, it belongs to another network or other data, or there are no data.
    """
    certificate, counted = checked(problem, "pick")
    if certificate.prior != "none":
        raise NotCovered("its first network was trained on a part that was set aside: see pick_after")
    return outcome(counted, paid(certificate), len(certificate.rounds))


def outcome(counted: Counted, bits: float, rounds: int) -> AtDelta:
    """Return the bound as a function of delta."""
    terms = {
        "picked": counted.picked,
        "wrong": counted.wrong,
        "size": counted.picked + counted.wrong,
        "samples": counted.samples,
        "rounds": rounds,
        "choice_bits": bits,
    }
    return AtDelta(lambda delta: counted.value(delta, bits), terms)


ASSUMPTIONS = (
    (
        "iid sample; procedure, options, architecture and seed fixed before it, except the settings that "
        "are paid for"
    ),
    (
        "the network is the output of the procedure, trained on the picked examples alone, which boundcalc "
        "verify --replay checks"
    ),
    "errors outside the picks are counted in float64, whose rounding is not bounded; a tie counts as an error",
)
register(
    Bound(
        "pick",
        "certificate",
        "theorem",
        "sample compression with a preference (Campi & Garatti 2023; Paccagnan, Campi & Garatti 2023, Pick-to-Learn)",
        ASSUMPTIONS,
        compute,
        subject="network",
        prior="none",
    )
)
