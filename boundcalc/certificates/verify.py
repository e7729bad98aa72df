"""Whether a saved certificate holds: everything it claims, computed afresh from the data and the network, without any search."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.certificates.file import CODED, Certificate, Item, digest_of_split
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.network.digest import digest_of_network
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


def verify(certificate: Certificate, network: Network, split: Split) -> Verified:
    """Check a certificate against the data and the network.

    That the network came from the picks by the procedure is checked by `boundcalc verify --replay`, which trains again.

    Args:
        certificate: as loaded.
        network: the checkpoint that it is said to speak of; for a method whose file holds the network, any network of its
            architecture.
        split: training samples, normalized as the certificate says.

    Returns:
        What holds.

    Raises:
        DataError: the data cannot be run through the network.
    """
    if certificate.method in CODED:
        return _verify_coded(certificate, network, split)
    failures = []
    if digest_of_network(network) != certificate.network_sha256:
        failures.append("the network's weights are not the certified ones")
    if digest_of_split(split) != certificate.data_sha256:
        failures.append("the training data are not the certificate's (samples or labels differ)")
    failures += _wrong_words(certificate)
    if failures:
        return Verified(tuple(failures), None, None)
    margins = claim.margins_in_order(network, split)
    if len(margins) != certificate.m:
        failures.append(f"{len(margins)} samples, not {certificate.m}")
    try:
        counted = claim.counted(
            margins, certificate.picked, claim.apart_of(len(margins), certificate.made_by)
        )
    except ValueError as problem:
        return Verified((*failures, f"picks: {problem}"), None, None)
    if counted.wrong != certificate.wrong:
        failures.append(
            f"{counted.wrong} of the examples that were not picked are wrong, but the certificate "
            f"states {certificate.wrong}"
        )
    value = counted.value(certificate.delta, certificate.bits)
    if value > certificate.value:
        failures.append(f"the bound is {value:.6g}, above the claimed {certificate.value:.6g}")
    return Verified(tuple(failures), value, counted.wrong)


def _verify_coded(certificate: Certificate, architecture: Network, split: Split) -> Verified:
    from boundcalc.certificates.compressed import decoded

    failures = []
    if digest_of_split(split) != certificate.data_sha256:
        failures.append("the training data are not the certificate's (samples or labels differ)")
    if split.m is not None and split.m != certificate.m:
        failures.append(f"{split.m} samples, not {certificate.m}")
    failures += _wrong_entries(certificate, (("subject", "compression"), ("prior", "data-free")))
    if certificate.rounds:
        failures.append("it has picks, although its method picks no examples")
    if failures:
        return Verified(tuple(failures), None, None)
    try:
        found = decoded(certificate, architecture, split)
    except (KeyError, TypeError, ValueError, AttributeError, NotCovered) as problem:
        return Verified((f"it cannot be decoded: {type(problem).__name__} {problem}",), None, None)
    failures += wrong_lines(certificate, found.lines)
    if digest_of_network(found.network) != certificate.network_sha256:
        failures.append("the decoded network is not the one whose checksum the certificate states")
    if found.errors != certificate.wrong:
        failures.append(
            f"its network gets {found.errors} examples wrong, but the certificate states {certificate.wrong}"
        )
    value = found.bound(certificate.delta)
    if value > certificate.value:
        failures.append(f"the bound is {value:.6g}, above the claimed {certificate.value:.6g}")
    return Verified(tuple(failures), value, found.errors)


def _wrong_entries(certificate: Certificate, due: tuple[tuple[str, str], ...]) -> list[str]:
    failures = []
    if not 0 < certificate.delta < 1:
        failures.append(f"delta {certificate.delta} is not a probability between 0 and 1")
    for what, wanted in due:
        if getattr(certificate, what) != wanted:
            failures.append(f"{what} {getattr(certificate, what)}, not {wanted}")
    return failures


def wrong_lines(certificate: Certificate, lines: tuple[Item, ...]) -> list[str]:
    """Return which lines of a certificate's ledger differ from those that are due."""
    failures = []
    for number in range(max(len(lines), len(certificate.ledger))):
        due, said = lines[number : number + 1], certificate.ledger[number : number + 1]
        if due != said:
            failures.append(f"line {number + 1} of the ledger is {_line(said)}, but should be {_line(due)}")
    return failures


def _wrong_words(certificate: Certificate) -> list[str]:
    """Return which of the certificate's own entries do not hold; the data and the network are checked elsewhere."""
    try:
        lines = ledger(certificate.normalize, certificate.made_by)
        picking = certificate.made_by["plan"]["picking"]
        aside = float(picking.get("set_aside", 0.0)) > 0
        most, candidates = int(picking["rounds"]), int(picking.get("candidates", 1))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        return [f"its options are incomplete: {problem}"]
    announced = most - candidates < len(certificate.rounds) <= most
    said = (
        f"{len(certificate.rounds)} rounds, of {most} announced, the best of the last {candidates} to be kept"
    )
    prior = "data-dependent" if aside else "none"
    method = "pick" if certificate.picked else "holdout"
    due = (("subject", "network"), ("prior", prior), ("method", method))
    return wrong_lines(certificate, lines) + _wrong_entries(certificate, due) + ([] if announced else [said])


def _line(items: tuple[Item, ...]) -> str:
    return "nothing" if not items else f"{items[0].item}: {items[0].bits:.2f} bits"
