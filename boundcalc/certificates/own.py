"""What the certificate beside a checkpoint says of its network, checked and counted afresh."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from boundcalc.certificates.file import Certificate, digest_of_split
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.claim import Counted
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.errors import NeedsInput, NotCovered

if TYPE_CHECKING:
    from boundcalc.bounds.bound_inputs import BoundInputs
    from boundcalc.empirical.split import Split


def checked(problem: BoundInputs, method: str) -> tuple[Certificate, Counted]:
    """Return the certificate of the problem's network and what its bound follows from.

    Args:
        problem: with the certificates that were found.
        method: that the certificate must have.

    Raises:
        NeedsInput: there is none.
        NotCovered: something that it says does not hold, or it speaks of another network.
    """
    evidence = problem.evidence
    found = [] if evidence is None else [one for one in evidence.held if one.certificate.subject == "network"]
    if not found:
        if evidence and evidence.problem:
            raise NotCovered(evidence.problem)
        raise NeedsInput("a certificate beside the checkpoint (boundcalc train --certify makes one)")
    mine = [held for held in found if not held.differs]
    if not mine:
        first = found[0]
        raise NotCovered(
            f"{first.path.name} is about another network: {first.differs}; --unlabelled DATA transfers "
            "it to this one"
        )
    certificate = mine[0].certificate
    if certificate.method != method:
        raise NotCovered(f"the certificate beside the checkpoint is by {certificate.method}")
    return certificate, recounted(
        certificate, problem.margins_in_order, problem.split, problem.settings.normalization.numbers
    )


def recounted(
    certificate: Certificate, margins: torch.Tensor | None, split: Split | None, numbers: tuple[float, ...]
) -> Counted:
    """Count a certificate's errors afresh.

    Args:
        certificate: of the network that has the margins.
        margins: of the training samples in their order, or None.
        split: the training samples, or None.
        numbers: by which they are normalized: means, then deviations.

    Raises:
        NotCovered: there are no data, or they are not those of the certificate, or an entry of it does not hold.
    """
    try:
        lines = ledger(certificate.normalize, certificate.made_by)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise NotCovered(f"the certificate's options are incomplete ({problem})") from None
    if lines != certificate.ledger:
        raise NotCovered(
            "a line of the certificate's ledger does not state the price of its choice: see boundcalc verify"
        )
    if split is None or margins is None:
        raise NotCovered(
            "the certificate is about this network and its ledger adds up, but without the training "
            "data the number of errors that it states cannot be checked: give --data"
        )
    if numbers != (certificate.normalize or ()):
        shown = "none" if certificate.normalize is None else ",".join(map(repr, certificate.normalize))
        raise NotCovered(
            f"the certified network expects inputs with another normalization: give --normalize {shown}"
        )
    if len(margins) != certificate.m or digest_of_split(split) != certificate.data_sha256:
        raise NotCovered("the certificate's training data are not those of --data (samples or labels differ)")
    try:
        return claim.counted(margins, certificate.picked, claim.apart_of(len(margins), certificate.made_by))
    except (KeyError, TypeError, ValueError) as problem:
        raise NotCovered(f"the certificate's picks do not hold ({problem})") from None


def paid(certificate: Certificate) -> float:
    """Return the bits of a certificate's choices, those of the normalization left out: every bound of a report pays for these."""
    return math.fsum(item.bits for item in certificate.ledger[1:])
