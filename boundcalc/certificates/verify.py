"""Whether a saved certificate holds: everything it claims, computed afresh from the data and the network, without any search."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.certificates.file import Certificate, digest_of_split
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.empirical.split import Split
from boundcalc.network.network import Network


@dataclass(frozen=True)
class Verified:
    """The outcome.

    Attributes:
        failures: what does not hold, a line each; empty where the certificate holds.
        value: the bound as computed here; None where something else failed before.
        wrong: examples outside the picks that the network gets wrong, as counted here; None likewise.
    """

    failures: tuple[str, ...]
    value: float | None
    wrong: int | None


def verify(certificate: Certificate, network: Network, network_sha256: str, split: Split) -> Verified:
    """Check a certificate against the data and the network.

    That the network came from the picks by the procedure is checked by `boundcalc verify --replay`, which trains again.

    Args:
        certificate: as loaded.
        network: the checkpoint that it is said to speak of.
        network_sha256: digest of the checkpoint's tensors.
        split: training samples, normalised as the certificate says.

    Returns:
        What holds.

    Raises:
        DataError: the data cannot be run through the network.
    """
    failures = []
    if network_sha256 != certificate.network_sha256:
        failures.append("the network's weights are not the certified ones")
    if digest_of_split(split) != certificate.data_sha256:
        failures.append("the training data are not the certificate's (samples or labels differ)")
    if ledger(certificate.normalize, certificate.made_by) != certificate.ledger:
        failures.append("a line of the ledger is not what its choice costs")
    if not 0 < certificate.delta < 1:
        failures.append(f"delta {certificate.delta} is no probability between 0 and 1")
    if failures:
        return Verified(tuple(failures), None, None)
    margins = claim.margins_in_order(network, split)
    try:
        wrong = claim.wrong_outside(margins, certificate.picked)
    except ValueError as problem:
        return Verified((f"picks: {problem}",), None, None)
    if len(margins) != certificate.m:
        failures.append(f"{len(margins)} samples, not {certificate.m}")
    if wrong != certificate.wrong:
        failures.append(f"{wrong} of the examples that were not picked are wrong, not {certificate.wrong}")
    value = claim.value(len(certificate.picked), wrong, len(margins), certificate.delta, certificate.bits)
    if value > certificate.value:
        failures.append(f"the bound is {value:.6g}, above the claimed {certificate.value:.6g}")
    return Verified(tuple(failures), value, wrong)
